// SPDX-License-Identifier: Apache-2.0
/*
 * All that a launch decides and checks before anything is started: the host's abilities, the
 * programs and files that the VM needs and whether the QEMU user can use them.
 *
 * Ownership: a plan owns everything in it.
 * Thread: one.
 */
#pragma once

#include "vmm/config/config.h"
#include "vmm/config/vm-spec.h"
#include "vmm/config/launch-request.h"
#include "vmm/run/run-dir.h"
#include "vmm/tee/boot-files.h"
#include "vmm/tee/host-choice.h"
#include "vmm/tee/initdata-binding.h"
#include "vmm/tee/qemu-user.h"

typedef struct {
    CocoVmConfig *config;
    CocoVmSpec spec; /* of that config */
    CocoBootFiles *boot;
    CocoHostChoice choice;
    CocoQemuUser user;
    CocoRunDir *run_dir;
    char *virtiofsd; /* the real program; nullable */
    char *cache_dir;
    char *netns; /* that the worker and QEMU are in (spawn.h); nullable */
    CocoInitdataBinding initdata;
} CocoLaunchPlan;

/* What a VM is decided from, before its request. Borrowed, all of it. */
typedef struct {
    const char *config; /* file */
    const char *run_dir;
    const char *share;            /* nullable */
    const char *const *overrides; /* nullable */
    const char *annotations;      /* file with the pod's; nullable */
    CocoInitdataSource initdata;
} CocoLaunchSource;

/* Loads config and initdata and chooses; reads the host, changes nothing. */
bool coco_launch_plan_load(CocoLaunchPlan *plan, const CocoLaunchSource *source, GError **error);

/* The plan of a VM that runs, for changing it: as its launch decided, without boot files. */
bool coco_launch_plan_load_saved(CocoLaunchPlan *plan, const char *run_dir, GError **error);

/* Takes what was asked for later over into the plan: the disks, the interfaces, and whether the
 * share and room for more are wanted. A config that does not allow it is BAD_CONFIG. request: both
 * lists move. */
bool coco_launch_plan_take(CocoLaunchPlan *plan, CocoLaunchRequest *request, GError **error);

/* The interfaces alone, with the kernel's help as far as it is there; the list moves. */
void coco_launch_plan_take_nics(CocoLaunchPlan *plan, CocoLaunchRequest *request);

/* How large the VM is with the pod in it; before it is measured. */
bool coco_launch_plan_size(CocoLaunchPlan *plan, CocoVmSize pod, GError **error);

/* Checks programs, files and the QEMU user's access to them; the run directory exists by now. */
bool coco_launch_plan_check(CocoLaunchPlan *plan, GError **error);

/* Writes what libvirt and virtiofsd need below the run directory. */
bool coco_launch_plan_write(const CocoLaunchPlan *plan, GError **error);

/* The domain XML of this plan (transfer full). */
char *coco_launch_plan_xml(const CocoLaunchPlan *plan);

void coco_launch_plan_clear(CocoLaunchPlan *plan);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoLaunchPlan, coco_launch_plan_clear)
