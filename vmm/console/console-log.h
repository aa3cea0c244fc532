// SPDX-License-Identifier: Apache-2.0
/*
 * A log file that keeps the newest output of a guest and never grows beyond a bound, however much
 * the guest writes.
 *
 * Only libc is used here: the process that runs this lives as long as the pod and should cost next
 * to nothing. Functions return 0 or a negative errno.
 *
 * Ownership: the log owns its descriptor.
 * Thread: one.
 */
#pragma once

#include <stddef.h>

#include <sys/types.h>

/* At the bound, the newest half stays. */
#define COCO_CONSOLE_LOG_MAX ((off_t) 512 * 1024)
#define COCO_CONSOLE_LOG_KEEP ((off_t) 256 * 1024)

typedef struct {
    int fd;
    off_t size;
    unsigned long long lost; /* bytes that a full disk did not take, not yet told in the log */
} CocoConsoleLog;

/* Makes or empties the file. */
int coco_console_log_open(CocoConsoleLog *log, const char *path);

/* Appends; what a full disk does not take is counted and told as soon as there is room. */
int coco_console_log_append(CocoConsoleLog *log, const char *bytes, size_t len);

void coco_console_log_close(CocoConsoleLog *log);
