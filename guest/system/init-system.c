// SPDX-License-Identifier: Apache-2.0
/*
 * The initramfs is the kernel's rootfs, which pivot_root(2) refuses as the old root because it has
 * no parent mount. So the first step binds "/" to itself and moves that mount over "/": the same
 * files, no copy, but now the root is a mount with a parent, and every container's mount namespace
 * inherits that.
 */
#include "guest/system/init-system.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/cgroup.h"
#include "guest/system/kernel-file.h"
#include "guest/system/pod-limits.h"

#define NEW_ROOT "/run"
#define RUNTIME "/bin/crun"
#define NOFILE_MAX 65536

typedef struct {
    const char *source;
    const char *target;
    const char *type;
    unsigned long flags;
    const char *data;
} SystemMount;

/* clang-format off */
static const SystemMount system_mounts[] = {
    { "proc",     "/proc",          "proc",     MS_NOSUID | MS_NODEV | MS_NOEXEC, "" },
    { "sysfs",    "/sys",           "sysfs",    MS_NOSUID | MS_NODEV | MS_NOEXEC, "" },
    { "devtmpfs", "/dev",           "devtmpfs", MS_NOSUID,                        "mode=0755" },
    { "devpts",   "/dev/pts",       "devpts",   MS_NOSUID | MS_NOEXEC,            "mode=0620,ptmxmode=0666,gid=5" },
    { "tmpfs",    "/dev/shm",       "tmpfs",    MS_NOSUID | MS_NODEV,             "mode=1777" },
    { "mqueue",   "/dev/mqueue",    "mqueue",   MS_NOSUID | MS_NODEV | MS_NOEXEC, "" },
    { "tmpfs",    "/run",           "tmpfs",    MS_NOSUID | MS_NODEV,             "mode=0755" },
    { "tmpfs",    "/tmp",           "tmpfs",    MS_NOSUID | MS_NODEV,             "mode=1777" },
    { "cgroup2",  "/sys/fs/cgroup", "cgroup2",  MS_NOSUID | MS_NODEV | MS_NOEXEC, "nsdelegate" },
};

/* Where kernel and firmware have them: reports of the TEE, and secrets that were put in at launch. */
static const SystemMount further_mounts[] = {
    { "configfs",   "/sys/kernel/config",   "configfs",   MS_NOSUID | MS_NODEV | MS_NOEXEC, "" },
    { "securityfs", "/sys/kernel/security", "securityfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "" },
};

static const struct {
    const char *target;
    const char *link;
} links[] = {
    { "/proc/self/fd",   "/dev/fd" },
    { "/proc/self/fd/0", "/dev/stdin" },
    { "/proc/self/fd/1", "/dev/stdout" },
    { "/proc/self/fd/2", "/dev/stderr" },
};

/* What cannot be written is no reason not to start: kernels differ. */
static const struct {
    const char *path;
    const char *value;
} settings[] = {
    { "/proc/sys/kernel/core_pattern",         "core" },
    { "/proc/sys/kernel/hostname",             "localhost" },
    { "/proc/sys/vm/overcommit_memory",        "1" },
    { "/proc/self/oom_score_adj",             COCO_AGENT_OOM_SCORE },
};
/* clang-format on */

static bool
fail(const char *what, const char *object, GError **error)
{
    return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "%s '%s': %s", what, object,
                             g_strerror(errno));
}

static bool
make_root_pivotable(GError **error)
{
    if (mount("/", NEW_ROOT, NULL, MS_BIND, NULL) < 0 || chdir(NEW_ROOT) < 0 ||
        mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
        return fail("move root over", "/", error);
    return true;
}

static bool
mount_all(GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(system_mounts); i++) {
        const SystemMount *entry = &system_mounts[i];

        (void) mkdir(entry->target, 0755);
        /* EBUSY: the kernel mounted it already (CONFIG_DEVTMPFS_MOUNT). */
        if (mount(entry->source, entry->target, entry->type, entry->flags, entry->data) < 0 &&
            errno != EBUSY)
            return fail("mount", entry->target, error);
    }
    return true;
}

void
coco_init_system_mount_more(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(further_mounts); i++) {
        const SystemMount *entry = &further_mounts[i];

        /* EBUSY: mounted the last time. */
        if (g_file_test(entry->target, G_FILE_TEST_IS_DIR) &&
            mount(entry->source, entry->target, entry->type, entry->flags, entry->data) < 0 &&
            errno != EBUSY)
            g_message("mount '%s': %s", entry->target, g_strerror(errno));
    }
}

/* crun protects its binary from containers by running itself anew from a read-only mount, unless it
 * is on one already; so it is put on one, which halves the time it takes to start. */
static void
protect_runtime(void)
{
    if (mount(RUNTIME, RUNTIME, NULL, MS_BIND, NULL) < 0 ||
        mount(NULL, RUNTIME, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) <
            0)
        g_message("make %s read-only: %s", RUNTIME, g_strerror(errno));
}

static void
loopback_up(void)
{
    struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
    g_auto(CocoFd) fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
        g_message("bring interface lo up: %s", g_strerror(errno));
}

static bool
start_cgroups(GError **error)
{
    if (!coco_cgroup_enable_controllers("/sys/fs/cgroup", error))
        return false;
    if (mkdir("/sys/fs/cgroup/pod", 0755) < 0 && errno != EEXIST)
        return fail("make cgroup", "/pod", error);
    return coco_cgroup_enable_controllers("/sys/fs/cgroup/pod", error) &&
           coco_pod_limits_set("/proc", "/sys/fs/cgroup/pod", error);
}

bool
coco_init_system_start(GError **error)
{
    const struct rlimit files = { NOFILE_MAX, NOFILE_MAX };

    (void) umask(022);
    (void) setsid();
    (void) setrlimit(RLIMIT_NOFILE, &files);
    if (!make_root_pivotable(error) || !mount_all(error))
        return false;
    for (size_t i = 0; i < G_N_ELEMENTS(links); i++) {
        if (symlink(links[i].target, links[i].link) < 0 && errno != EEXIST)
            return fail("link", links[i].link, error);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(settings); i++)
        (void) coco_kernel_file_write(settings[i].path, settings[i].value, NULL);
    protect_runtime();
    loopback_up();
    /* ctrl-alt-del becomes SIGINT to us instead of a reset. */
    (void) reboot(RB_DISABLE_CAD);
    return start_cgroups(error);
}

void
coco_init_system_power_off(void)
{
    (void) kill(-1, SIGKILL);
    sync();
    (void) reboot(RB_POWER_OFF);
}

void
coco_init_system_die(const char *reason)
{
    g_autofree char *line = g_strdup_printf("coco-agent: fatal: %s\n", reason);
    g_auto(CocoFd) console = open("/dev/console", O_WRONLY | O_CLOEXEC | O_NOCTTY);
    int fd = console >= 0 ? console : STDERR_FILENO;

    if (write(fd, line, strlen(line)) > 0)
        (void) tcdrain(fd);
    if (getpid() == 1)
        coco_init_system_power_off();
    exit(1);
}
