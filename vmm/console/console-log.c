// SPDX-License-Identifier: Apache-2.0
/*
 * The bounded console log (console-log.h).
 *
 * Compaction is in place, so that the bound also holds while it happens: a copy beside the file
 * would need half as much again, on what is often a small tmpfs.
 */
#include "vmm/console/console-log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"

int
coco_console_log_open(CocoConsoleLog *log, const char *path)
{
    *log = (CocoConsoleLog){ .fd = -1 };
    log->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    return log->fd < 0 ? -errno : 0;
}

void
coco_console_log_close(CocoConsoleLog *log)
{
    coco_fd_clear(&log->fd);
}

/* Moves the newest KEEP bytes to the front. On an error the log is emptied rather than left in
 * pieces. */
static int
compact(CocoConsoleLog *log)
{
    off_t from = log->size - COCO_CONSOLE_LOG_KEEP;
    char chunk[4096];
    off_t to = 0;
    int err = 0;

    while (to < COCO_CONSOLE_LOG_KEEP && err == 0) {
        ssize_t n = pread(log->fd, chunk, sizeof chunk, from + to);

        if (n <= 0 || pwrite(log->fd, chunk, (size_t) n, to) != n)
            err = -EIO;
        else
            to += n;
    }
    log->size = err == 0 ? to : 0;
    return ftruncate(log->fd, log->size) < 0 ? -errno : err;
}

static int
append_raw(CocoConsoleLog *log, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n;
        int err;

        if (log->size + (off_t) len > COCO_CONSOLE_LOG_MAX && (err = compact(log)) < 0)
            return err;
        n = pwrite(log->fd, bytes, len, log->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        log->size += n;
        bytes += n;
        len -= (size_t) n;
    }
    return 0;
}

static int
tell_lost(CocoConsoleLog *log)
{
    char note[80];
    int len;
    int err;

    if (log->lost == 0)
        return 0;
    len = snprintf(note, sizeof note, "\n[%llu bytes lost: no space]\n", log->lost);
    err = append_raw(log, note, (size_t) len);
    if (err == 0)
        log->lost = 0;
    return err;
}

int
coco_console_log_append(CocoConsoleLog *log, const char *bytes, size_t len)
{
    off_t before = log->size;
    int err = tell_lost(log);

    if (err == 0) {
        before = log->size;
        err = append_raw(log, bytes, len);
    }
    if (err < 0 && log->size >= before)
        log->lost += len - (size_t) (log->size - before);
    return err;
}
