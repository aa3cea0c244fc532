// SPDX-License-Identifier: Apache-2.0
/*
 * What PID 1 of the guest has to do besides being an agent: a root that containers can pivot away
 * from, the kernel's file systems, cgroups, a few links and settings, and the end of the machine.
 *
 * Ownership: nothing to own.
 * Thread: the only one, before the main loop runs.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

/* The kernel kills anything else first. */
#define COCO_AGENT_OOM_SCORE "-1000"

/* All of it but the modules; the first step that fails is in the error. */
bool coco_init_system_start(GError **error);

/* Mounts the kernel's further file systems that are there: some come with a module. */
void coco_init_system_mount_more(void);

/* Kills every process, writes buffers out and powers the machine off. Does not return as PID 1. */
void coco_init_system_power_off(void);

/* One line on the console, and off. For what makes the guest useless. */
void coco_init_system_die(const char *reason) G_GNUC_NORETURN;
