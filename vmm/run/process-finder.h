// SPDX-License-Identifier: Apache-2.0
/*
 * Finds the processes of one run directory, and kills them without hitting others.
 *
 * Where the directory has a cgroup (cgroup.h), they are the processes in it, whatever they are
 * called. Else, of a launch from a terminal or on a host that gives us no cgroups, they are told by
 * their command lines: by the shape that our programs have, not by a mere occurrence of the path,
 * since a shell or an editor that has the path in its arguments is nobody's VM; and by their user,
 * which is ours or the one that libvirt's files are given to, since anybody may choose a command
 * line. A process is held by a pidfd that is opened before it is looked at for good, so a reused
 * pid is never killed.
 *
 * Ownership: an array of CocoHostProcess owns its pidfds.
 * Thread: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <glib.h>

typedef enum {
    COCO_PROCESS_OTHER,
    COCO_PROCESS_LAUNCHER, /* coco-vmm launch, attach or detach, or its libvirt worker */
    COCO_PROCESS_CONSOLE,
    COCO_PROCESS_QEMU,
    COCO_PROCESS_VIRTIOFSD,
    COCO_PROCESS_PROBE,  /* a QEMU that libvirt asks for its capabilities */
    COCO_PROCESS_MEMBER, /* in the cgroup, and none of these by its command line */
    COCO_N_PROCESSES,
} CocoHostProcessKind;

typedef struct {
    CocoHostProcessKind kind;
    pid_t pid;
    uint64_t start_time; /* clock ticks since boot: tells a parent from its later child */
    int pidfd;           /* -1: the kernel gave none */
    int pidfd_errno;     /* then, why */
} CocoHostProcess;

/* What a process with this NULL-terminated argv is to run_dir. Pure. */
CocoHostProcessKind coco_host_process_classify(const char *const *argv, const char *run_dir);

/* All processes of run_dir except the calling one, oldest first, found below proc_dir ("/proc")
 * (transfer full). */
GArray *coco_host_process_find(const char *proc_dir, const char *run_dir);

/* The pid of the oldest one of a kind, or 0. */
pid_t coco_host_process_first(const GArray *processes, CocoHostProcessKind kind);

/* Kills all of them and waits until they are gone; the console gets time to write what it holds. */
bool coco_host_process_end_all(const char *run_dir, GError **error);

/* Kills the processes that coco_host_process_find() has found, and in a cgroup all that is there,
 * and does not wait. The caller is none of them. */
bool coco_host_process_signal_all(const char *run_dir, const GArray *processes, GError **error);

/* Kills all of them at once and waits until they are gone, timeout_ms at most. The caller is none
 * of them. out_qemu_pid: nullable; the QEMU that was there, 0 if none. */
bool coco_host_process_kill_all(const char *run_dir, int timeout_ms, pid_t *out_qemu_pid,
                                GError **error);
