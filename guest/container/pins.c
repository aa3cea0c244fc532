// SPDX-License-Identifier: Apache-2.0
/*
 * Not by descriptor: the runtime mounts from a mount namespace of its own, and the kernel takes no
 * mount of another namespace as a source. A mount in the bundle is copied into that namespace.
 *
 * Without privileges (the agent by hand) nothing can be mounted; then only the check is made.
 */
#include "guest/container/pins.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/paths.h"

#define MOUNTS_MAX 1024
#define DIRECTORY "pins"

static bool
fail(const char *what, const char *path, GError **error)
{
    g_autofree char *shown = g_strescape(path, NULL);

    return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "%s '%.300s': %s", what, shown,
                             g_strerror(errno));
}

static bool
is_bind(const Grpc__Mount *mount)
{
    bool bind = strcmp(mount->type, "bind") == 0;

    for (size_t i = 0; i < mount->n_options; i++)
        bind = bind || strcmp(mount->options[i], "bind") == 0 ||
               strcmp(mount->options[i], "rbind") == 0;
    return bind;
}

/* The others read no paths from their source or options (an overlay would), nor disks. */
static bool
check_type(const Grpc__Mount *mount, GError **error)
{
    static const char *const allowed[] = { "proc",    "sysfs",      "tmpfs", "devpts",  "mqueue",
                                           "cgroup",  "cgroup2",    "ramfs", "debugfs", "hugetlbfs",
                                           "tracefs", "securityfs", NULL };
    g_autofree char *shown = NULL;

    if (g_strv_contains(allowed, mount->type))
        return true;
    shown = g_strescape(mount->type, NULL);
    return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT,
                             "a container has no mounts of type '%.32s'", shown);
}

static bool
is_below(const char *place, const char *path)
{
    size_t length = strlen(place);

    return strncmp(path, place, length) == 0 && path[length] == '/';
}

/* Processes are the pod's and the agent's. */
static bool
is_process(const char *path)
{
    const char *name = path + strlen("/proc");

    name += strspn(name, "/.");
    return *name == '\0' || g_ascii_isdigit(*name) || g_str_has_prefix(name, "self") ||
           g_str_has_prefix(name, "thread-self");
}

/* O_PATH, or -1. */
static int
open_source(const char *base, const char *path, GError **error)
{
    const char *const own[] = { base, "/proc", "/sys", "/dev" };
    g_autofree char *shown = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(own); i++) {
        bool whole = i > 1 && strcmp(path, own[i]) == 0;

        if ((whole || is_below(own[i], path)) && !(i == 1 && is_process(path)))
            return coco_paths_open(own[i], path, O_PATH, 0, error);
    }
    shown = g_strescape(path, NULL);
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                "path '%.300s' is not below '%s'", shown, base);
    return -1;
}

/* A mount point of the source's kind. */
static bool
make_target(int source, const char *target, GError **error)
{
    g_auto(CocoFd) file = -1;
    struct stat status;

    if (fstat(source, &status) < 0)
        return fail("look at source of", target, error);
    if (S_ISDIR(status.st_mode))
        return mkdir(target, 0700) == 0 || fail("make directory", target, error);
    file = open(target, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    return file >= 0 || fail("make file", target, error);
}

static bool
pin(int source, const char *target, char **field, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", source);

    if (geteuid() != 0)
        return true;
    if (!make_target(source, target, error))
        return false;
    if (mount(path, target, NULL, MS_BIND | MS_REC, NULL) < 0)
        return fail("hold", *field, error);
    if (*field != protobuf_c_empty_string)
        g_free(*field);
    *field = g_strdup(target);
    return true;
}

static bool
pin_mount(Grpc__Mount *mount, const char *base, const char *target, GError **error)
{
    g_auto(CocoFd) source = -1;
    bool done = is_bind(mount);

    if (!done)
        done = check_type(mount, error);
    else
        done = (source = open_source(base, mount->source, error)) >= 0 &&
               pin(source, target, &mount->source, error);
    if (!done)
        g_prefix_error(error, "mount for '%s': ", mount->destination);
    return done;
}

bool
coco_pins_make(Grpc__Spec *spec, const char *base, const char *bundle, GError **error)
{
    g_autofree char *directory = g_build_filename(bundle, DIRECTORY, NULL);
    g_autofree char *root_target = g_build_filename(directory, "root", NULL);
    g_auto(CocoFd) root = coco_paths_open(base, spec->root->path, O_PATH | O_DIRECTORY, 0, error);

    if (root < 0) {
        g_prefix_error(error, "root file system: ");
        return false;
    }
    if (spec->n_mounts > MOUNTS_MAX)
        return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT,
                                 "OCI spec: more than %d mounts", MOUNTS_MAX);
    if (mkdir(directory, 0700) < 0)
        return fail("make directory", directory, error);
    if (!pin(root, root_target, &spec->root->path, error))
        return false;
    for (size_t i = 0; i < spec->n_mounts; i++) {
        g_autofree char *target = g_strdup_printf("%s/%zu", directory, i);

        if (!pin_mount(spec->mounts[i], base, target, error))
            return false;
    }
    return true;
}

void
coco_pins_remove(const char *bundle)
{
    g_autofree char *directory = g_build_filename(bundle, DIRECTORY, NULL);
    g_autoptr(GDir) entries = g_dir_open(directory, 0, NULL);
    const char *name;

    while (entries != NULL && (name = g_dir_read_name(entries)) != NULL) {
        g_autofree char *path = g_build_filename(directory, name, NULL);

        (void) umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
    }
}
