// SPDX-License-Identifier: Apache-2.0
/*
 * The last words of a guest, for an error message.
 *
 * Ownership: g_free() the result.
 * Thread: any.
 */
#pragma once

/* The last lines of the console log that say something, on one line, printable characters only, at
 * most some 400 bytes. A kernel panic's own line is preferred to the stack that follows it. NULL
 * when there is nothing. */
char *coco_console_tail(const char *path);
