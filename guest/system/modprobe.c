// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel starts it as root in the root of its own threads: the files of the initrd, on which
 * nothing is mounted for them, and without open descriptors. The pod's limits are not its.
 */
#include "guest/system/modprobe.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/modules.h"

bool
coco_modprobe_is_name(const char *argv0)
{
    const char *slash = argv0 != NULL ? strrchr(argv0, '/') : NULL;

    return slash != NULL && strcmp(slash, "/modprobe") == 0;
}

/* No file that is opened later must be the standard error. */
static void
open_standard_streams(void)
{
    g_auto(CocoFd) console = -1;
    int null;

    do
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (null >= 0 && null < STDERR_FILENO);
    if (null > STDERR_FILENO)
        coco_fd_close(null);
    console = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
    if (console >= 0)
        (void) dup2(console, STDERR_FILENO);
}

/* Which modules are there, so that only the others are unpacked; the mount ends with this process.
 */
static void
mount_sysfs(void)
{
    if (unshare(CLONE_NEWNS) == 0)
        (void) mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

int
coco_modprobe_main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    open_standard_streams();
    if (argc < 2)
        return 2;
    if (!coco_modules_are_demanded(argv[argc - 1]))
        return 1;
    mount_sysfs();
    if (coco_modules_load_demanded(argv[argc - 1], "", &error))
        return 0;
    if (error->code != COCO_TTRPC_NOT_FOUND)
        (void) fprintf(stderr, "coco-agent: %s\n", error->message);
    return 1;
}
