// SPDX-License-Identifier: Apache-2.0
/*
 * What the kernel runs when it has been asked for something that a module has (request_module(9)):
 * a container adds an interface of some kind, a rule of some table, a socket of some family. The
 * kernel's path for it, /sbin/modprobe, is a link to the agent in the guest image.
 *
 * Ownership: nothing to own. Thread: a process of its own.
 */
#pragma once

#include <stdbool.h>

/* Whether the program was started by that name. */
bool coco_modprobe_is_name(const char *argv0);

/* The last argument is a name or an alias. The exit status: 0 when all of it is there; one that the
 * image does not have is no reason to say anything. */
int coco_modprobe_main(int argc, char **argv);
