// SPDX-License-Identifier: Apache-2.0
/*
 * The cgroup that all processes of a run directory live in, and by which they are found and ended.
 * RUN/cgroup names it, as a path below the mount point of each hierarchy: one with v2, one for each
 * controller with v1, both kinds on a hybrid host.
 *
 * It is a leaf, and nothing in it is set: limits are those of the cgroups above it, which are
 * somebody else's. So it needs no controller of its own, and no delegation by systemd.
 *
 * Ownership: a CocoCgroup owns its paths.
 * Thread: one.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

typedef struct _CocoCgroup CocoCgroup;

/* Where RUN/cgroup is below run_dir (transfer full). */
char *coco_cgroup_file(const char *run_dir);

/* path: "/a/b"; no component may be "." or "..". mounts: "/proc/self/mountinfo" (transfer full). */
CocoCgroup *coco_cgroup_new(const char *path, const char *mounts, GError **error);

/* The one that RUN/cgroup names; NULL when there is none or it cannot be read (transfer full). */
CocoCgroup *coco_cgroup_of_run_dir(const char *run_dir);

void coco_cgroup_free(CocoCgroup *cgroup); /* nullable */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoCgroup, coco_cgroup_free)

const char *coco_cgroup_path(const CocoCgroup *cgroup);

/* The directory of one hierarchy, NULL after the last; a v2 hierarchy comes first (transfer none).
 */
const char *coco_cgroup_directory(const CocoCgroup *cgroup, size_t i);

/* Makes the directories. Hierarchies that this process may not write to are left out: *out_n counts
 * the others, and 0 is no error but a host (or a container) without cgroups for us. */
bool coco_cgroup_make(CocoCgroup *cgroup, size_t *out_n, GError **error);

/* Moves a process into all of them that are there. */
bool coco_cgroup_enter(const CocoCgroup *cgroup, pid_t pid, GError **error);

/* It is there, in one hierarchy at least. */
bool coco_cgroup_exists(const CocoCgroup *cgroup);

/* Whether pid is in it. */
bool coco_cgroup_has(const CocoCgroup *cgroup, pid_t pid);

/* The processes in it, of pid_t, each once (transfer full). */
GArray *coco_cgroup_processes(const CocoCgroup *cgroup);

/* Tells the kernel to kill all in it, where the kernel can (v2, Linux 5.14). Does not wait. */
void coco_cgroup_kill(const CocoCgroup *cgroup);

/* Removes the directories, which must be empty. Those that are not there are no error. */
bool coco_cgroup_remove(const CocoCgroup *cgroup, GError **error);
