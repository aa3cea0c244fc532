// SPDX-License-Identifier: Apache-2.0
/*
 * The QEMU user (qemu-user.h).
 *
 * The check is the real thing, an open() in a child that has become the user: rights also come from
 * groups, ACLs and mounts, and QEMU's own message for a kernel it cannot read does not say which
 * directory is closed.
 */
#include "vmm/tee/qemu-user.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"
#include "vmm/run/uid-pool.h"

/* Instead of the flags of open(). */
#define CONNECT (-1)

/* What the child found; small enough for an atomic write to a pipe. */
typedef struct {
    int err;
    int closed_at; /* length of the directory prefix that cannot be searched, or 0 */
} Finding;

bool
coco_qemu_user_find(const char *name, CocoQemuUser *out_user, GError **error)
{
    const struct passwd *entry;

    errno = 0;
    entry = getpwnam(name);
    if (entry == NULL)
        return coco_vmm_bad_config(error, "find QEMU user '%s': %s (see [host] qemu_user)", name,
                                   errno != 0 && errno != ENOENT ? g_strerror(errno)
                                                                 : "no such user");
    *out_user = (CocoQemuUser){ g_strdup(name), entry->pw_uid, entry->pw_gid };
    return true;
}

/* Its group is its own, too. */
static void
take_number(uid_t uid, CocoQemuUser *out_user)
{
    *out_user = (CocoQemuUser){ g_strdup_printf("+%u", (unsigned int) uid), uid, (gid_t) uid };
}

bool
coco_qemu_user_of_run_dir(const CocoVmConfig *config, const char *run_dir, CocoQemuUser *out_user,
                          GError **error)
{
    uid_t uid = 0;

    if (!coco_uid_pool_find(run_dir, &uid))
        return coco_qemu_user_find(coco_vm_config_string(config, COCO_KEY_HOST_QEMU_USER), out_user,
                                   error);
    take_number(uid, out_user);
    return true;
}

bool
coco_qemu_user_sample(const CocoVmConfig *config, CocoQemuUser *out_user)
{
    CocoUidRange range = { 0 };

    if (!coco_uid_range_parse(coco_vm_config_string(config, COCO_KEY_HOST_QEMU_UID_RANGE), &range,
                              NULL) ||
        range.first == 0)
        return false;
    take_number(range.first, out_user);
    return true;
}

bool
coco_qemu_user_claim(const CocoVmConfig *config, const char *run_dir, CocoQemuUser *out_user,
                     GError **error)
{
    CocoUidRange range = { 0 };
    uid_t uid = 0;

    if (!coco_uid_range_parse(coco_vm_config_string(config, COCO_KEY_HOST_QEMU_UID_RANGE), &range,
                              error))
        return false;
    if (range.first == 0 || geteuid() != 0)
        return coco_qemu_user_find(coco_vm_config_string(config, COCO_KEY_HOST_QEMU_USER), out_user,
                                   error);
    if (!coco_uid_pool_claim(COCO_UID_POOL, run_dir, &range, &uid, error))
        return false;
    take_number(uid, out_user);
    return true;
}

void
coco_qemu_user_clear(CocoQemuUser *user)
{
    g_clear_pointer(&user->name, g_free);
}

/* The length of the first directory of path that cannot be searched, or 0. */
static int
find_closed(const char *path)
{
    g_autofree char *prefix = g_strdup(path);

    for (char *slash = strchr(prefix + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        bool searchable;

        *slash = '\0';
        searchable = faccessat(AT_FDCWD, prefix, X_OK, AT_EACCESS) == 0;
        *slash = '/';
        if (!searchable)
            return (int) (slash - prefix);
    }
    return 0;
}

static bool
become(const CocoQemuUser *user)
{
    bool grouped = user->name[0] == '+' ? setgroups(1, &user->gid) == 0
                                        : initgroups(user->name, user->gid) == 0;

    return grouped && setgid(user->gid) == 0 && setuid(user->uid) == 0;
}

/* Who listens and is busy is there, too. */
static int
connect_to(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_auto(CocoFd) fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (fd < 0 ||
        (connect(fd, (const struct sockaddr *) &address, sizeof address) < 0 && errno != EAGAIN))
        return -1;
    return coco_fd_steal(&fd);
}

static Finding
try_open(const CocoQemuUser *user, const char *path, int flags)
{
    g_auto(CocoFd) fd = -1;

    if (geteuid() == 0 && !become(user))
        return (Finding){ .err = errno };
    fd = flags == CONNECT ? connect_to(path) : open(path, flags | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0)
        return (Finding){ 0 };
    return (Finding){ .err = errno, .closed_at = errno == EACCES ? find_closed(path) : 0 };
}

static bool
run_child(const CocoQemuUser *user, const char *path, int flags, Finding *out_finding)
{
    g_auto(CocoFd) in = -1;
    g_auto(CocoFd) out = -1;
    int ends[2];
    bool heard;
    pid_t child;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    in = ends[0];
    out = ends[1];
    child = fork();
    if (child < 0)
        return false;
    if (child == 0) {
        Finding finding = try_open(user, path, flags);

        _exit(write(out, &finding, sizeof finding) == sizeof finding ? 0 : 1);
    }
    coco_fd_clear(&out);
    heard = read(in, out_finding, sizeof *out_finding) == sizeof *out_finding;
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    if (!heard)
        errno = ECHILD;
    return heard;
}

bool
coco_qemu_user_check(const CocoQemuUser *user, const char *what, const char *path, int flags,
                     GError **error)
{
    Finding finding = { 0 };

    if (!run_child(user, path, flags, &finding))
        return coco_vmm_error_errno(error, errno, "check access to %s '%s'", what, path);
    if (finding.err == 0)
        return true;
    if (finding.closed_at > 0)
        return coco_vmm_bad_config(error, "open %s '%s': user '%s' may not search directory '%.*s'",
                                   what, path, user->name, finding.closed_at, path);
    return coco_vmm_bad_config(error, "open %s '%s' as user '%s': %s", what, path, user->name,
                               g_strerror(finding.err));
}

bool
coco_qemu_user_check_socket(const CocoQemuUser *user, const char *what, const char *path,
                            GError **error)
{
    return coco_qemu_user_check(user, what, path, CONNECT, error);
}
