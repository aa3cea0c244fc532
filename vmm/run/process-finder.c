// SPDX-License-Identifier: Apache-2.0
/*
 * Finding and ending the processes of a run directory (process-finder.h).
 */
#include "vmm/run/process-finder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"
#include "vmm/run/cgroup.h"

/* QEMU's command line is some 4 KiB; more than this is not ours. */
#define MAX_CMDLINE (128 * 1024)

/* A killed process goes as soon as the kernel has torn it down. That takes a while for a big guest,
 * some seconds per 100 GiB, and the pages of an SNP or TDX guest have to be taken back one by one.
 */
#define KILL_WAIT_MS 60000

/* The console logger ends by itself when QEMU's end of the socket closes. */
#define CONSOLE_WAIT_MS 1000

/* Each round ends all that was found; a new process can appear only while a launcher dies. */
#define MAX_ROUNDS 8

/* Where and for whom to look. */
typedef struct {
    const char *run_dir;
    const CocoCgroup *cgroup; /* nullable: by command line */
    uid_t qemu_uid;
    GArray *found;
} Search;

static bool
names_run_dir(const char *const *argv, const char *run_dir)
{
    for (size_t i = 1; argv[i] != NULL; i++) {
        if (strcmp(argv[i], "--run-dir") == 0 && g_strcmp0(argv[i + 1], run_dir) == 0)
            return true;
        if (g_str_has_prefix(argv[i], "--run-dir=") &&
            strcmp(argv[i] + strlen("--run-dir="), run_dir) == 0)
            return true;
    }
    return false;
}

/* The argument after the flag, or NULL. */
static const char *
argument_of(const char *const *argv, const char *flag)
{
    for (size_t i = 0; argv[i] != NULL; i++) {
        if (strcmp(argv[i], flag) == 0)
            return argv[i + 1];
    }
    return NULL;
}

static bool
mentions(const char *const *argv, const char *prefix)
{
    for (size_t i = 0; argv[i] != NULL; i++) {
        if (strstr(argv[i], prefix) != NULL)
            return true;
    }
    return false;
}

static CocoHostProcessKind
classify_own(const char *const *argv, const char *program, const char *run_dir)
{
    static const char *const verbs[] = { "launch", "attach", "detach", NULL };

    if (!names_run_dir(argv, run_dir))
        return COCO_PROCESS_OTHER;
    if (strcmp(program, "coco-vmm-console") == 0)
        return COCO_PROCESS_CONSOLE;
    if (strcmp(program, "coco-vmm-libvirt") == 0)
        return COCO_PROCESS_LAUNCHER;
    if (strcmp(program, "coco-vmm") == 0 && argv[1] != NULL && g_strv_contains(verbs, argv[1]))
        return COCO_PROCESS_LAUNCHER;
    return COCO_PROCESS_OTHER;
}

CocoHostProcessKind
coco_host_process_classify(const char *const *argv, const char *run_dir)
{
    g_autofree char *root = g_strconcat(run_dir, "/vm/", NULL);
    g_autofree char *virtiofsd = g_strconcat(root, "virtiofsd", NULL);
    g_autofree char *program = NULL;
    const char *pid_file;
    const char *name;

    if (argv[0] == NULL)
        return COCO_PROCESS_OTHER;
    program = g_path_get_basename(argv[0]);
    if (g_str_has_prefix(program, "coco-vmm"))
        return classify_own(argv, program, run_dir);
    /* argv[1]: when the program is a script */
    if (strcmp(argv[0], virtiofsd) == 0 || (g_strcmp0(argv[1], virtiofsd) == 0 && argv[2] != NULL))
        return COCO_PROCESS_VIRTIOFSD;
    pid_file = argument_of(argv, "-pidfile");
    if (pid_file != NULL && g_str_has_prefix(pid_file, root))
        return COCO_PROCESS_PROBE;
    name = argument_of(argv, "-name");
    if (name != NULL && g_str_has_prefix(name, "guest=coco,") && mentions(argv, root))
        return COCO_PROCESS_QEMU;
    return COCO_PROCESS_OTHER;
}

/* Reads a small file of /proc whole; NULL when the process is gone. */
static char *
read_proc(int pid_dir, const char *name, size_t *out_len)
{
    g_auto(CocoFd) fd = openat(pid_dir, name, O_RDONLY | O_CLOEXEC);
    g_autoptr(GString) text = g_string_new(NULL);
    char chunk[4096];
    ssize_t n;

    if (fd < 0)
        return NULL;
    while ((n = read(fd, chunk, sizeof chunk)) > 0 && text->len < MAX_CMDLINE)
        g_string_append_len(text, chunk, n);
    *out_len = text->len;
    return n < 0 ? NULL : g_string_free(g_steal_pointer(&text), FALSE);
}

static CocoHostProcessKind
classify_pid(int pid_dir, const char *run_dir)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autofree char *text = NULL;
    size_t len = 0;

    text = read_proc(pid_dir, "cmdline", &len);
    if (text == NULL || memmem(text, len, run_dir, strlen(run_dir)) == NULL)
        return COCO_PROCESS_OTHER;
    for (size_t at = 0; at < len; at += strlen(text + at) + 1)
        g_ptr_array_add(argv, text + at);
    g_ptr_array_add(argv, NULL);
    return coco_host_process_classify((const char *const *) argv->pdata, run_dir);
}

static uint64_t
start_time(int pid_dir)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) fields = NULL;
    const char *after_name;
    size_t len = 0;

    text = read_proc(pid_dir, "stat", &len);
    after_name = text != NULL ? strrchr(text, ')') : NULL;
    if (after_name == NULL)
        return 0;
    fields = g_strsplit(after_name, " ", 22);
    return g_strv_length(fields) > 20 ? g_ascii_strtoull(fields[20], NULL, 10) : 0;
}

static void
clear_process(void *data)
{
    coco_fd_clear(&((CocoHostProcess *) data)->pidfd);
}

static int
compare_age(const void *a, const void *b)
{
    const CocoHostProcess *pa = a;
    const CocoHostProcess *pb = b;

    if (pa->start_time != pb->start_time)
        return pa->start_time < pb->start_time ? -1 : 1;
    return pa->pid < pb->pid ? -1 : pa->pid > pb->pid;
}

/* The effective one; -1 when the process is gone. */
static uid_t
user_of(int pid_dir)
{
    g_autofree char *text = NULL;
    const char *line;
    unsigned int real = 0;
    unsigned int effective = (unsigned int) -1;
    size_t len = 0;

    text = read_proc(pid_dir, "status", &len);
    line = text != NULL ? strstr(text, "\nUid:") : NULL;
    if (line == NULL || sscanf(line, "\nUid: %u %u", &real, &effective) != 2)
        return (uid_t) -1;
    return (uid_t) effective;
}

static CocoHostProcessKind
kind_of(const Search *search, int pid_dir, pid_t pid)
{
    CocoHostProcessKind kind = classify_pid(pid_dir, search->run_dir);
    uid_t user;

    if (search->cgroup != NULL) {
        if (!coco_cgroup_has(search->cgroup, pid))
            return COCO_PROCESS_OTHER;
        return kind == COCO_PROCESS_OTHER ? COCO_PROCESS_MEMBER : kind;
    }
    if (kind == COCO_PROCESS_OTHER)
        return kind;
    user = user_of(pid_dir);
    return user == geteuid() || user == search->qemu_uid ? kind : COCO_PROCESS_OTHER;
}

static void
examine(const Search *search, int proc_fd, const char *name)
{
    g_auto(CocoFd) dir = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CocoHostProcess process = { .pid = (pid_t) g_ascii_strtoll(name, NULL, 10), .pidfd = -1 };

    if (dir < 0 || process.pid == getpid() ||
        kind_of(search, dir, process.pid) == COCO_PROCESS_OTHER)
        return;
    process.pidfd = pidfd_open(process.pid, 0);
    process.pidfd_errno = process.pidfd < 0 ? errno : 0;
    /* Looked at again now that the pidfd holds the process: the directory fails if it is not the
     * same one. */
    process.kind = kind_of(search, dir, process.pid);
    process.start_time = start_time(dir);
    if (process.kind == COCO_PROCESS_OTHER || process.pidfd_errno == ESRCH) {
        coco_fd_clear(&process.pidfd);
        return;
    }
    g_array_append_val(search->found, process);
}

static void
examine_all(const Search *search, DIR *proc)
{
    struct dirent *entry;

    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        if (g_ascii_isdigit(entry->d_name[0]))
            examine(search, dirfd(proc), entry->d_name);
    }
}

static void
examine_members(const Search *search, DIR *proc)
{
    g_autoptr(GArray) pids = coco_cgroup_processes(search->cgroup);

    for (unsigned int i = 0; proc != NULL && i < pids->len; i++) {
        g_autofree char *name = g_strdup_printf("%d", (int) g_array_index(pids, pid_t, i));

        examine(search, dirfd(proc), name);
    }
}

/* libvirt gives this directory to the user before it starts a QEMU. */
static uid_t
qemu_user_of(const char *run_dir)
{
    g_autofree char *path = g_strconcat(run_dir, "/vm/lib/qemu", NULL);
    struct stat info;

    return lstat(path, &info) == 0 ? info.st_uid : geteuid();
}

GArray *
coco_host_process_find(const char *proc_dir, const char *run_dir)
{
    g_autoptr(CocoCgroup) cgroup = coco_cgroup_of_run_dir(run_dir);
    DIR *proc = opendir(proc_dir);
    Search search = {
        .run_dir = run_dir,
        .cgroup = cgroup != NULL && coco_cgroup_exists(cgroup) ? cgroup : NULL,
        .qemu_uid = qemu_user_of(run_dir),
        .found = g_array_new(FALSE, FALSE, sizeof(CocoHostProcess)),
    };

    g_array_set_clear_func(search.found, clear_process);
    if (search.cgroup != NULL)
        examine_members(&search, proc);
    else
        examine_all(&search, proc);
    if (proc != NULL)
        (void) closedir(proc);
    g_array_sort(search.found, compare_age);
    return search.found;
}

pid_t
coco_host_process_first(const GArray *processes, CocoHostProcessKind kind)
{
    for (unsigned int i = 0; i < processes->len; i++) {
        const CocoHostProcess *process = &g_array_index(processes, CocoHostProcess, i);

        if (process->kind == kind)
            return process->pid;
    }
    return 0;
}

static bool
wait_gone(const CocoHostProcess *process, int timeout_ms)
{
    struct pollfd event = { .fd = process->pidfd, .events = POLLIN };
    int n;

    do {
        n = poll(&event, 1, timeout_ms);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

/* Launchers first, so that nothing new starts; the console last, so that it sees the end of QEMU's
 * output. */
static bool
end_round(const GArray *processes, GError **error)
{
    static const CocoHostProcessKind order[] = { COCO_PROCESS_LAUNCHER, COCO_PROCESS_PROBE,
                                                 COCO_PROCESS_QEMU,     COCO_PROCESS_VIRTIOFSD,
                                                 COCO_PROCESS_MEMBER,   COCO_PROCESS_CONSOLE };

    for (size_t k = 0; k < G_N_ELEMENTS(order); k++) {
        for (unsigned int i = 0; i < processes->len; i++) {
            const CocoHostProcess *process = &g_array_index(processes, CocoHostProcess, i);

            if (process->kind == order[k] && process->pidfd < 0)
                return coco_vmm_error_errno(error, process->pidfd_errno, "open process %d",
                                            (int) process->pid);
            if (process->kind != order[k] ||
                (process->kind == COCO_PROCESS_CONSOLE && wait_gone(process, CONSOLE_WAIT_MS)))
                continue;
            if (pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
                return coco_vmm_error_errno(error, errno, "kill process %d", (int) process->pid);
            if (!wait_gone(process, KILL_WAIT_MS))
                return coco_vmm_error_errno(error, ETIMEDOUT, "wait for killed process %d",
                                            (int) process->pid);
        }
    }
    return true;
}

bool
coco_host_process_end_all(const char *run_dir, GError **error)
{
    for (unsigned int round = 0; round < MAX_ROUNDS; round++) {
        g_autoptr(GArray) processes = coco_host_process_find("/proc", run_dir);

        if (processes->len == 0)
            return true;
        if (!end_round(processes, error))
            return false;
    }
    return coco_vmm_failed(error, "end the processes of '%s': new ones keep appearing", run_dir);
}

static void
kill_cgroup(const char *run_dir)
{
    g_autoptr(CocoCgroup) cgroup = coco_cgroup_of_run_dir(run_dir);

    if (cgroup != NULL && !coco_cgroup_has(cgroup, getpid()))
        coco_cgroup_kill(cgroup);
}

/* What cannot be killed keeps none of the others alive. */
bool
coco_host_process_signal_all(const char *run_dir, const GArray *processes, GError **error)
{
    bool fine = true;

    kill_cgroup(run_dir);
    for (unsigned int i = 0; i < processes->len; i++) {
        const CocoHostProcess *process = &g_array_index(processes, CocoHostProcess, i);
        int err = process->pidfd_errno;

        if (process->pidfd >= 0)
            err = pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0) < 0 ? errno : 0;
        if (err != 0 && err != ESRCH && fine)
            fine = coco_vmm_error_errno(error, err,
                                        "end the processes of '%s': kill process %d by its pidfd",
                                        run_dir, (int) process->pid);
    }
    return fine;
}

static bool
wait_all(const GArray *processes, gint64 deadline)
{
    for (unsigned int i = 0; i < processes->len; i++) {
        gint64 left = MAX(0, (deadline - g_get_monotonic_time()) / 1000);

        if (!wait_gone(&g_array_index(processes, CocoHostProcess, i), (int) left))
            return false;
    }
    return true;
}

bool
coco_host_process_kill_all(const char *run_dir, int timeout_ms, pid_t *out_qemu_pid, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + (gint64) timeout_ms * 1000;

    if (out_qemu_pid != NULL)
        *out_qemu_pid = 0;
    for (unsigned int round = 0; round < MAX_ROUNDS; round++) {
        g_autoptr(GArray) processes = coco_host_process_find("/proc", run_dir);
        pid_t qemu = coco_host_process_first(processes, COCO_PROCESS_QEMU);

        if (processes->len == 0)
            return true;
        if (out_qemu_pid != NULL && qemu != 0)
            *out_qemu_pid = qemu;
        if (!coco_host_process_signal_all(run_dir, processes, error))
            return false;
        if (!wait_all(processes, deadline)) {
            g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_TIMEOUT,
                        "end the processes of '%s': still there after %d ms", run_dir, timeout_ms);
            return false;
        }
    }
    return coco_vmm_failed(error, "end the processes of '%s': new ones keep appearing", run_dir);
}
