// SPDX-License-Identifier: Apache-2.0
/*
 * Which file a container's termination log is, and what is read of it.
 */
#include "guest/pod/termination-log.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/oci/oci-json.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/directory-tree.h"

#define MOUNTS                                                                                     \
    "\"mounts\":[{\"destination\":\"/dev/termination-log\",\"source\":\"/s/"                       \
    "c-0123-termination-log\"},"                                                                   \
    "{\"destination\":\"/why\",\"source\":\"/s/c-4567-why\"}]"
#define ANNOTATION "io.kubernetes.container.terminationMessagePath"

static char *
find(const char *json)
{
    g_autoptr(Grpc__Spec) spec = coco_oci_spec_from_json(json, strlen(json), NULL);

    cr_assert_not_null(spec);
    return coco_termination_log_find(spec);
}

Test(termination_log, is_what_the_spec_mounts)
{
    g_autofree char *usual = find("{" MOUNTS "}");
    g_autofree char *other = find("{" MOUNTS ",\"annotations\":{\"" ANNOTATION "\":\"/why\"}}");
    g_autofree char *none = find("{" MOUNTS ",\"annotations\":{\"" ANNOTATION "\":\"/no\"}}");

    cr_assert_str_eq(usual, "/s/c-0123-termination-log");
    cr_assert_str_eq(other, "/s/c-4567-why");
    cr_assert_null(none);
    cr_assert_null(coco_termination_log_find(NULL));
}

Test(termination_log, a_file_below_the_shared_directory, .timeout = 5)
{
    g_autofree char *base = g_dir_make_tmp("coco-log-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(base, "log", NULL);
    g_autofree char *fifo = g_build_filename(base, "fifo", NULL);
    g_autofree char *link = g_build_filename(base, "link", NULL);
    g_autofree char *nothing = coco_termination_log_read(base, path, NULL);
    g_autofree char *none = coco_termination_log_read(base, NULL, NULL);
    g_autofree char *text = NULL;
    g_autofree char *whole = g_strnfill(5000, 'x');
    const char *const bad[] = { fifo, link, "/etc/passwd" };

    cr_assert_str_empty(nothing);
    cr_assert_str_empty(none);
    cr_assert(g_file_set_contents(path, whole, -1, NULL));
    text = coco_termination_log_read(base, path, NULL);
    cr_assert_eq(strlen(text), 4096);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    cr_assert_eq(symlink("/etc/passwd", link), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        cr_assert_null(coco_termination_log_read(base, bad[i], &error));
        cr_assert_eq(error->code, COCO_TTRPC_INVALID_ARGUMENT, "%s", bad[i]);
    }
    coco_directory_tree_remove(base);
}
