// SPDX-License-Identifier: Apache-2.0
/*
 * See the header. A piece that was over its time and is still in the kernel's hands goes to an
 * unfinished file; whoever begins the file anew begins another one.
 */
#include "guest/pod/shared-files.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/pod/copy-file.h"
#include "guest/pod/termination-log.h"

#define COPY_TIMEOUT_S 60 /* a piece is a message of a few MiB at most */
#define READ_TIMEOUT_S 10

struct _CocoSharedFiles {
    const char *directory;
    CocoChildQueue *queue;
};

typedef struct {
    const char *directory;
    const Grpc__CopyFileRequest *request;
    char *path;
    CocoChildWorkDone done;
    void *user_data;
} Errand;

CocoSharedFiles *
coco_shared_files_new(const char *directory, CocoReaper *reaper)
{
    CocoSharedFiles *files = g_new0(CocoSharedFiles, 1);

    files->directory = directory;
    files->queue = coco_child_queue_new(reaper);
    return files;
}

void
coco_shared_files_free(CocoSharedFiles *files)
{
    if (files == NULL)
        return;
    coco_child_queue_free(files->queue);
    g_free(files);
}

static void
on_errand_done(const char *text, const GError *error, void *user_data)
{
    Errand *errand = user_data;

    errand->done(text, error, errand->user_data);
    g_free(errand->path);
    g_free(errand);
}

static void
run(CocoSharedFiles *files, const char *name, unsigned int deadline_s, CocoChildWorkFunc func,
    Errand errand)
{
    Errand *own = g_new(Errand, 1);
    const CocoChildWork work = { name, deadline_s, func, own };

    *own = errand;
    own->directory = files->directory;
    coco_child_queue_add(files->queue, &work, on_errand_done, own);
}

static char *
copy_in_child(void *data, GError **error)
{
    const Errand *errand = data;

    return coco_copy_file(errand->directory, errand->request, error) ? g_strdup("") : NULL;
}

void
coco_shared_files_copy(CocoSharedFiles *files, const Grpc__CopyFileRequest *request,
                       CocoChildWorkDone done, void *user_data)
{
    const Errand errand = { .request = request, .done = done, .user_data = user_data };

    run(files, "copy a file", COPY_TIMEOUT_S, copy_in_child, errand);
}

static char *
read_in_child(void *data, GError **error)
{
    const Errand *errand = data;

    return coco_termination_log_read(errand->directory, errand->path, error);
}

void
coco_shared_files_read_log(CocoSharedFiles *files, const char *path, CocoChildWorkDone done,
                           void *user_data)
{
    const Errand errand = { .path = g_strdup(path), .done = done, .user_data = user_data };

    run(files, "read the termination log", READ_TIMEOUT_S, read_in_child, errand);
}

/* Entries of a virtiofs directory whose host side is gone vanish when they are looked up again: the
 * kernel's table of names is the same for all processes. */
static char *
refresh_in_child(void *data, GError **error)
{
    const Errand *errand = data;
    g_auto(CocoFd) directory = open(errand->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", directory);
    g_autoptr(GDir) entries = directory >= 0 ? g_dir_open(path, 0, NULL) : NULL;
    const char *name;

    while (entries != NULL && (name = g_dir_read_name(entries)) != NULL) {
        if (faccessat(directory, name, F_OK, 0) < 0)
            g_debug("'%s' has gone", name);
    }
    return g_strdup("");
}

void
coco_shared_files_refresh(CocoSharedFiles *files, CocoChildWorkDone done, void *user_data)
{
    const Errand errand = { .done = done, .user_data = user_data };

    run(files, "look the shared files up", READ_TIMEOUT_S, refresh_in_child, errand);
}
