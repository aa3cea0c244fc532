// SPDX-License-Identifier: Apache-2.0
/*
 * Runs `coco-vmm launch` for a pod, and attach and detach for a VM that runs, and reads what it
 * says, a JSON object a line (vmm/README.md). The launcher is a program of its own so that the shim
 * has no libvirt in its address space and a hang can be ended with a signal.
 *
 * Ownership: the command is borrowed for the call; the result belongs to the caller.
 * Thread: main.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <gio/gio.h>

#include "shim/host/signals.h"
#include "shim/vm/launch-needs.h"

typedef enum {
    COCO_LAUNCHER_LAUNCH,
    COCO_LAUNCHER_ATTACH, /* is told of the disks as a launch is */
    COCO_LAUNCHER_DETACH,
    COCO_N_LAUNCHER_VERBS,
} CocoLauncherVerb;

/* What the config says, as far as it is for others to know; valid for the call. */
typedef struct {
    const char *network; /* [network] model */
    unsigned int vcpus;  /* of the VM itself; the pod's come on top */
    unsigned int max_vcpus;
} CocoLauncherFacts;

typedef void (*CocoLauncherConfigFunc)(const CocoLauncherFacts *facts, void *user_data);

typedef struct {
    CocoLauncherVerb verb;
    const char *program; /* path of coco-vmm */
    const char *config;  /* launch: path of the config file */
    const char *run_dir;
    const char *share;       /* launch: directory that virtiofsd exports */
    const char *initdata;    /* launch: file with the initdata annotation of the pod; nullable */
    const char *annotations; /* launch: file with what the pod says of its VM; nullable */
    const char *tees[2];     /* launch: each must be the TEE of the config; nullable */
    char *const *places;     /* detach: which disks; NULL-terminated */
    CocoLauncherConfigFunc on_config; /* launch: once, when the config has been read; nullable */
    void *config_data;
} CocoLauncherCommand;

typedef struct _CocoLauncher CocoLauncher;

/* Of attach and detach: disks only. */
typedef struct {
    pid_t vm_pid;
    pid_t virtiofsd_pid; /* 0 without a share */
    pid_t console_pid;   /* reads the console into the log until QEMU is gone */
    char *agent;         /* address of the agent, guest-protocol/ttrpc/transport.h */
    char *console;       /* path of the console log */
    char *summary;       /* "tee none, accel tcg, transport channel" for the log */
    char *phases;        /* "config 1 ms, start 250 ms" for the log */
    char **disks;        /* where the guest has each disk, as Kata's agent protocol writes it */
    char **nics;         /* the same for interfaces */
    unsigned int slots;  /* how many devices can be attached later */
    char *measurement;   /* JSON object of the values that attestation should show; NULL: no TEE */
    int64_t agent_timeout_us;
} CocoLaunchResult;

void coco_launch_result_free(CocoLaunchResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoLaunchResult, coco_launch_result_free)

/* Firing cancellable, or the launch deadline of the config passing (plus a little, since the
 * launcher itself should end it first), kills the launcher. What it may have left behind is then
 * the caller's to clear: vm-sweep.h. Result: (transfer none), valid until
 * callback runs; NULL when nothing was started. */
CocoLauncher *coco_launcher_run_async(const CocoLauncherCommand *command, CocoSignals *signals,
                                      GCancellable *cancellable, GAsyncReadyCallback callback,
                                      void *user_data);

/* Tells a launcher what the VM gets, once; it does not go on before. The launch deadline counts
 * from here. A launcher that has ended meanwhile is no error: its run's result says why. */
bool coco_launcher_send(CocoLauncher *launcher, const CocoLaunchNeeds *needs, GError **error);

/* NULL with error set: COCO_TTRPC_ERROR, code by what the caller can do: INVALID_ARGUMENT (config),
 * FAILED_PRECONDITION (this host cannot launch that), DEADLINE_EXCEEDED, CANCELLED, UNAVAILABLE (VM
 * died), UNKNOWN. */
CocoLaunchResult *coco_launcher_run_finish(GAsyncResult *result, GError **error);

/* Where coco-vmm is: $COCO_VMM, else beside the running program, else the installed place.
 * g_free(). */
char *coco_launcher_find_program(void);
