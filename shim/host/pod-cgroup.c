// SPDX-License-Identifier: Apache-2.0
/*
 * From a spec to a path, and the files that keep it (pod-cgroup.h). The cgroups themselves are
 * vmm/run/cgroup.c's.
 */
#include "shim/host/pod-cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"
#include "shim/host/bundle-config.h"
#include "vmm/run/cgroup.h"
#include "vmm/run/process-finder.h"

#define LEAF_PREFIX "coco_"
#define DEFAULT_SLICE "system.slice" /* as runc has it */
#define DEFAULT_PARENT "/coco"
#define SLICE ".slice"
#define SCORE_FILE "oom_score_adj"
#define SCORE_MIN (-1000)
#define SCORE_MAX 1000

static char *
refuse(const char *path, GError **error)
{
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "cgroup '%s': %s", path,
                "neither a path nor SLICE:PREFIX:NAME");
    return NULL;
}

/* "a-b.slice" is below "a.slice" (systemd.slice(5)): "/a.slice/a-b.slice" (transfer full). */
static char *
expand_slice(const char *slice)
{
    g_autoptr(GString) path = g_string_new(NULL);
    size_t stem = strlen(slice) - strlen(SLICE);

    if (strcmp(slice, "-" SLICE) == 0)
        return g_strdup("");
    for (size_t i = 0; i <= stem; i++) {
        if (i < stem && slice[i] != '-')
            continue;
        if (i == 0 || slice[i - 1] == '-')
            return NULL;
        g_string_append_printf(path, "/%.*s" SLICE, (int) i, slice);
    }
    return g_string_free(g_steal_pointer(&path), FALSE);
}

/* In the form of a path, or a slice alone (transfer full). */
static char *
parent_path(const char *parent, GError **error)
{
    g_autofree char *path = NULL;

    if (g_str_has_suffix(parent, SLICE) && strchr(parent, '/') == NULL) {
        path = expand_slice(parent);
        return path != NULL ? g_steal_pointer(&path) : refuse(parent, error);
    }
    path = g_strconcat(parent[0] == '/' ? "" : "/", parent, NULL);
    while (g_str_has_suffix(path, "/"))
        path[strlen(path) - 1] = '\0';
    return g_steal_pointer(&path);
}

/* It has to be a path that stays where it points to. */
static char *
checked(char *path, GError **error)
{
    g_autoptr(CocoCgroup) cgroup = coco_cgroup_new(path, "/proc/self/mountinfo", error);

    if (cgroup == NULL)
        g_clear_pointer(&path, g_free);
    return path;
}

static char *
leaf_of(const char *parent, const char *pod_id, GError **error)
{
    g_autofree char *path = parent_path(parent, error);

    return path != NULL ? checked(g_strconcat(path, "/" LEAF_PREFIX, pod_id, NULL), error) : NULL;
}

static char *
of_unit(const char *unit, const char *pod_id, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(unit, ":", -1);
    const char *slice = parts[0];

    if (g_strv_length(parts) != 3)
        return refuse(unit, error);
    if (slice[0] == '\0')
        slice = DEFAULT_SLICE;
    if (!g_str_has_suffix(slice, SLICE) || strchr(slice, '/') != NULL)
        return refuse(unit, error);
    return leaf_of(slice, pod_id, error);
}

char *
coco_pod_cgroup_of_container(const char *cgroups_path, bool own, const char *pod_id, GError **error)
{
    g_autofree char *path = NULL;
    char *slash;

    if (cgroups_path[0] == '\0')
        return leaf_of(DEFAULT_PARENT, pod_id, error);
    if (strchr(cgroups_path, '/') == NULL && strchr(cgroups_path, ':') != NULL)
        return of_unit(cgroups_path, pod_id, error);
    path = parent_path(cgroups_path, error);
    if (path == NULL || own)
        return path != NULL ? checked(g_steal_pointer(&path), error) : NULL;
    slash = strrchr(path, '/');
    if (slash == NULL)
        return refuse(cgroups_path, error);
    *slash = '\0';
    return leaf_of(path, pod_id, error);
}

char *
coco_pod_cgroup_of_sandbox(const char *parent, const char *pod_id, GError **error)
{
    return leaf_of(parent[0] != '\0' ? parent : DEFAULT_PARENT, pod_id, error);
}

static bool
save_score(const char *run_dir, int score, GError **error)
{
    g_autofree char *file = g_build_filename(run_dir, SCORE_FILE, NULL);
    g_autofree char *text = g_strdup_printf("%d", score);

    return g_file_set_contents_full(file, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error);
}

static bool
load_score(const char *run_dir, int *out_score)
{
    g_autofree char *file = g_build_filename(run_dir, SCORE_FILE, NULL);
    g_autofree char *text = NULL;
    gint64 score = 0;

    if (!g_file_get_contents(file, &text, NULL, NULL) ||
        !g_ascii_string_to_signed(text, 10, SCORE_MIN, SCORE_MAX, &score, NULL))
        return false;
    *out_score = (int) score;
    return true;
}

static bool
save(const char *path, int score, const char *run_dir, GError **error)
{
    g_autofree char *file = coco_cgroup_file(run_dir);

    return g_file_set_contents_full(file, path, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, error) &&
           save_score(run_dir, score, error);
}

bool
coco_pod_cgroup_save(const char *bundle, bool own, const char *pod_id, const char *run_dir,
                     GError **error)
{
    g_autoptr(GError) failure = NULL;
    g_autoptr(CocoBundleConfig) config = coco_bundle_config_load(bundle, &failure);
    g_autofree char *path = NULL;

    if (config == NULL) {
        if (g_error_matches(failure, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return coco_pod_cgroup_save_sandbox("", pod_id, run_dir, error);
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    path =
        coco_pod_cgroup_of_container(coco_bundle_config_cgroups_path(config), own, pod_id, error);
    return path != NULL && save(path, coco_bundle_config_oom_score_adj(config), run_dir, error);
}

bool
coco_pod_cgroup_save_sandbox(const char *parent, const char *pod_id, const char *run_dir,
                             GError **error)
{
    g_autofree char *path = coco_pod_cgroup_of_sandbox(parent, pod_id, error);

    return path != NULL && save(path, COCO_SANDBOX_OOM_SCORE_ADJ, run_dir, error);
}

/* Who may not go below what containerd has keeps that, as containerd's own shims do. */
static void
set_score(int score, pid_t pid, int pidfd)
{
    g_autofree char *file = g_strdup_printf("/proc/%d/oom_score_adj", (int) pid);
    g_autofree char *text = g_strdup_printf("%d", score);
    g_auto(CocoFd) fd = open(file, O_WRONLY | O_CLOEXEC);

    /* It is not somebody else's who has got its pid: it was there after the file was opened. */
    if (fd < 0 || pidfd_send_signal(pidfd, 0, NULL, 0) < 0)
        return;
    if (write(fd, text, strlen(text)) < 0)
        g_message("set oom score %s of process %d of the VM: %s", text, (int) pid,
                  g_strerror(errno));
}

void
coco_pod_cgroup_note_score(const char *run_dir, int64_t score, bool first)
{
    g_autoptr(GArray) processes = NULL;
    g_autoptr(GError) error = NULL;
    int wanted = (int) CLAMP(score, SCORE_MIN, SCORE_MAX);
    int saved = 0;

    if (!load_score(run_dir, &saved))
        return;
    if (!first)
        wanted = MIN(wanted, saved);
    if (wanted == saved)
        return;
    if (!save_score(run_dir, wanted, &error))
        g_message("keep oom score %d of the VM: %s", wanted, error->message);
    processes = coco_host_process_find("/proc", run_dir);
    for (unsigned int i = 0; i < processes->len; i++) {
        const CocoHostProcess *process = &g_array_index(processes, CocoHostProcess, i);

        set_score(wanted, process->pid, process->pidfd);
    }
}

bool
coco_pod_cgroup_admit(const char *run_dir, pid_t pid, GError **error)
{
    g_autoptr(CocoCgroup) cgroup = coco_cgroup_of_run_dir(run_dir);
    g_auto(CocoFd) pidfd = pidfd_open(pid, 0);
    size_t n = 0;
    int score = 0;

    if (load_score(run_dir, &score))
        set_score(score, pid, pidfd);
    if (cgroup == NULL)
        return true;
    if (!coco_cgroup_make(cgroup, &n, error))
        return false;
    if (n == 0)
        g_warning("cgroup '%s': no hierarchy can be written to, so the VM stays outside and the "
                  "limits of its pod do not hold for it",
                  coco_cgroup_path(cgroup));
    return coco_cgroup_enter(cgroup, pid, error);
}

bool
coco_pod_cgroup_remove(const char *run_dir, GError **error)
{
    g_autoptr(CocoCgroup) cgroup = coco_cgroup_of_run_dir(run_dir);

    return cgroup == NULL || coco_cgroup_remove(cgroup, error);
}
