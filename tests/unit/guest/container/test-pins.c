// SPDX-License-Identifier: Apache-2.0
/*
 * What may be named, and that what was checked is what is used.
 */
#include "guest/container/pins.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/oci/oci-json.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/directory-tree.h"

typedef struct {
    char *root;
    char *base;
    char *bundle;
} Rig;

static void
rig_clear(Rig *rig)
{
    coco_pins_remove(rig->bundle);
    coco_directory_tree_remove(rig->root);
    g_free(rig->root);
    g_free(rig->base);
    g_free(rig->bundle);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

/* ROOT/base/c/rootfs, ROOT/base/volume/file, ROOT/secret/file, ROOT/bundle */
static void
rig_start(Rig *rig)
{
    static const char *const names[] = { "base/c/rootfs", "base/volume", "secret", "bundle" };

    rig->root = g_dir_make_tmp("coco-pins-XXXXXX", NULL);
    rig->base = g_build_filename(rig->root, "base", NULL);
    rig->bundle = g_build_filename(rig->root, "bundle", NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(rig->root, names[i], NULL);
        g_autofree char *file = g_build_filename(path, "file", NULL);

        cr_assert_eq(g_mkdir_with_parents(path, 0755), 0);
        cr_assert(g_file_set_contents(file, names[i], -1, NULL));
    }
    if (geteuid() == 0) {
        cr_assert_eq(unshare(CLONE_NEWNS), 0);
        cr_assert_eq(mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    }
}

static Grpc__Spec *
spec_of(const Rig *rig, const char *type, const char *source)
{
    g_autofree char *json = g_strdup_printf(
        "{\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"},\"root\":{\"path\":\"%s/c/rootfs\"},"
        "\"mounts\":[{\"destination\":\"/d\",\"type\":\"%s\",\"source\":\"%s\"}]}",
        rig->base, type, source);

    return coco_oci_spec_from_json(json, strlen(json), NULL);
}

Test(pins, places_that_are_not_allowed)
{
    g_auto(Rig) rig = { 0 };
    g_autofree char *link = NULL;
    g_autofree char *secret = NULL;

    rig_start(&rig);
    link = g_build_filename(rig.base, "volume", "link", NULL);
    secret = g_build_filename(rig.root, "secret", NULL);
    cr_assert_eq(symlink(secret, link), 0);
    const struct {
        const char *type;
        const char *source;
    } cases[] = {
        { "bind", "/" },
        { "bind", "/run/coco-agent" },
        { "bind", "" },
        { "bind", rig.base },
        { "bind", secret },
        { "bind", link },
        { "bind", "/proc" },
        { "bind", "/proc/" },
        { "bind", "/proc/1/root" },
        { "bind", "/proc/self/root" },
        { "bind", "/proc/sys/../1/root" },
        { "bind", "/dev/fd/0" },
        { "bind", "/device" },
        { "overlay", "overlay" },
        { "ext4", "/dev/vda" },
        { "", "/" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Grpc__Spec) spec = spec_of(&rig, cases[i].type, cases[i].source);
        g_autofree char *pins = g_build_filename(rig.bundle, "pins", NULL);
        g_autoptr(GError) error = NULL;

        cr_assert_not(coco_pins_make(spec, rig.base, rig.bundle, &error), "%s", cases[i].source);
        cr_assert_eq(error->code, COCO_TTRPC_INVALID_ARGUMENT, "%s", error->message);
        cr_assert(g_str_has_prefix(error->message, "mount for '/d': "), "%s", error->message);
        coco_pins_remove(rig.bundle);
        coco_directory_tree_remove(pins);
    }
}

Test(pins, an_option_makes_a_bind)
{
    g_auto(Rig) rig = { 0 };
    g_autoptr(Grpc__Spec) spec = NULL;
    char *options[] = { g_strdup("ro"), g_strdup("rbind") };

    rig_start(&rig);
    spec = spec_of(&rig, "tmpfs", "/");
    spec->mounts[0]->options = g_memdup2(options, sizeof options);
    spec->mounts[0]->n_options = G_N_ELEMENTS(options);
    cr_assert_not(coco_pins_make(spec, rig.base, rig.bundle, NULL));
}

Test(pins, the_guests_own_is_allowed)
{
    static const char *const sources[] = { "/sys/kernel", "/dev", "/dev/null", "/proc/sys" };
    g_auto(Rig) rig = { 0 };

    rig_start(&rig);
    for (size_t i = 0; i < G_N_ELEMENTS(sources); i++) {
        g_autoptr(Grpc__Spec) spec = spec_of(&rig, "bind", sources[i]);
        g_autofree char *pins = g_build_filename(rig.bundle, "pins", NULL);
        g_autoptr(GError) error = NULL;

        cr_assert(coco_pins_make(spec, rig.base, rig.bundle, &error), "%s",
                  error != NULL ? error->message : "");
        coco_pins_remove(rig.bundle);
        coco_directory_tree_remove(pins);
    }
}

/* After the check the place becomes a link to what must not be seen. */
Test(pins, what_was_checked_is_used)
{
    g_auto(Rig) rig = { 0 };
    g_autofree char *volume = NULL;
    g_autofree char *moved = NULL;
    g_autofree char *secret = NULL;
    g_autofree char *file = NULL;
    g_autofree char *text = NULL;
    g_autofree char *root_file = NULL;
    g_autoptr(Grpc__Spec) spec = NULL;

    if (geteuid() != 0)
        cr_skip_test("needs root");
    rig_start(&rig);
    volume = g_build_filename(rig.base, "volume", NULL);
    moved = g_build_filename(rig.base, "moved", NULL);
    secret = g_build_filename(rig.root, "secret", NULL);
    spec = spec_of(&rig, "bind", volume);
    cr_assert(coco_pins_make(spec, rig.base, rig.bundle, NULL));
    cr_assert_eq(rename(volume, moved), 0);
    cr_assert_eq(symlink(secret, volume), 0);
    file = g_build_filename(spec->mounts[0]->source, "file", NULL);
    cr_assert(g_file_get_contents(file, &text, NULL, NULL));
    cr_assert_str_eq(text, "base/volume");
    root_file = g_build_filename(spec->root->path, "file", NULL);
    cr_assert(g_file_test(root_file, G_FILE_TEST_EXISTS));
    coco_pins_remove(rig.bundle);
    cr_assert_not(g_file_test(root_file, G_FILE_TEST_EXISTS));
}
