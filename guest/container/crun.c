// SPDX-License-Identifier: Apache-2.0
/*
 * Starting the runtime and collecting its end. The log is a memory file, so the runtime cannot
 * block on it and only its last COCO_LOG_TAIL bytes are read. A runtime that hangs is killed after
 * CRUN_TIMEOUT_S.
 */
#include "guest/container/crun.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest-protocol/ttrpc/trace.h"
#include "guest/system/directory-tree.h"
#include "guest/system/init-system.h"

#define LOG_TAIL 4096
#define CRUN_TIMEOUT_S 120
#define LOG_FD 3
#define INPUT_FD 4

struct _CocoCrun {
    CocoReaper *reaper;
    char *program;
    char *root;
    char *root_option;
    GHashTable *runs; /* set of Run */
};

typedef struct {
    CocoCrun *crun;
    char *verb;
    int64_t trace_begin;
    pid_t pid;
    CocoFd log_fd;
    guint timeout_id;
    bool timed_out;
    CocoCrunDone done;
    void *user_data;
} Run;

static void
run_free(void *data)
{
    Run *run = data;

    g_clear_handle_id(&run->timeout_id, g_source_remove);
    coco_fd_clear(&run->log_fd);
    g_free(run->verb);
    g_free(run);
}

CocoCrun *
coco_crun_new(CocoReaper *reaper, const CocoLayout *layout, const char *program)
{
    CocoCrun *crun = g_new0(CocoCrun, 1);

    crun->reaper = reaper;
    crun->program = g_strdup(program != NULL ? program : "/bin/crun");
    crun->root = g_build_filename(coco_layout_get_state(layout), "crun", NULL);
    crun->root_option = g_strconcat("--root=", crun->root, NULL);
    crun->runs = g_hash_table_new_full(NULL, NULL, run_free, NULL);
    return crun;
}

void
coco_crun_free(CocoCrun *crun)
{
    GHashTableIter iter;
    void *key;

    if (crun == NULL)
        return;
    g_hash_table_iter_init(&iter, crun->runs);
    while (g_hash_table_iter_next(&iter, &key, NULL)) {
        const Run *run = key;

        coco_reaper_unwatch(crun->reaper, run->pid);
        coco_reaper_release(crun->reaper);
    }
    g_hash_table_unref(crun->runs);
    g_free(crun->program);
    g_free(crun->root);
    g_free(crun->root_option);
    g_free(crun);
}

bool
coco_crun_release(const CocoCrun *crun, const char *id)
{
    g_autofree char *path = g_build_filename(crun->root, id, "exec.fifo", NULL);
    g_auto(CocoFd) fifo = open(path, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

    /* It must be gone before the process runs: the runtime takes a container with a fifo for not
     * started. */
    return fifo >= 0 && unlink(path) == 0 && write(fifo, "", 1) == 1;
}

void
coco_crun_forget(const CocoCrun *crun, const char *id)
{
    g_autofree char *path = g_build_filename(crun->root, id, NULL);

    coco_directory_tree_remove(path);
}

char *
coco_crun_error_text(const char *log)
{
    g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
    const char *text = NULL;

    for (size_t i = 0; lines[i] != NULL; i++) {
        if (*g_strstrip(lines[i]) != '\0')
            text = lines[i];
    }
    if (text == NULL)
        return g_strdup("it gave no reason");
    if (g_str_has_prefix(text, "error: "))
        text += strlen("error: ");
    return g_utf8_make_valid(text, -1);
}

bool
coco_crun_is_command_error(const char *text, const char *command, char **out_text)
{
    const char *cause;

    if (strstr(text, "executable") == NULL && strstr(text, "exec ") == NULL)
        return false;
    /* crun says "not permitted" of a directory. */
    if (strstr(text, "ermission denied") != NULL || strstr(text, "not permitted") != NULL)
        cause = "permission denied";
    else if (strstr(text, "xec format error") != NULL)
        cause = "exec format error";
    else if (strstr(text, "not found") == NULL && strstr(text, "o such file") == NULL)
        return false;
    else if (strchr(command, '/') != NULL)
        cause = "no such file or directory";
    else
        cause = "executable file not found in $PATH";
    *out_text = g_strdup_printf("exec: \"%s\": %s", command, cause);
    return true;
}

static char *
read_log(int fd)
{
    g_autofree char *text = g_malloc0(LOG_TAIL + 1);
    struct stat status;
    off_t from = 0;

    if (fstat(fd, &status) == 0 && status.st_size > LOG_TAIL)
        from = status.st_size - LOG_TAIL;
    if (pread(fd, text, LOG_TAIL, from) < 0)
        *text = '\0';
    return g_steal_pointer(&text);
}

static GError *
run_error(const Run *run, int wait_status)
{
    g_autofree char *log = NULL;
    g_autofree char *text = NULL;

    if (run->timed_out)
        return g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_DEADLINE_EXCEEDED,
                           "crun %s: not done after %d s", run->verb, CRUN_TIMEOUT_S);
    if (coco_reaper_exit_code(wait_status) == 0)
        return NULL;
    log = read_log(run->log_fd);
    text = coco_crun_error_text(log);
    return g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "crun %s: %s", run->verb, text);
}

static void
on_child_exit(pid_t pid, int wait_status, void *user_data)
{
    Run *run = user_data;
    CocoCrun *crun = run->crun;
    g_autoptr(GError) error = run_error(run, wait_status);
    CocoCrunDone done = run->done;
    void *done_data = run->user_data;

    coco_trace_end(run->trace_begin, "crun", run->verb);
    g_hash_table_remove(crun->runs, run);
    done(error, done_data);
    coco_reaper_release(crun->reaper);
}

static gboolean
on_timeout(void *user_data)
{
    Run *run = user_data;

    run->timeout_id = 0;
    run->timed_out = true;
    (void) kill(run->pid, SIGKILL);
    return G_SOURCE_REMOVE;
}

static int
memory_file(const char *name, const char *text, GError **error)
{
    g_auto(CocoFd) fd = memfd_create(name, MFD_CLOEXEC);
    size_t length = text != NULL ? strlen(text) : 0;

    if (fd < 0 || (length > 0 && write(fd, text, length) != (ssize_t) length)) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "make memory file: %s",
                    g_strerror(errno));
        return -1;
    }
    return coco_fd_steal(&fd);
}

/* A copy above the numbers that the child gets, so that no dup2() overwrites the source of the
 * next. */
static int
raise_fd(int fd)
{
    return fd < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : fcntl(fd, F_DUPFD_CLOEXEC, 10);
}

/* Our own -1000 must not become that of containers: crun leaves it alone where a spec says 0, and
 * always for exec. A child takes over what its parent has when it is made. */
static void
set_oom_score(const char *value)
{
    g_auto(CocoFd) fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        g_debug("set own oom_score_adj to %s: %s", value, g_strerror(errno));
}

static int
spawn(const CocoCrun *crun, const char *const *argv, const int sources[5], pid_t *out_pid)
{
    const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    int result;

    (void) sigemptyset(&none);
    (void) sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    for (int i = 0; i <= INPUT_FD; i++)
        posix_spawn_file_actions_adddup2(&actions, sources[i], i);
    result = posix_spawn(out_pid, crun->program, &actions, &attributes,
                         (char *const *) (uintptr_t) argv, (char *const *) (uintptr_t) environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return result;
}

static Run *
run_new(CocoCrun *crun, const char *verb, int log_fd, pid_t pid, int64_t trace_begin)
{
    Run *run = g_new0(Run, 1);

    run->crun = crun;
    run->verb = g_strdup(verb);
    run->trace_begin = trace_begin;
    run->pid = pid;
    run->log_fd = log_fd;
    run->timeout_id = g_timeout_add_seconds(CRUN_TIMEOUT_S, on_timeout, run);
    g_hash_table_add(crun->runs, run);
    coco_reaper_hold(crun->reaper);
    coco_reaper_watch(crun->reaper, pid, on_child_exit, run);
    return run;
}

bool
coco_crun_run(CocoCrun *crun, const char *const *args, const int *stdio, const char *input,
              CocoCrunDone done, void *user_data, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_auto(CocoFd) log_fd = memory_file("crun-log", NULL, error);
    g_auto(CocoFd) input_fd = log_fd < 0 ? -1 : memory_file("crun-input", input, error);
    int sources[INPUT_FD + 1];
    int64_t trace_begin = coco_trace_begin();
    pid_t pid = 0;
    Run *run;
    int result;

    if (input_fd < 0)
        return false;
    g_ptr_array_add(argv, crun->program);
    g_ptr_array_add(argv, (char *) (uintptr_t) "--cgroup-manager=cgroupfs");
    g_ptr_array_add(argv, crun->root_option);
    g_ptr_array_add(argv, (char *) (uintptr_t) "--log=file:/proc/self/fd/3");
    for (size_t i = 0; args[i] != NULL; i++)
        g_ptr_array_add(argv, (char *) (uintptr_t) args[i]);
    g_ptr_array_add(argv, NULL);

    for (int i = 0; i < LOG_FD; i++)
        sources[i] = raise_fd(stdio != NULL ? stdio[i] : -1);
    sources[LOG_FD] = raise_fd(log_fd);
    sources[INPUT_FD] = raise_fd(input_fd);
    if (getpid() == 1)
        set_oom_score("0");
    result = spawn(crun, (const char *const *) argv->pdata, sources, &pid);
    if (getpid() == 1)
        set_oom_score(COCO_AGENT_OOM_SCORE);
    for (int i = 0; i <= INPUT_FD; i++)
        coco_fd_close(sources[i]);
    if (result != 0) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "start %s: %s", crun->program,
                    g_strerror(result));
        return false;
    }
    run = run_new(crun, args[0], coco_fd_steal(&log_fd), pid, trace_begin);
    run->done = done;
    run->user_data = user_data;
    return true;
}
