// SPDX-License-Identifier: Apache-2.0
/*
 * Binds on a small tmpfs, which becomes the root (qemu-root.h). pivot_root() takes along all
 * processes of the namespace whose root or working directory is the old one, which is QEMU's case.
 */
#include "vmm/tee/qemu-root.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/config/vmm-error.h"

/* Links into /usr where that is merged, else directories. */
static const char *const libraries[] = { "/lib", "/lib32", "/lib64", "/libx32" };

/* Shows a directory of the host under the same path. flags: of the bind's remount, 0 for none. */
static bool
keep(const char *root, const char *path, unsigned long bind, unsigned long flags, GError **error)
{
    g_autofree char *target = g_strconcat(root, path, NULL);

    if (g_mkdir_with_parents(target, 0755) < 0)
        return coco_vmm_error_errno(error, errno, "make a root for QEMU: make '%s'", target);
    if (mount(path, target, NULL, MS_BIND | bind, NULL) < 0 ||
        (flags != 0 && mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | flags, NULL) < 0))
        return coco_vmm_error_errno(error, errno, "make a root for QEMU: keep '%s'", path);
    return true;
}

static bool
keep_library(const char *root, const char *path, GError **error)
{
    g_autofree char *target = g_file_read_link(path, NULL);
    g_autofree char *link = g_strconcat(root, path, NULL);

    if (target == NULL)
        return access(path, F_OK) < 0 ||
               keep(root, path, 0, MS_RDONLY | MS_NOSUID | MS_NODEV, error);
    if (symlink(target, link) < 0)
        return coco_vmm_error_errno(error, errno, "make a root for QEMU: link '%s'", path);
    return true;
}

static bool
keep_programs(const char *root, GError **error)
{
    if (!keep(root, "/usr", 0, MS_RDONLY | MS_NOSUID | MS_NODEV, error))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(libraries); i++) {
        if (!keep_library(root, libraries[i], error))
            return false;
    }
    return true;
}

/* A kernel that does not know "subset" (before 5.8) would apply "hidepid" to the whole host. It
 * looks at the options in their order, and refuses. */
static bool
mount_proc(const char *root, GError **error)
{
    g_autofree char *target = g_strconcat(root, "/proc", NULL);

    if (mkdir(target, 0555) < 0 || mount("proc", target, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                                         "subset=pid,hidepid=invisible") < 0)
        return coco_vmm_error_errno(error, errno, "make a root for QEMU: mount /proc");
    return true;
}

/* Nothing in it is a program or a device, but the nodes of disks. */
static bool
keep_run_dir(const char *root, const char *run_dir, GError **error)
{
    g_autofree char *vm = g_build_filename(run_dir, "vm", NULL);
    g_autofree char *disks = g_build_filename(vm, "disks", NULL);

    return keep(root, vm, 0, MS_NOSUID | MS_NODEV | MS_NOEXEC, error) &&
           (access(disks, F_OK) < 0 || keep(root, disks, 0, 0, error));
}

/* Read again and again by QEMU's own network, which answers the guest's questions for names. */
static bool
keep_resolver(const char *root, GError **error)
{
    static const char path[] = "/etc/resolv.conf";
    g_autofree char *directory = g_build_filename(root, "etc", NULL);
    g_autofree char *target = g_strconcat(root, path, NULL);

    if (access(path, F_OK) < 0)
        return true;
    if (mkdir(directory, 0755) < 0 || mknod(target, S_IFREG | 0444, 0) < 0 ||
        mount(path, target, NULL, MS_BIND, NULL) < 0 ||
        mount(NULL, target, NULL,
              MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return coco_vmm_error_errno(error, errno, "make a root for QEMU: keep '%s'", path);
    return true;
}

static bool
keep_quotes(const char *root, const char *quote_socket, GError **error)
{
    g_autofree char *path =
        quote_socket != NULL ? g_canonicalize_filename(quote_socket, NULL) : NULL;
    g_autofree char *directory = path != NULL ? g_path_get_dirname(path) : NULL;

    if (directory == NULL || access(directory, F_OK) < 0)
        return true;
    if (strcmp(directory, "/") == 0)
        return coco_vmm_bad_config(
            error, "make a root for QEMU: the directory of '%s' is the host's root", path);
    return keep(root, directory, 0, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, error);
}

/* The old root ends up over the new one, from where it is taken away (pivot_root(2)). */
static bool
enter(const char *root, GError **error)
{
    if (mount(NULL, root, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
              NULL) < 0 ||
        chdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return coco_vmm_error_errno(error, errno, "make a root for QEMU: enter '%s'", root);
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return coco_vmm_error_errno(error, errno, "make a root for QEMU: leave the host's");
    return true;
}

bool
coco_qemu_root_enter(const char *run_dir, const char *quote_socket, GError **error)
{
    g_autofree char *root = g_build_filename(run_dir, "vm", "root", NULL);

    if ((mkdir(root, 0711) < 0 && errno != EEXIST) ||
        mount("root", root, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=64k") < 0)
        return coco_vmm_error_errno(error, errno, "mount tmpfs on '%s'", root);
    return keep_programs(root, error) && keep(root, "/dev", MS_REC, 0, error) &&
           mount_proc(root, error) && keep_run_dir(root, run_dir, error) &&
           keep_resolver(root, error) && keep_quotes(root, quote_socket, error) &&
           enter(root, error);
}
