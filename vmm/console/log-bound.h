// SPDX-License-Identifier: Apache-2.0
/*
 * Keeps the logs that libvirt lets QEMU and virtiofsd write themselves from growing without bound:
 * a guest can make both complain as often as it likes, and the logs are in memory, on /run. inotify
 * tells of each write; what is too long loses all but its end. The writers append, so they go on
 * where the file ends then.
 *
 * Only libc, as the process that runs this (console-log.h). Functions return 0 or a negative errno.
 *
 * Ownership: owns its descriptors.
 * Thread: one.
 */
#pragma once

#include <sys/types.h>

#define COCO_LOG_BOUND_MAX ((off_t) 512 * 1024)
#define COCO_LOG_BOUND_KEEP ((off_t) 64 * 1024)

typedef struct {
    int inotify; /* readable when there is something to do */
    int dir;
} CocoLogBound;

/* No descriptors, for one that was not opened. */
#define COCO_LOG_BOUND_INIT ((CocoLogBound){ -1, -1 })

/* Watches all files of a directory, which is there. */
int coco_log_bound_open(CocoLogBound *bound, const char *dir);

/* Looks at what has been written to. */
void coco_log_bound_check(CocoLogBound *bound);

void coco_log_bound_close(CocoLogBound *bound);
