// SPDX-License-Identifier: Apache-2.0
/*
 * Directories and small files of the cgroup file systems (cgroup.h).
 *
 * Source: Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/{cgroups,cpusets}.rst.
 */
#include "vmm/run/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"

/* RUN/cgroup and a file of /sys/fs/cgroup are read up to this. */
#define MAX_PATH 4096
#define MAX_PROCS (1024 * 1024)

struct _CocoCgroup {
    char *path;
    char **directories; /* one for each hierarchy, v2 first */
    size_t *root_lengths;
};

char *
coco_cgroup_file(const char *run_dir)
{
    return g_build_filename(run_dir, "cgroup", NULL);
}

static bool
is_sound(const char *path)
{
    g_auto(GStrv) names = NULL;

    if (path[0] != '/' || path[1] == '\0' || strlen(path) >= MAX_PATH || strchr(path, '\n') != NULL)
        return false;
    names = g_strsplit(path + 1, "/", -1);
    for (size_t i = 0; names[i] != NULL; i++) {
        if (names[i][0] == '\0' || strcmp(names[i], ".") == 0 || strcmp(names[i], "..") == 0)
            return false;
    }
    return true;
}

/* "36 25 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory": its mount point when it is a
 * hierarchy that no line before it was, its device is noted (transfer full). */
static char *
mount_point_of(const char *line, GHashTable *devices, bool *out_v2)
{
    const char *separator = strstr(line, " - ");
    g_auto(GStrv) fields = g_strsplit(line, " ", 6);
    bool v2 = separator != NULL && g_str_has_prefix(separator, " - cgroup2 ");

    if (!v2 && (separator == NULL || !g_str_has_prefix(separator, " - cgroup ")))
        return NULL;
    if (g_strv_length(fields) < 6 || !g_hash_table_add(devices, g_strdup(fields[2])))
        return NULL;
    *out_v2 = v2;
    return g_strcompress(fields[4]);
}

static void
find_hierarchies(CocoCgroup *cgroup, const char *table)
{
    g_autoptr(GHashTable) devices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    g_auto(GStrv) lines = g_strsplit(table, "\n", -1);

    for (size_t i = 0; lines[i] != NULL; i++) {
        bool v2 = false;
        char *point = mount_point_of(lines[i], devices, &v2);

        if (point != NULL)
            g_ptr_array_insert(found, v2 ? 0 : -1, point);
    }
    cgroup->directories = g_new0(char *, found->len + 1);
    cgroup->root_lengths = g_new0(size_t, found->len + 1);
    for (unsigned int i = 0; i < found->len; i++) {
        g_autofree char *point = g_ptr_array_index(found, i);

        cgroup->root_lengths[i] = strlen(point);
        cgroup->directories[i] = g_strconcat(point, cgroup->path, NULL);
    }
}

CocoCgroup *
coco_cgroup_new(const char *path, const char *mounts, GError **error)
{
    g_autofree char *table = NULL;
    CocoCgroup *cgroup;

    if (!is_sound(path)) {
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG,
                    "cgroup '%s': not an absolute path of plain names", path);
        return NULL;
    }
    if (!g_file_get_contents(mounts, &table, NULL, error))
        return NULL;
    cgroup = g_new0(CocoCgroup, 1);
    cgroup->path = g_strdup(path);
    find_hierarchies(cgroup, table);
    return cgroup;
}

CocoCgroup *
coco_cgroup_of_run_dir(const char *run_dir)
{
    g_autofree char *file = coco_cgroup_file(run_dir);
    g_autofree char *path = NULL;
    size_t length = 0;

    if (!g_file_get_contents(file, &path, &length, NULL) || length == 0 || length >= MAX_PATH)
        return NULL;
    return coco_cgroup_new(path, "/proc/self/mountinfo", NULL);
}

void
coco_cgroup_free(CocoCgroup *cgroup)
{
    if (cgroup == NULL)
        return;
    g_free(cgroup->path);
    g_strfreev(cgroup->directories);
    g_free(cgroup->root_lengths);
    g_free(cgroup);
}

const char *
coco_cgroup_path(const CocoCgroup *cgroup)
{
    return cgroup->path;
}

const char *
coco_cgroup_directory(const CocoCgroup *cgroup, size_t i)
{
    return cgroup->directories[i];
}

/* NULL when it is not there (transfer full). */
static char *
read_file(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *text = NULL;
    size_t length = 0;

    if (!g_file_get_contents(path, &text, &length, NULL) || length > MAX_PROCS)
        return NULL;
    return g_steal_pointer(&text);
}

/* False with errno. */
static bool
write_file(const char *directory, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_auto(CocoFd) fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t) strlen(text);
}

/* A new cpuset of v1 has neither CPUs nor memory, and takes no process before it has both. That of
 * v2 is empty for "as above", and stays so. */
static bool
fill_cpuset(const char *directory)
{
    static const char *const names[] = { "cpuset.cpus", "cpuset.mems" };
    g_autofree char *parent = g_path_get_dirname(directory);
    g_autofree char *v2 = g_build_filename(directory, "cgroup.events", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(names) && access(v2, F_OK) != 0; i++) {
        g_autofree char *own = read_file(directory, names[i]);
        g_autofree char *above = own != NULL ? read_file(parent, names[i]) : NULL;

        if (own != NULL && *g_strchomp(own) == '\0' && above != NULL &&
            !write_file(directory, names[i], above))
            return false;
    }
    return true;
}

/* Each level, so that a parent that nobody made yet is made, too. False with errno. */
static bool
make_below(char *directory, size_t root_length)
{
    char *slash = directory + root_length;

    while (slash != NULL) {
        bool made;

        slash = strchr(slash + 1, '/');
        if (slash != NULL)
            *slash = '\0';
        made = mkdir(directory, 0755) == 0 || errno == EEXIST;
        made = made && fill_cpuset(directory);
        if (slash != NULL)
            *slash = '/';
        if (!made)
            return false;
    }
    return true;
}

/* A hierarchy that is not for us to write to, which is a container's usual lot. */
static bool
is_closed(int err)
{
    return err == EROFS || err == EACCES || err == EPERM;
}

bool
coco_cgroup_make(CocoCgroup *cgroup, size_t *out_n, GError **error)
{
    size_t n = 0;

    for (size_t i = 0; cgroup->directories[i] != NULL; i++) {
        char *directory = cgroup->directories[i];

        if (make_below(directory, cgroup->root_lengths[i]))
            n++;
        else if (!is_closed(errno)) {
            (void) coco_vmm_error_errno(error, errno, "make cgroup '%s'", directory);
            (void) coco_cgroup_remove(cgroup, NULL);
            return false;
        }
    }
    *out_n = n;
    return true;
}

bool
coco_cgroup_enter(const CocoCgroup *cgroup, pid_t pid, GError **error)
{
    g_autofree char *text = g_strdup_printf("%d", (int) pid);

    for (size_t i = 0; cgroup->directories[i] != NULL; i++) {
        if (!write_file(cgroup->directories[i], "cgroup.procs", text) && errno != ENOENT &&
            !is_closed(errno))
            return coco_vmm_error_errno(error, errno, "put process %d into cgroup '%s'", (int) pid,
                                        cgroup->directories[i]);
    }
    return true;
}

bool
coco_cgroup_exists(const CocoCgroup *cgroup)
{
    for (size_t i = 0; cgroup->directories[i] != NULL; i++) {
        if (access(cgroup->directories[i], F_OK) == 0)
            return true;
    }
    return false;
}

static void
add_processes(GHashTable *pids, const char *directory)
{
    g_autofree char *text = read_file(directory, "cgroup.procs");
    char *at = text;
    char *end;

    /* 0 is a process of a PID namespace that this one does not see. */
    for (; at != NULL && *at != '\0'; at = end) {
        pid_t pid = (pid_t) g_ascii_strtoll(at, &end, 10);

        if (end == at)
            break;
        if (pid > 0)
            (void) g_hash_table_add(pids, GINT_TO_POINTER(pid));
        end += strspn(end, "\n");
    }
}

GArray *
coco_cgroup_processes(const CocoCgroup *cgroup)
{
    g_autoptr(GHashTable) pids = g_hash_table_new(NULL, NULL);
    GArray *found = g_array_new(FALSE, FALSE, sizeof(pid_t));
    GHashTableIter iter;
    void *key;

    for (size_t i = 0; cgroup->directories[i] != NULL; i++)
        add_processes(pids, cgroup->directories[i]);
    g_hash_table_iter_init(&iter, pids);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        pid_t pid = GPOINTER_TO_INT(key);

        g_array_append_val(found, pid);
    }
    return found;
}

bool
coco_cgroup_has(const CocoCgroup *cgroup, pid_t pid)
{
    g_autoptr(GArray) pids = coco_cgroup_processes(cgroup);

    for (unsigned int i = 0; i < pids->len; i++) {
        if (g_array_index(pids, pid_t, i) == pid)
            return true;
    }
    return false;
}

void
coco_cgroup_kill(const CocoCgroup *cgroup)
{
    for (size_t i = 0; cgroup->directories[i] != NULL; i++) {
        /* What is frozen with v1 dies only when it is thawed. */
        (void) write_file(cgroup->directories[i], "freezer.state", "THAWED");
        (void) write_file(cgroup->directories[i], "cgroup.kill", "1");
    }
}

bool
coco_cgroup_remove(const CocoCgroup *cgroup, GError **error)
{
    for (size_t i = 0; cgroup->directories[i] != NULL; i++) {
        if (rmdir(cgroup->directories[i]) < 0 && errno != ENOENT && !is_closed(errno))
            return coco_vmm_error_errno(error, errno, "remove cgroup '%s'", cgroup->directories[i]);
    }
    return true;
}
