// SPDX-License-Identifier: Apache-2.0
/*
 * coco-vmm-console: writes the serial console of one VM to RUN/console.log until QEMU closes it,
 * and cuts the logs that QEMU and virtiofsd write themselves.
 *
 * Started by coco-vmm with descriptor 3 = listening socket and 4 = read end of a pipe whose other
 * end lives in the launcher: when the launcher dies before QEMU has connected, nobody ever will,
 * and this process ends too. A program of its own, with libc only, because it stays as long as the
 * pod: some 100 KiB instead of megabytes.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/console/console-log.h"
#include "vmm/console/log-bound.h"

enum {
    LISTEN_FD = 3,
    LIFELINE_FD = 4
};

/* The connection of QEMU, or -1 when it will not come. */
static int
wait_for_qemu(void)
{
    struct pollfd events[] = {
        { .fd = LISTEN_FD, .events = POLLIN },
        { .fd = LIFELINE_FD, .events = POLLIN },
    };

    for (;;) {
        if (poll(events, 2, -1) < 0 && errno != EINTR)
            return -1;
        if (events[0].revents != 0)
            return accept4(LISTEN_FD, NULL, NULL, SOCK_CLOEXEC);
        if (events[1].revents != 0)
            return -1;
    }
}

static void
copy(int from, CocoConsoleLog *log, CocoLogBound *others)
{
    struct pollfd events[] = {
        { .fd = from, .events = POLLIN },
        { .fd = others->inotify, .events = POLLIN },
    };
    char chunk[4096];

    for (;;) {
        ssize_t n = poll(events, 2, -1);

        if (n > 0 && events[1].revents != 0)
            coco_log_bound_check(others);
        if (n > 0 && events[0].revents == 0)
            continue;
        if (n > 0)
            n = read(from, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        /* A full disk must not stop the guest: read on, the log counts what it lost. */
        (void) coco_console_log_append(log, chunk, (size_t) n);
    }
}

int
main(int argc, char **argv)
{
    CocoConsoleLog log;
    CocoLogBound others;
    char path[256];
    int qemu;

    if (argc != 3 || strcmp(argv[1], "--run-dir") != 0 ||
        snprintf(path, sizeof path, "%s/console.log", argv[2]) >= (int) sizeof path) {
        (void) fprintf(stderr, "usage: coco-vmm-console --run-dir DIR (started by coco-vmm)\n");
        return 2;
    }
    (void) signal(SIGPIPE, SIG_IGN);
    if (coco_console_log_open(&log, path) < 0)
        return 1;
    qemu = wait_for_qemu();
    coco_fd_close(LISTEN_FD);
    coco_fd_close(LIFELINE_FD);
    (void) snprintf(path, sizeof path, "%s/console.sock", argv[2]);
    (void) unlink(path);
    if (qemu < 0)
        return 1;
    /* QEMU runs, so its log is there; without the watch the VM is as good. */
    (void) snprintf(path, sizeof path, "%s/vm/log/qemu", argv[2]);
    (void) coco_log_bound_open(&others, path);
    copy(qemu, &log, &others);
    coco_fd_close(qemu);
    coco_log_bound_close(&others);
    coco_console_log_close(&log);
    return 0;
}
