// SPDX-License-Identifier: Apache-2.0
/*
 * Asks the program that decides on a measurement: one text on its standard input, one on its
 * standard output, and a deadline. Instead of a program there can be the URL of a key broker, which
 * coco-vmm-broker then asks in the same way, so that nothing else links libcurl.
 *
 * Ownership: strings are borrowed.
 * Thread: one; blocks until the answer, the deadline or the end of the program.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

/* hook: an absolute path or an http(s) URL. The answer (transfer full) has at most max_answer
 * bytes; a longer one, a late one (TIMEOUT) and an exit status other than 0 are errors. */
GString *coco_attest_hook_ask(const char *hook, const char *question, unsigned int timeout_s,
                              size_t max_answer, GError **error);
