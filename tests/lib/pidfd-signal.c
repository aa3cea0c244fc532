// SPDX-License-Identifier: Apache-2.0
/*
 * pidfd_send_signal for programs in valgrind, which up to 3.27 does not know the system call and
 * answers ENOSYS. Preloaded there (tests/lib/harness/memcheck.py), nowhere else: this looks the pid
 * up, so it may hit another process that has got the same one meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

/* /proc/self/fdinfo/FD has a line "Pid:<tab>PID", -1 when it has ended. */
int
pidfd_send_signal(int pidfd, int number, siginfo_t *info, unsigned int flags)
{
    char path[64];
    char text[1024] = "";
    const char *line;
    ssize_t n;
    long pid;
    int fd;

    (void) snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        (void) close(fd);
    line = n > 0 ? strstr(text, "\nPid:") : NULL;
    pid = line != NULL ? strtol(line + strlen("\nPid:"), NULL, 10) : 0;
    if (pid <= 0) {
        errno = line != NULL ? ESRCH : EBADF;
        return -1;
    }
    return kill((pid_t) pid, number);
}
