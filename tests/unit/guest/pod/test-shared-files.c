// SPDX-License-Identifier: Apache-2.0
/*
 * Pieces come in order, and a file server that does not answer holds nobody but those behind it.
 */
#include "guest/pod/shared-files.h"

#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/directory-tree.h"
#include "tests/unit/guest/mute-mount.h"

typedef struct {
    char *base;
    CocoReaper *reaper;
    CocoSharedFiles *files;
    unsigned int n_told;
    int code;   /* of the last */
    char *text; /* nullable */
} Rig;

static void
rig_clear(Rig *rig)
{
    coco_shared_files_free(rig->files);
    coco_reaper_free(rig->reaper);
    coco_directory_tree_remove(rig->base);
    g_free(rig->base);
    g_free(rig->text);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static void
rig_start(Rig *rig)
{
    rig->base = g_dir_make_tmp("coco-shared-XXXXXX", NULL);
    rig->reaper = coco_reaper_new(NULL);
    rig->files = coco_shared_files_new(rig->base, rig->reaper);
}

static void
on_done(const char *text, const GError *error, void *user_data)
{
    Rig *rig = user_data;

    rig->code = error != NULL ? error->code : 0;
    g_free(rig->text);
    rig->text = g_strdup(text);
    rig->n_told++;
}

static void
run_until(const Rig *rig, unsigned int count)
{
    while (rig->n_told < count)
        (void) g_main_context_iteration(NULL, TRUE);
}

typedef struct {
    char *path;
    Grpc__CopyFileRequest request;
} Piece;

static void
piece_clear(Piece *piece)
{
    g_free(piece->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Piece, piece_clear)

static void
copy(Rig *rig, Piece *piece, const char *name, const char *data, int64_t offset, int64_t size)
{
    piece->path = g_build_filename(rig->base, name, NULL);
    grpc__copy_file_request__init(&piece->request);
    piece->request.path = piece->path;
    piece->request.file_mode = S_IFREG | 0644;
    piece->request.file_size = size;
    piece->request.offset = offset;
    piece->request.uid = (int32_t) getuid();
    piece->request.gid = (int32_t) getgid();
    piece->request.data.data = (uint8_t *) data;
    piece->request.data.len = strlen(data);
    coco_shared_files_copy(rig->files, &piece->request, on_done, rig);
}

Test(shared_files, pieces_come_in_order, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };
    g_auto(Piece) one = { 0 };
    g_auto(Piece) two = { 0 };
    g_auto(Piece) three = { 0 };
    g_autofree char *path = NULL;
    g_autofree char *outside = NULL;

    rig_start(&rig);
    path = g_build_filename(rig.base, "d", "log", NULL);
    copy(&rig, &one, "d/log", "one ", 0, 13);
    copy(&rig, &two, "d/log", "two ", 4, 13);
    copy(&rig, &three, "d/log", "three", 8, 13);
    coco_shared_files_read_log(rig.files, path, on_done, &rig);
    cr_assert_eq(rig.n_told, 0, "not at once");
    run_until(&rig, 4);
    cr_assert_str_eq(rig.text, "one two three");
    coco_shared_files_read_log(rig.files, NULL, on_done, &rig);
    run_until(&rig, 5);
    cr_assert_str_empty(rig.text);
    coco_shared_files_read_log(rig.files, "/etc/passwd", on_done, &rig);
    run_until(&rig, 6);
    cr_assert_eq(rig.code, COCO_TTRPC_INVALID_ARGUMENT);
    coco_shared_files_refresh(rig.files, on_done, &rig);
    run_until(&rig, 7);
    cr_assert_eq(rig.code, 0);
}

static gboolean
on_timer(void *user_data)
{
    *(bool *) user_data = true;
    return G_SOURCE_REMOVE;
}

Test(shared_files, a_file_server_that_hangs_holds_nobody_else, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };
    g_auto(Piece) mute = { 0 };
    g_auto(Piece) other = { 0 };
    g_autofree char *mounted = NULL;
    g_auto(CocoFd) server = -1;
    g_autofree char *log = NULL;
    bool is_over = false;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        cr_skip_test("no mount namespace");
    rig_start(&rig);
    server = mute_mount(rig.base, "mute");
    if (server < 0)
        cr_skip_test("no fuse");
    log = g_build_filename(rig.base, "mute", "log", NULL);
    copy(&rig, &mute, "mute/x", "x", 0, 1);
    coco_shared_files_read_log(rig.files, log, on_done, &rig);
    coco_shared_files_refresh(rig.files, on_done, &rig);
    copy(&rig, &other, "there", "x", 0, 1);
    (void) g_timeout_add(300, on_timer, &is_over);
    while (!is_over)
        (void) g_main_context_iteration(NULL, TRUE);
    cr_assert_eq(rig.n_told, 0);
    coco_fd_clear(&server);
    run_until(&rig, 4);
    cr_assert_eq(rig.code, 0);
    mounted = g_path_get_dirname(log);
    cr_assert_eq(umount2(mounted, MNT_DETACH), 0);
}
