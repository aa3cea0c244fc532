// SPDX-License-Identifier: Apache-2.0
/*
 * Option strings to flags and data, the failures of a mount, and options that are more than a page.
 * Real mounts are in test-volume-mounts.c.
 */
#include "shim/storage/mount-options.h"

#include <string.h>
#include <sys/mount.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "shim/storage/overlay-data.h"

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

/* What 40 layers of containerd's overlayfs snapshotter look like does not fit into a page; nor does
 * it where the paths are a test's. */
static char *
many_layers(const char *root, unsigned int n)
{
    GString *data = g_string_new("index=off,workdir=/w,upperdir=/u,lowerdir=");

    for (unsigned int i = n; i > 0; i--)
        g_string_append_printf(data, "%s%s/snapshots/%u/fs", i < n ? ":" : "", root, i);
    return g_string_free(data, FALSE);
}

Test(overlay_data, layers_get_relative_to_what_they_have_in_common)
{
    static const char root[] = "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs";
    g_autofree char *data = many_layers(root, 100);
    g_autofree char *directory = NULL;
    g_autofree char *compact = coco_overlay_data_compact(data, &directory);

    cr_assert(gt(sz, strlen(data), (size_t) 4095));
    cr_assert(compact != NULL);
    cr_expect(lt(sz, strlen(compact), (size_t) 1000));
    cr_expect(eq(str, directory,
                 "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/"));
    cr_expect(g_str_has_prefix(compact, "index=off,workdir=/w,upperdir=/u,lowerdir=100/fs:99/fs:"));
    cr_expect(g_str_has_suffix(compact, ":2/fs:1/fs"));
}

Test(overlay_data, what_is_not_plain_is_left_alone)
{
    static const struct {
        const char *data;
        const char *result; /* NULL: as it was */
    } rows[] = {
        { "lowerdir=/a/b:/a/b/c", "lowerdir=b:b/c" },
        { "lowerdir=/a/bc:/a/bd:/a/b", "lowerdir=bc:bd:b" },
        { "lowerdir=/a/x,upperdir=/a/y", "lowerdir=x,upperdir=/a/y" },
        { "lowerdir=/a:/b", NULL },
        { "lowerdir=/a/b/:/a/c", NULL },
        { "lowerdir=/a/b::/a/c", NULL },
        { "lowerdir=a/b:a/c", NULL },
        { "lowerdir=/a/b\\:c:/a/d", NULL },
        { "lowerdir=/a/b,upperdir=/x\\,y", NULL },
        { "lowerdir=", NULL },
        { "size=1m", NULL },
        { "", NULL },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *directory = NULL;
        g_autofree char *result = coco_overlay_data_compact(rows[i].data, &directory);

        cr_expect(g_strcmp0(result, rows[i].result) == 0, "'%s' gives '%s'", rows[i].data, result);
        cr_expect(eq(int, directory != NULL, result != NULL));
    }
}
