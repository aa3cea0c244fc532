// SPDX-License-Identifier: Apache-2.0
/*
 * A pod's run directory: names, creation and removal. Ending its processes is in pod-dir-kill.c.
 */
#include "shim/host/pod-dir.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>

#include "shim/host/pod-cgroup.h"
#include "shim/host/system-error.h"
#include "shim/host/tree-remove.h"
#include "vmm/run/uid-pool.h"

#define DEFAULT_BASE "/run/coco"
#define NAME_DIGITS 20

struct _CocoPodDir {
    char *path;
    char *socket;
    char *mounts;
    char *shared;
    char *state;
    char *console;
    char *initdata;
    char *tee;
    char *annotations;
    char *netns;
    char *etc;
};

static CocoPodDir *
new_for_path(const char *path)
{
    CocoPodDir *dir = g_new0(CocoPodDir, 1);

    dir->path = g_strdup(path);
    dir->socket = g_build_filename(path, "shim.sock", NULL);
    dir->mounts = g_build_filename(path, "mounts", NULL);
    dir->shared = g_build_filename(path, "shared", NULL);
    dir->state = g_build_filename(path, "state.json", NULL);
    dir->console = g_build_filename(path, "console.log", NULL);
    dir->initdata = g_build_filename(path, "initdata", NULL);
    dir->tee = g_build_filename(path, "tee", NULL);
    dir->annotations = g_build_filename(path, "annotations", NULL);
    dir->netns = g_build_filename(path, "netns", NULL);
    dir->etc = g_build_filename(path, "etc", NULL);
    return dir;
}

const char *
coco_pod_dir_base(void)
{
    const char *base = g_getenv("COCO_RUN_DIR");

    return base != NULL && base[0] == '/' ? base : DEFAULT_BASE;
}

CocoPodDir *
coco_pod_dir_new(const char *containerd_address, const char *ns, const char *pod_id)
{
    g_autofree char *input = g_strjoin("\n", containerd_address, ns, pod_id, NULL);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, input, -1);
    g_autofree char *path = NULL;

    digest[NAME_DIGITS] = '\0';
    path = g_build_filename(coco_pod_dir_base(), digest, NULL);
    return new_for_path(path);
}

CocoPodDir *
coco_pod_dir_new_for_socket(const char *socket_path)
{
    g_autofree char *path = g_path_get_dirname(socket_path);

    return new_for_path(path);
}

void
coco_pod_dir_free(CocoPodDir *dir)
{
    if (dir == NULL)
        return;
    g_free(dir->path);
    g_free(dir->socket);
    g_free(dir->mounts);
    g_free(dir->shared);
    g_free(dir->state);
    g_free(dir->console);
    g_free(dir->initdata);
    g_free(dir->tee);
    g_free(dir->annotations);
    g_free(dir->netns);
    g_free(dir->etc);
    g_free(dir);
}

const char *
coco_pod_dir_path(const CocoPodDir *dir)
{
    return dir->path;
}

const char *
coco_pod_dir_socket(const CocoPodDir *dir)
{
    return dir->socket;
}

const char *
coco_pod_dir_mounts(const CocoPodDir *dir)
{
    return dir->mounts;
}

const char *
coco_pod_dir_shared(const CocoPodDir *dir)
{
    return dir->shared;
}

const char *
coco_pod_dir_state(const CocoPodDir *dir)
{
    return dir->state;
}

const char *
coco_pod_dir_console(const CocoPodDir *dir)
{
    return dir->console;
}

const char *
coco_pod_dir_initdata(const CocoPodDir *dir)
{
    return dir->initdata;
}

const char *
coco_pod_dir_tee(const CocoPodDir *dir)
{
    return dir->tee;
}

const char *
coco_pod_dir_annotations(const CocoPodDir *dir)
{
    return dir->annotations;
}

const char *
coco_pod_dir_netns(const CocoPodDir *dir)
{
    return dir->netns;
}

const char *
coco_pod_dir_etc(const CocoPodDir *dir)
{
    return dir->etc;
}

bool
coco_pod_dir_make(const CocoPodDir *dir, GError **error)
{
    if (g_mkdir_with_parents(dir->path, 0711) != 0)
        return coco_system_error(error, "make run directory", dir->path);
    if (chmod(dir->path, 0711) != 0)
        return coco_system_error(error, "set mode of run directory", dir->path);
    return true;
}

/* The socket may be elsewhere with a link to it here: shim-socket.h. */
static void
remove_linked_socket(const CocoPodDir *dir)
{
    g_autofree char *target = g_file_read_link(dir->socket, NULL);
    struct stat info;

    if (target != NULL && lstat(target, &info) == 0 && S_ISSOCK(info.st_mode))
        (void) unlink(target);
}

bool
coco_pod_dir_remove(const CocoPodDir *dir, GError **error)
{
    remove_linked_socket(dir);
    if (!coco_pod_cgroup_remove(dir->path, error))
        return false;
    coco_uid_pool_release(dir->path);
    if (!coco_tree_remove(dir->path))
        return coco_system_error(error, "remove run directory", dir->path);
    return true;
}
