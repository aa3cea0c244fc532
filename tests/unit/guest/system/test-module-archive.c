// SPDX-License-Identifier: Apache-2.0
/*
 * Names, aliases and dependencies of an archive, and what is read of it. The index is measured with
 * the image; one that is broken must still not be followed outside its blocks.
 */
#include "guest/system/module-archive.h"

#include <lzma.h>
#include <string.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/directory-tree.h"

typedef struct {
    char *directory;
    char *file;
    CocoModuleArchive *archive;
} Rig;

static void
rig_clear(Rig *rig)
{
    coco_module_archive_free(rig->archive);
    coco_directory_tree_remove(rig->directory);
    g_free(rig->directory);
    g_free(rig->file);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static size_t
pack(const char *text, uint8_t *packed, size_t size)
{
    size_t used = 0;

    cr_assert_eq(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, (const uint8_t *) text,
                                         strlen(text), packed, &used, size),
                 LZMA_OK);
    return used;
}

/* Two modules in one block of ten bytes. %zu: its packed size. */
static CocoModuleArchive *
rig_start(Rig *rig, const char *index_format, GError **error)
{
    uint8_t packed[4096];
    size_t size = pack("firstother", packed, sizeof packed);
    g_autofree char *archive = NULL;
    g_autofree char *index = NULL;
    g_auto(GStrv) parts = g_strsplit(index_format, "@", -1);
    g_autofree char *number = g_strdup_printf("%zu", size);
    g_autofree char *text = g_strjoinv(number, parts);

    rig->directory = g_dir_make_tmp("coco-archive-XXXXXX", NULL);
    rig->file = g_build_filename(rig->directory, "demand", NULL);
    archive = g_strconcat(rig->file, ".xz", NULL);
    index = g_strconcat(rig->file, ".index", NULL);
    cr_assert(g_file_set_contents(archive, (const char *) packed, (gssize) size, NULL));
    cr_assert(g_file_set_contents(index, text, -1, NULL));
    rig->archive = coco_module_archive_open(rig->file, error);
    return rig->archive;
}

static char *
resolve(const Rig *rig, const char *wanted)
{
    g_autoptr(GPtrArray) names = coco_module_archive_resolve(rig->archive, wanted);

    if (names == NULL)
        return g_strdup("none");
    g_ptr_array_add(names, NULL);
    return g_strjoinv(" ", (char **) names->pdata);
}

static void
check(const Rig *rig, const char *wanted, const char *names)
{
    g_autofree char *got = resolve(rig, wanted);

    cr_assert_str_eq(got, names, "%s: %s", wanted, got);
}

#define INDEX                                                                                      \
    "first_one 0 @ 10 0 5 other,plain rtnl_link_first,net_pf_16\n"                                 \
    "other 0 @ 10 5 5 plain,missing rtnl_link_other,rtnl_link_first\n"                             \
    "plain 0 0 0 0 0 - crypto_x\n"                                                                 \
    "circle 0 0 0 0 0 circle_two -\n"                                                              \
    "circle_two 0 0 0 0 0 circle -\n"

Test(module_archive, each_after_what_it_depends_on)
{
    g_auto(Rig) rig = { 0 };

    cr_assert_not_null(rig_start(&rig, INDEX, NULL));
    check(&rig, "first-one", "plain other first_one");
    check(&rig, "rtnl-link-other", "plain other");
    check(&rig, "rtnl-link-first", "plain other first_one");
    check(&rig, "net-pf-16", "plain other first_one");
    check(&rig, "crypto-x", "plain");
    check(&rig, "circle", "circle_two circle");
    check(&rig, "net-pf-1", "none");
    check(&rig, "rtnl_link", "none");
    check(&rig, "rtnl_link_first,net_pf_16", "none");
    check(&rig, "-", "none");
    check(&rig, "", "none");
}

Test(module_archive, what_is_read_is_the_module_alone)
{
    g_auto(Rig) rig = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) other = NULL;

    cr_assert_not_null(rig_start(&rig, INDEX, NULL));
    other = coco_module_archive_read(rig.archive, "other", NULL);
    cr_assert_eq(g_bytes_get_size(other), 5);
    cr_assert_eq(memcmp(g_bytes_get_data(other, NULL), "other", 5), 0);
    cr_assert(coco_module_archive_is_packed(rig.archive, "other"));
    cr_assert_not(coco_module_archive_is_packed(rig.archive, "plain"));
    cr_assert_null(coco_module_archive_read(rig.archive, "plain", &error));
    cr_assert_eq(error->code, COCO_TTRPC_NOT_FOUND);
}

Test(module_archive, a_broken_one_is_refused)
{
    static const char *const bad[] = { "x 0 @ 10 0 5 -\n",         "x 0 @ 10 6 5 - -\n",
                                       "x 0 @ 10 0 11 - -\n",      "x 0 @ -1 0 0 - -\n",
                                       "x 0 @ 99999999 0 5 - -\n", "x 0 @ 10 0 5 - - -\n" };
    static const char *const unreadable[] = { "x 1 @ 10 0 5 - -\n", "x 0 1 10 0 5 - -\n",
                                              "x 0 @ 9 0 5 - -\n", "x 0 @ 11 0 5 - -\n" };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(Rig) rig = { 0 };
        g_autoptr(GError) error = NULL;

        cr_assert_null(rig_start(&rig, bad[i], &error), "%s", bad[i]);
        cr_assert_eq(error->code, COCO_TTRPC_INTERNAL);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(unreadable); i++) {
        g_auto(Rig) rig = { 0 };
        g_autoptr(GError) error = NULL;

        cr_assert_not_null(rig_start(&rig, unreadable[i], NULL));
        cr_assert_null(coco_module_archive_read(rig.archive, "x", &error), "%s", unreadable[i]);
        cr_assert_eq(error->code, COCO_TTRPC_INTERNAL);
    }
}

Test(module_archive, none_is_fine)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(coco_module_archive_open("/proc/nonexistent", &error));
    cr_assert_eq(error->code, COCO_TTRPC_NOT_FOUND);
    coco_module_archive_free(NULL);
}
