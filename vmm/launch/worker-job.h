// SPDX-License-Identifier: Apache-2.0
/*
 * What the libvirt worker is to do: one JSON document on its standard input. The VM is in it as its
 * spec (vm-spec.h), so the worker knows what the launcher knows and no more.
 *
 *     {"verb":"start","cache_dir":"/…","qemu_uid":1234,"spec":{…},
 *      "slots":[],"vcpus":0,"memory_mib":0,
 *      "descriptors":["disk0","nic0-tap0","nic0-vhost0"]}
 *
 * spec: of the VM; the disks and interfaces in it are those that the worker is to give it. slots:
 * where what is attached or detached sits (device-plan.h): first disks, then interfaces. vcpus,
 * memory_mib: what a resize makes of the VM, in all. descriptors: the names of what the worker is
 * born with, from COCO_WORKER_FIRST_FD on.
 *
 * Ownership: a job borrows all, one that was read keeps it until it is cleared.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <glib.h>

#include "vmm/config/vm-size.h"
#include "vmm/config/vm-spec.h"

#define COCO_WORKER_JOB_MAX (1024 * 1024)
#define COCO_WORKER_FIRST_FD 3

typedef enum {
    COCO_JOB_START,
    COCO_JOB_ATTACH,
    COCO_JOB_DETACH,
    COCO_JOB_RESIZE,
    COCO_N_JOB_VERBS,
} CocoJobVerb;

typedef struct {
    CocoJobVerb verb;
    const char *cache_dir;
    unsigned int qemu_uid;
    const CocoVmSpec *spec;
    const unsigned int *slots;
    size_t n_slots;
    CocoVmSize size; /* resize: 0 is as it is */
} CocoWorkerJob;

/* The document (transfer full). */
char *coco_worker_job_text(const CocoWorkerJob *job);

/* The descriptors in the order of their names, of int and borrowed (transfer full). */
GArray *coco_worker_job_descriptors(const CocoWorkerJob *job);

typedef struct {
    CocoWorkerJob job; /* of the members below */
    char *cache_dir;
    CocoVmSpec spec;
    CocoVmConfig *config;
    unsigned int slots[COCO_HOTPLUG_SLOTS];
} CocoWorkerOrder;

/* first_fd: the number of the first descriptor; the order takes them all. FAILED names the member
 * that is wrong. */
bool coco_worker_order_parse(const char *text, size_t len, int first_fd, CocoWorkerOrder *out_order,
                             GError **error);

/* Reads it to the end of fd (borrowed). */
bool coco_worker_order_read(int fd, CocoWorkerOrder *out_order, GError **error);

void coco_worker_order_clear(CocoWorkerOrder *order);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoWorkerOrder, coco_worker_order_clear)
