// SPDX-License-Identifier: Apache-2.0
/*
 * The runtime's command line and what its end means. The process that the runtime makes may die
 * without a word of either (killed with its container, for instance), so where the log is empty the
 * error says how the runtime ended. One that hangs is killed after CRUN_TIMEOUT_S.
 */
#include "guest/container/crun.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest-protocol/ttrpc/trace.h"
#include "guest/system/child-runner.h"
#include "guest/system/directory-tree.h"

#define LOG_TAIL 4096
#define CRUN_TIMEOUT_S 120
#define LOG_FD 3
#define INPUT_FD 4
#define SILENT "without a word"

struct _CocoCrun {
    CocoReaper *reaper;
    char *program;
    char *root;
    char *root_option;
    GHashTable *runs; /* set of CocoCrunRun */
};

struct _CocoCrunRun {
    CocoCrun *crun;
    CocoChild *child;
    char *verb;
    int64_t trace_begin;
    CocoCrunDone done;
    void *user_data;
};

static void
run_free(void *data)
{
    CocoCrunRun *run = data;

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
        const CocoCrunRun *run = key;

        coco_child_forget(run->child);
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
        return NULL;
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

/* A pid namespace without its process 1 takes no new process ("cannot allocate memory") and kills
 * those it has, the runtime's own child among them, of which crun 1.8 says nothing. Its other words
 * are of the process that it joins. */
bool
coco_crun_may_be_the_end(const char *text)
{
    static const char *const words[] = {
        SILENT, "fork: Cannot allocate memory", "fail startup", "is not running", "to sync socket",
        "/ns/",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (strstr(text, words[i]) != NULL)
            return true;
    }
    return false;
}

/* What it said, or else how it ended. */
static GError *
run_error(const CocoCrunRun *run, const CocoChildEnd *end)
{
    g_autofree char *how = coco_child_end_text(end);
    g_autofree char *log = how != NULL ? coco_crun_error_text(end->output) : NULL;
    CocoTtrpcCode code = COCO_TTRPC_INTERNAL;

    if (how == NULL)
        return NULL;
    if (end->cancelled)
        code = COCO_TTRPC_CANCELLED;
    else if (end->timed_out)
        code = COCO_TTRPC_DEADLINE_EXCEEDED;
    else if (log != NULL && WIFEXITED(end->wait_status))
        return g_error_new(COCO_TTRPC_ERROR, (int) code, "crun %s: %s", run->verb, log);
    return g_error_new(COCO_TTRPC_ERROR, (int) code, "crun %s: %s%s%s", run->verb, how,
                       log != NULL ? "; it said: " : ", " SILENT, log != NULL ? log : "");
}

static void
on_end(const CocoChildEnd *end, void *user_data)
{
    CocoCrunRun *run = user_data;
    g_autoptr(GError) error = run_error(run, end);
    CocoCrunDone done = run->done;
    void *done_data = run->user_data;

    coco_trace_end(run->trace_begin, "crun", run->verb);
    g_hash_table_remove(run->crun->runs, run);
    done(error, done_data);
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

static CocoChild *
start(CocoCrun *crun, const char *const *args, const CocoChildFd *fds, size_t n_fds,
      CocoCrunRun *run, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    CocoChildJob job = {
        .fds = fds,
        .n_fds = n_fds,
        .output = LOG_FD,
        .output_max = LOG_TAIL,
        .deadline_s = CRUN_TIMEOUT_S,
        /* Ours must not become that of containers: crun leaves it alone where a spec says 0, and
         * always for exec. */
        .oom_score = getpid() == 1 ? "0" : NULL,
    };

    g_ptr_array_add(argv, crun->program);
    g_ptr_array_add(argv, (char *) (uintptr_t) "--cgroup-manager=cgroupfs");
    g_ptr_array_add(argv, crun->root_option);
    g_ptr_array_add(argv, (char *) (uintptr_t) "--log=file:/proc/self/fd/3");
    for (size_t i = 0; args[i] != NULL; i++)
        g_ptr_array_add(argv, (char *) (uintptr_t) args[i]);
    g_ptr_array_add(argv, NULL);
    job.argv = (const char *const *) argv->pdata;
    return coco_child_run(crun->reaper, &job, on_end, run, error);
}

CocoCrunRun *
coco_crun_run(CocoCrun *crun, const char *const *args, const int *stdio, const char *input,
              CocoCrunDone done, void *user_data, GError **error)
{
    g_auto(CocoFd) input_fd = memory_file("crun-input", input, error);
    const CocoChildFd fds[] = {
        { stdio != NULL ? stdio[0] : -1, 0 },
        { stdio != NULL ? stdio[1] : -1, 1 },
        { stdio != NULL ? stdio[2] : -1, 2 },
        { input_fd, INPUT_FD },
    };
    CocoCrunRun *run;

    if (input_fd < 0)
        return NULL;
    run = g_new0(CocoCrunRun, 1);
    run->crun = crun;
    run->verb = g_strdup(args[0]);
    run->trace_begin = coco_trace_begin();
    run->done = done;
    run->user_data = user_data;
    run->child = start(crun, args, fds, G_N_ELEMENTS(fds), run, error);
    if (run->child == NULL) {
        run_free(run);
        return NULL;
    }
    g_hash_table_add(crun->runs, run);
    return run;
}

void
coco_crun_cancel(CocoCrunRun *run)
{
    coco_child_cancel(run->child);
}
