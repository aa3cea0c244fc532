// SPDX-License-Identifier: Apache-2.0
/*
 * One pass over the run directories (janitor.h).
 */
#include "shim/command/janitor.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"
#include "shim/host/pod-lock.h"
#include "shim/network/pod-netns.h"
#include "shim/network/pod-network.h"

/* Some seconds per 100 GiB, and the pages of an SNP or TDX guest have to be taken back one by one.
 */
#define PATIENCE_MS (10 * 60 * 1000)

/* False with error. */
typedef bool (*DirectoryFunc)(const CocoPodDir *dir, void *user_data);

/* What a shim that was killed has left in the pod's network namespace. It must not keep us from the
 * rest: the namespace is going to be deleted. */
static void
undo_network(const CocoPodDir *dir)
{
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;

    if (coco_pod_netns_load(dir, &path) == COCO_NETNS_PATH &&
        !coco_pod_network_undo_here(path, &error))
        g_message("%s", error->message);
}

bool
coco_janitor_end(const CocoPodDir *dir, int timeout_ms, pid_t *out_vm_pid, GError **error)
{
    g_auto(CocoFd) lock = -1;

    /* The shim, which has the lock, is one of them. */
    if (!coco_pod_dir_kill_processes(dir, timeout_ms, out_vm_pid, error))
        return false;
    /* Without one it is half made, or an older version's. */
    lock = coco_pod_lock_wait(dir);
    undo_network(dir);
    return coco_pod_dir_remove(dir, error);
}

/* Calls func for each directory that nobody serves, until it says so; TRUE if it did. */
static bool
each_left(const char *base, DirectoryFunc func, void *user_data)
{
    GDir *names = g_dir_open(base, 0, NULL);
    bool enough = false;
    const char *name;

    while (names != NULL && !enough && (name = g_dir_read_name(names)) != NULL) {
        g_autofree char *socket = g_build_filename(base, name, "shim.sock", NULL);
        g_autoptr(CocoPodDir) dir = coco_pod_dir_new_for_socket(socket);
        g_auto(CocoFd) lock = coco_pod_lock_try(dir);

        enough = lock >= 0 && func(dir, user_data);
    }
    if (names != NULL)
        g_dir_close(names);
    return enough;
}

typedef struct {
    FILE *out;
    unsigned int failed;
} Pass;

/* The lock is held. */
static bool
finish(const CocoPodDir *dir, void *user_data)
{
    Pass *pass = user_data;
    g_autoptr(GError) error = NULL;

    if (coco_pod_dir_kill_processes(dir, PATIENCE_MS, NULL, &error) &&
        coco_pod_dir_remove(dir, &error)) {
        (void) fprintf(pass->out, "%s: removed\n", coco_pod_dir_path(dir));
    } else {
        (void) fprintf(pass->out, "%s: %s\n", coco_pod_dir_path(dir), error->message);
        pass->failed++;
    }
    return false;
}

bool
coco_janitor_run(const char *base, FILE *out, GError **error)
{
    Pass pass = { .out = out };

    (void) each_left(base, finish, &pass);
    if (pass.failed > 0)
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
                    "%u run directories in '%s' could not be removed", pass.failed, base);
    return pass.failed == 0;
}

static bool
is_one(const CocoPodDir *dir, void *user_data)
{
    return true;
}

void
coco_janitor_spawn(const char *base)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    const char *const argv[] = { self, "-base", base, "gc", NULL };
    g_auto(CocoFd) null_fd = -1;

    if (self == NULL || !each_left(base, is_one, NULL) || fork() != 0)
        return;
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (setsid() >= 0 && chdir("/") == 0 && dup2(null_fd, STDIN_FILENO) >= 0 &&
        dup2(null_fd, STDOUT_FILENO) >= 0 && dup2(null_fd, STDERR_FILENO) >= 0)
        (void) execv(argv[0], (char *const *) (void *) argv);
    _exit(127);
}
