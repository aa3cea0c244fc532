// SPDX-License-Identifier: Apache-2.0
/*
 * Cutting files that others append to (log-bound.h). What is written between the reading of the end
 * and the cut is lost.
 */
#include "vmm/console/log-bound.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"

int
coco_log_bound_open(CocoLogBound *bound, const char *dir)
{
    *bound = COCO_LOG_BOUND_INIT;
    bound->dir = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (bound->dir >= 0)
        bound->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (bound->inotify < 0 ||
        inotify_add_watch(bound->inotify, dir, IN_MODIFY | IN_ONLYDIR | IN_DONT_FOLLOW) < 0) {
        int err = errno;

        coco_log_bound_close(bound);
        return -err;
    }
    return 0;
}

void
coco_log_bound_close(CocoLogBound *bound)
{
    coco_fd_clear(&bound->inotify);
    coco_fd_clear(&bound->dir);
}

/* From the beginning of a line on. */
static void
keep_end(int fd, off_t size)
{
    static char end[COCO_LOG_BOUND_KEEP];
    ssize_t n = pread(fd, end, sizeof end, size - COCO_LOG_BOUND_KEEP);
    const char *line = n > 0 ? memchr(end, '\n', (size_t) n) : NULL;

    if (ftruncate(fd, 0) < 0 || line == NULL)
        return;
    line++;
    /* A full disk takes less of it, and that is all that can be done. */
    (void) !write(fd, line, (size_t) (end + n - line));
}

static void
bound_file(int dir, const char *name)
{
    g_auto(CocoFd) fd =
        openat(dir, name, O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat info;

    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
        info.st_size > COCO_LOG_BOUND_MAX)
        keep_end(fd, info.st_size);
}

/* Of the events of one read. */
static void
check_events(const CocoLogBound *bound, const char *events, size_t length)
{
    const char *last = "";

    for (size_t at = 0; at < length;) {
        const struct inotify_event *event = (const void *) (events + at);

        if (event->len > 0 && strcmp(event->name, last) != 0) {
            bound_file(bound->dir, event->name);
            last = event->name;
        }
        at += sizeof *event + event->len;
    }
}

void
coco_log_bound_check(CocoLogBound *bound)
{
    char events[8 * (sizeof(struct inotify_event) + NAME_MAX + 1)]
        __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;

    while ((n = read(bound->inotify, events, sizeof events)) > 0)
        check_events(bound, events, (size_t) n);
}
