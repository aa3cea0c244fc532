// SPDX-License-Identifier: Apache-2.0
/*
 * Option strings to flags and data, the failures of a mount.
 * Real mounts are in test-volume-mounts.c.
 */
#include "shim/storage/mount-options.h"

#include <string.h>
#include <sys/mount.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static void
expect(const char *options, unsigned long flags, unsigned long propagation, const char *data)
{
    g_auto(GStrv) list = g_strsplit(options, ",", -1);
    g_auto(CocoMountOptions) parsed = { 0 };

    coco_mount_options_parse(list, g_strv_length(list), &parsed);
    cr_expect(eq(ulong, parsed.flags, flags), "%s", options);
    cr_expect(eq(ulong, parsed.propagation, propagation), "%s", options);
    cr_expect(eq(str, parsed.data, (char *) data), "%s", options);
}

Test(mount_options, flags_propagation_and_data)
{
    expect("rbind,rw", MS_BIND | MS_REC, 0, "");
    expect("ro,nosuid,nodev,noexec", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, 0, "");
    expect("ro,rw", 0, 0, "");
    expect("bind,rprivate", MS_BIND, MS_PRIVATE | MS_REC, "");
    expect("index=off,workdir=/w,upperdir=/u,lowerdir=/a:/b", 0, 0,
           "index=off,workdir=/w,upperdir=/u,lowerdir=/a:/b");
    expect("size=64m,noatime,mode=1777", MS_NOATIME, 0, "size=64m,mode=1777");
}

Test(mount_options, too_much_data_is_an_error_not_a_cut)
{
    g_autofree char *data = g_strnfill(5000, 'x');
    CocoMountOptions options = { .data = data };
    g_autoptr(GError) error = NULL;

    cr_assert(not(coco_mount("tmpfs", "scratch", -1, &options, &error)));
    cr_expect(eq(str, error->message, "mount 'scratch': Argument list too long"));
}

Test(mount_options, failure_names_source_and_cause)
{
    CocoMountOptions options = { .flags = MS_BIND, .data = (char *) "" };
    g_autoptr(GError) error = NULL;

    cr_assert(not(coco_mount("bind", "/no/such/source", -1, &options, &error)));
    cr_expect(g_strrstr(error->message, "bind-mount '/no/such/source': ") != NULL);
}
