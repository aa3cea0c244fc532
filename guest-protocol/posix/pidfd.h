// SPDX-License-Identifier: Apache-2.0
/*
 * Whether this process can watch and end others by pidfd. Nothing here works without: who finds out
 * before it starts a VM leaves none behind that it cannot end.
 *
 * Ownership: nothing.
 * Thread: any.
 */
#pragma once

#include <signal.h>
#include <stddef.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"

/* NULL, or the system call that is refused, with errno: ENOSYS before Linux 5.3, of a seccomp
 * filter that does not know it, or in a tool that runs a program on system calls of its own. */
static inline const char *
coco_pidfd_refused(void)
{
    g_auto(CocoFd) self = pidfd_open(getpid(), 0);

    if (self < 0)
        return "pidfd_open";
    return pidfd_send_signal(self, 0, NULL, 0) < 0 ? "pidfd_send_signal" : NULL;
}
