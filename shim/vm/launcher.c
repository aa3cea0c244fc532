// SPDX-License-Identifier: Apache-2.0
/*
 * One run of coco-vmm as a child: start, lines of JSON in, exit status, deadline.
 *
 * The launcher gets PR_SET_PDEATHSIG: a shim that is killed takes it along, and what it had started
 * by then is found in the pod's cgroup (pod-dir-kill.c), into which it is put before it runs.
 */
#include "shim/vm/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <glib-unix.h>
#include <json-c/json.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "shim/host/pod-cgroup.h"

#define LINE_MAX_BYTES (64 * 1024)
#define NEEDS_MAX_BYTES (64 * 1024)
#define VCPUS_MAX 65536
#define FIRST_TIMEOUT_MS 12000 /* until the config line, the first thing a launcher says */
#define LAUNCH_TIMEOUT_MS 120000
#define SLACK_MS 5000 /* the launcher's own deadline comes first: its error says more */
#define DEFAULT_AGENT_TIMEOUT_MS 30000

struct _CocoLauncher {
    GTask *task; /* which owns this */
    pid_t pid;
    int input; /* where it waits for what the VM gets; -1: told */
    int output;
    unsigned int output_source;
    unsigned int timeout_source;
    unsigned long cancelled_handler;
    GString *line;
    GString *phases;
    CocoLaunchResult *result;
    GError *error; /* first thing that went wrong */
    char *program;
    CocoLauncherVerb verb;
    unsigned int timeout_ms; /* of the launch; 0: the config line has not come */
    int status;
    bool exited;
    bool answered;                    /* a result line came */
    CocoLauncherConfigFunc on_config; /* nullable; once */
    void *config_data;
};

typedef CocoLauncher Run;

void
coco_launch_result_free(CocoLaunchResult *result)
{
    if (result == NULL)
        return;
    g_free(result->agent);
    g_free(result->console);
    g_free(result->summary);
    g_free(result->phases);
    g_strfreev(result->disks);
    g_strfreev(result->nics);
    g_free(result->measurement);
    g_free(result);
}

static void
run_free(void *data)
{
    Run *run = data;

    g_clear_handle_id(&run->output_source, g_source_remove);
    g_clear_handle_id(&run->timeout_source, g_source_remove);
    coco_fd_clear(&run->input);
    coco_fd_clear(&run->output);
    g_string_free(run->line, TRUE);
    g_string_free(run->phases, TRUE);
    coco_launch_result_free(run->result);
    g_clear_error(&run->error);
    g_free(run->program);
    g_free(run);
}

static const char *
member_string(struct json_object *object, const char *key)
{
    struct json_object *value = json_object_object_get(object, key);

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

/* The texts of a list; what is no text is "". */
static char **
member_strings(struct json_object *object, const char *key)
{
    struct json_object *list = json_object_object_get(object, key);
    g_autoptr(GStrvBuilder) texts = g_strv_builder_new();
    size_t n = json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < n; i++) {
        struct json_object *text = json_object_array_get_idx(list, i);

        g_strv_builder_add(
            texts, json_object_is_type(text, json_type_string) ? json_object_get_string(text) : "");
    }
    return g_strv_builder_end(texts);
}

/* The text of an object, or NULL. */
static char *
member_object(struct json_object *object, const char *key)
{
    struct json_object *value = json_object_object_get(object, key);

    return json_object_is_type(value, json_type_object)
               ? g_strdup(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN))
               : NULL;
}

static int64_t
member_int(struct json_object *object, const char *key, int64_t fallback)
{
    struct json_object *value = json_object_object_get(object, key);

    return value != NULL ? json_object_get_int64(value) : fallback;
}

static CocoTtrpcCode
code_from_name(const char *name)
{
    static const struct {
        const char *name;
        CocoTtrpcCode code;
    } codes[] = {
        { "bad-config", COCO_TTRPC_INVALID_ARGUMENT }, { "no-tee", COCO_TTRPC_FAILED_PRECONDITION },
        { "busy", COCO_TTRPC_ALREADY_EXISTS },         { "timeout", COCO_TTRPC_DEADLINE_EXCEEDED },
        { "guest-gone", COCO_TTRPC_UNAVAILABLE },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        if (strcmp(codes[i].name, name) == 0)
            return codes[i].code;
    }
    return COCO_TTRPC_UNKNOWN;
}

static void
take_result(Run *run, struct json_object *object)
{
    CocoLaunchResult *result = run->result;

    run->answered = true;
    if (!json_object_get_boolean(json_object_object_get(object, "ok"))) {
        if (run->error == NULL)
            g_set_error(&run->error, COCO_TTRPC_ERROR,
                        (int) code_from_name(member_string(object, "code")), "%s",
                        member_string(object, "message"));
        return;
    }
    result->vm_pid = (pid_t) member_int(object, "pid", 0);
    result->virtiofsd_pid = (pid_t) member_int(object, "virtiofsd_pid", 0);
    result->console_pid = (pid_t) member_int(object, "console_pid", 0);
    result->agent = g_strdup(member_string(object, "agent"));
    result->console = g_strdup(member_string(object, "console"));
    result->disks = member_strings(object, "disks");
    result->nics = member_strings(object, "nics");
    result->slots = (unsigned int) CLAMP(member_int(object, "slots", 0), 0, UINT8_MAX);
    result->measurement = member_object(object, "measurement");
}

static gboolean
on_deadline(void *user_data)
{
    Run *run = g_task_get_task_data(user_data);

    run->timeout_source = 0;
    if (run->error == NULL)
        g_set_error(&run->error, COCO_TTRPC_ERROR, COCO_TTRPC_DEADLINE_EXCEEDED,
                    "launcher '%s' did not finish in time and was ended", run->program);
    (void) kill(run->pid, SIGKILL);
    return G_SOURCE_REMOVE;
}

static void
set_deadline(GTask *task, unsigned int milliseconds)
{
    Run *run = g_task_get_task_data(task);

    g_clear_handle_id(&run->timeout_source, g_source_remove);
    run->timeout_source = g_timeout_add(milliseconds, on_deadline, task);
}

static void
take_config(GTask *task, struct json_object *object)
{
    Run *run = g_task_get_task_data(task);
    int64_t timeout = member_int(object, "launch_timeout_ms", LAUNCH_TIMEOUT_MS);

    run->result->agent_timeout_us =
        member_int(object, "agent_timeout_ms", DEFAULT_AGENT_TIMEOUT_MS) * 1000;
    run->result->summary =
        g_strdup_printf("tee %s, accel %s: %s, transport %s: %s, rootfs %s",
                        member_string(object, "tee"), member_string(object, "accel"),
                        member_string(object, "accel_reason"), member_string(object, "transport"),
                        member_string(object, "transport_reason"), member_string(object, "rootfs"));
    run->timeout_ms = (unsigned int) CLAMP(timeout, 1000, 3600000) + SLACK_MS;
    g_clear_handle_id(&run->timeout_source, g_source_remove);
    /* While it waits for us it takes no time of its own: the pod's is bounded (pod.h, idle_ms). */
    if (!run->exited && run->input < 0)
        set_deadline(task, run->timeout_ms);
    if (run->on_config != NULL) {
        const CocoLauncherFacts facts = {
            .network = member_string(object, "network"),
            .vcpus = (unsigned int) CLAMP(member_int(object, "vcpus", 1), 1, VCPUS_MAX),
            .max_vcpus = (unsigned int) CLAMP(member_int(object, "max_vcpus", 1), 1, VCPUS_MAX),
        };

        run->on_config(&facts, run->config_data);
    }
}

static void
take_line(GTask *task, const char *line)
{
    Run *run = g_task_get_task_data(task);
    struct json_object *object = json_tokener_parse(line);
    const char *event =
        json_object_is_type(object, json_type_object) ? member_string(object, "event") : "";

    if (strcmp(event, "config") == 0 && run->result->summary == NULL)
        take_config(task, object);
    else if (strcmp(event, "phase") == 0)
        g_string_append_printf(run->phases, "%s%s %.0f ms", run->phases->len > 0 ? ", " : "",
                               member_string(object, "name"),
                               json_object_get_double(json_object_object_get(object, "ms")));
    else if (strcmp(event, "result") == 0 && !run->answered)
        take_result(run, object);
    (void) json_object_put(object);
}

static void
check_result(Run *run)
{
    if (run->error != NULL)
        return;
    if (!run->answered && WIFSIGNALED(run->status))
        g_set_error(&run->error, COCO_TTRPC_ERROR, COCO_TTRPC_UNKNOWN,
                    "launcher '%s' was killed by signal %d", run->program, WTERMSIG(run->status));
    else if (!run->answered)
        g_set_error(&run->error, COCO_TTRPC_ERROR, COCO_TTRPC_UNKNOWN,
                    "launcher '%s' ended with status %d and no result", run->program,
                    WEXITSTATUS(run->status));
    else if (run->verb == COCO_LAUNCHER_LAUNCH &&
             (run->result->vm_pid <= 1 || run->result->agent == NULL ||
              run->result->agent[0] == '\0'))
        g_set_error(&run->error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL,
                    "launcher '%s' gave a result without a VM", run->program);
}

/* Ends the run. Output that came before the exit is in the pipe and read first; its end is not
 * waited for, because a process that the launcher left behind might hold the other end. */
static void
finish(GTask *task)
{
    Run *run = g_task_get_task_data(task);

    g_clear_handle_id(&run->timeout_source, g_source_remove);
    g_clear_handle_id(&run->output_source, g_source_remove);
    if (run->cancelled_handler != 0)
        g_signal_handler_disconnect(g_task_get_cancellable(task), run->cancelled_handler);
    check_result(run);
    run->result->phases = g_strdup(run->phases->str);
    if (run->error != NULL)
        g_task_return_error(task, g_steal_pointer(&run->error));
    else
        g_task_return_pointer(task, g_steal_pointer(&run->result),
                              (GDestroyNotify) coco_launch_result_free);
    g_object_unref(task);
}

static void
take_output(GTask *task, const char *data, size_t length)
{
    Run *run = g_task_get_task_data(task);

    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\n') {
            take_line(task, run->line->str);
            g_string_truncate(run->line, 0);
        } else if (run->line->len < LINE_MAX_BYTES) {
            g_string_append_c(run->line, data[i]);
        }
    }
}

/* TRUE while there may be more. */
static bool
read_output(GTask *task)
{
    Run *run = g_task_get_task_data(task);
    char buffer[4096];
    ssize_t n = read(run->output, buffer, sizeof(buffer));

    if (n > 0)
        take_output(task, buffer, (size_t) n);
    return n > 0 || (n < 0 && errno == EINTR);
}

static gboolean
on_output_ready(int fd, GIOCondition condition, void *user_data)
{
    Run *run = g_task_get_task_data(user_data);

    errno = 0;
    if (read_output(user_data) || errno == EAGAIN)
        return G_SOURCE_CONTINUE;
    run->output_source = 0;
    return G_SOURCE_REMOVE;
}

static void
on_launcher_exit(pid_t pid, int status, void *user_data)
{
    Run *run = g_task_get_task_data(user_data);

    run->exited = true;
    run->status = status;
    while (read_output(user_data))
        ;
    finish(user_data);
}

static void
on_cancelled(GCancellable *cancellable, void *user_data)
{
    Run *run = g_task_get_task_data(user_data);

    if (run->error == NULL)
        g_set_error(&run->error, COCO_TTRPC_ERROR, COCO_TTRPC_CANCELLED,
                    "the launch was called off");
    if (!run->exited)
        (void) kill(run->pid, SIGKILL);
}

/* Only async-signal-safe calls: between fork and exec. gate: a byte there says go. */
static void
exec_launcher(int input, int output, int gate, char *const argv[])
{
    char byte;

    coco_signals_reset_in_child();
    (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (read(gate, &byte, 1) == 1 && setpgid(0, 0) == 0 && dup2(input, STDIN_FILENO) >= 0 &&
        dup2(output, STDOUT_FILENO) >= 0)
        (void) execv(argv[0], argv);
    _exit(127);
}

static bool
make_pipe(int *out_read_end, int *out_write_end, int flags)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | flags) != 0)
        return false;
    *out_read_end = ends[0];
    *out_write_end = ends[1];
    return true;
}

/* Descriptors go over a socket only. */
static bool
make_sockets(int *out_read_end, int *out_write_end)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return false;
    *out_read_end = ends[0];
    *out_write_end = ends[1];
    return true;
}

/* (transfer container) */
static GPtrArray *
arguments_of(const CocoLauncherCommand *command)
{
    static const char *const verbs[] = { "launch", "attach", "detach" };
    GPtrArray *argv = g_ptr_array_new();
    const char *const fixed[] = { command->program, verbs[command->verb], "--run-dir",
                                  command->run_dir };

    G_STATIC_ASSERT(G_N_ELEMENTS(verbs) == COCO_N_LAUNCHER_VERBS);
    for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++)
        g_ptr_array_add(argv, (char *) fixed[i]);
    if (command->verb == COCO_LAUNCHER_LAUNCH) {
        g_ptr_array_add(argv, (char *) "--config");
        g_ptr_array_add(argv, (char *) command->config);
        g_ptr_array_add(argv, (char *) "--wait");
        g_ptr_array_add(argv, (char *) "--share");
        g_ptr_array_add(argv, (char *) command->share);
    }
    if (command->annotations != NULL) {
        g_ptr_array_add(argv, (char *) "--annotations");
        g_ptr_array_add(argv, (char *) command->annotations);
    }
    if (command->initdata != NULL) {
        g_ptr_array_add(argv, (char *) "--initdata-annotation");
        g_ptr_array_add(argv, (char *) command->initdata);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(command->tees); i++) {
        if (command->tees[i] != NULL) {
            g_ptr_array_add(argv, (char *) "--require-tee");
            g_ptr_array_add(argv, (char *) command->tees[i]);
        }
    }
    for (size_t i = 0; command->places != NULL && command->places[i] != NULL; i++) {
        g_ptr_array_add(argv, (char *) "--device");
        g_ptr_array_add(argv, command->places[i]);
    }
    g_ptr_array_add(argv, NULL);
    return argv;
}

/* The launcher waits at the gate until it is in its cgroup: so is all that it starts. */
static pid_t
fork_launcher(const char *run_dir, int input_end, int output_end, char *const argv[],
              GError **error)
{
    g_auto(CocoFd) gate = -1;
    g_auto(CocoFd) key = -1;
    pid_t pid;

    if (!make_pipe(&gate, &key, 0)) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_RESOURCE_EXHAUSTED, "make a pipe: %s",
                    g_strerror(errno));
        return -1;
    }
    pid = fork();
    if (pid == 0) {
        coco_fd_clear(&key);
        exec_launcher(input_end, output_end, gate, argv);
    }
    if (pid < 0) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_RESOURCE_EXHAUSTED, "fork: %s",
                    g_strerror(errno));
        return -1;
    }
    if (!coco_pod_cgroup_admit(run_dir, pid, error)) {
        coco_fd_clear(&key); /* it ends */
        (void) waitpid(pid, NULL, 0);
        return -1;
    }
    (void) !write(key, "", 1);
    return pid;
}

static pid_t
spawn(const CocoLauncherCommand *command, int *out_input, int *out_output, GError **error)
{
    g_autoptr(GPtrArray) argv = arguments_of(command);
    g_auto(CocoFd) input = -1;
    g_auto(CocoFd) input_end = -1;
    g_auto(CocoFd) output = -1;
    g_auto(CocoFd) output_end = -1;
    pid_t pid;

    if (access(command->program, X_OK) != 0 || !make_sockets(&input_end, &input) ||
        !make_pipe(&output, &output_end, O_NONBLOCK)) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_FAILED_PRECONDITION,
                    "run launcher '%s': %s", command->program, g_strerror(errno));
        return -1;
    }
    /* The launcher's own ends block. */
    (void) fcntl(output_end, F_SETFL, 0);
    (void) fcntl(input_end, F_SETFL, 0);
    pid =
        fork_launcher(command->run_dir, input_end, output_end, (char *const *) argv->pdata, error);
    if (pid < 0) {
        g_prefix_error(error, "run launcher '%s': ", command->program);
        return -1;
    }
    *out_input = coco_fd_steal(&input);
    *out_output = coco_fd_steal(&output);
    return pid;
}

CocoLauncher *
coco_launcher_run_async(const CocoLauncherCommand *command, CocoSignals *signals,
                        GCancellable *cancellable, GAsyncReadyCallback callback, void *user_data)
{
    GTask *task = g_task_new(NULL, cancellable, callback, user_data);
    Run *run = g_new0(Run, 1);

    g_task_set_check_cancellable(task, FALSE);
    run->task = task;
    run->input = -1;
    run->output = -1;
    run->line = g_string_new(NULL);
    run->phases = g_string_new(NULL);
    run->result = g_new0(CocoLaunchResult, 1);
    run->result->agent_timeout_us = (int64_t) DEFAULT_AGENT_TIMEOUT_MS * 1000;
    run->program = g_strdup(command->program);
    run->verb = command->verb;
    run->on_config = command->on_config;
    run->config_data = command->config_data;
    g_task_set_task_data(task, run, run_free);
    run->pid = spawn(command, &run->input, &run->output, &run->error);
    if (run->pid < 0) {
        g_task_return_error(task, g_steal_pointer(&run->error));
        g_object_unref(task);
        return NULL;
    }
    if (run->verb == COCO_LAUNCHER_DETACH)
        coco_fd_clear(&run->input); /* there is nothing to tell */
    coco_signals_watch_child(signals, run->pid, on_launcher_exit, task);
    run->output_source = g_unix_fd_add(run->output, G_IO_IN | G_IO_HUP, on_output_ready, task);
    set_deadline(task, FIRST_TIMEOUT_MS);
    if (cancellable != NULL)
        run->cancelled_handler =
            g_signal_connect(cancellable, "cancelled", G_CALLBACK(on_cancelled), task);
    return run;
}

/* The line and the descriptors in one message: nothing of it comes without the other. */
static bool
send_line(int socket, const char *line, size_t length, const GArray *fds)
{
    size_t size = sizeof(int) * fds->len;
    g_autofree char *control = g_malloc0(CMSG_SPACE(size));
    struct iovec bytes = { .iov_base = (void *) line, .iov_len = length };
    struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1 };

    if (size > 0) {
        struct cmsghdr *header;

        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(size);
        header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(header), fds->data, size);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL) == (ssize_t) length;
}

bool
coco_launcher_send(CocoLauncher *launcher, const CocoLaunchNeeds *needs, GError **error)
{
    g_autofree char *line = coco_launch_needs_line(needs);
    g_autoptr(GArray) fds = coco_launch_needs_descriptors(needs);
    g_auto(CocoFd) input = coco_fd_steal(&launcher->input);
    size_t length = strlen(line);

    /* So much fits into a socket that nobody has read from yet. */
    if (length > NEEDS_MAX_BYTES) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "the paths of %zu disks are too long", needs->n_disks);
        return false;
    }
    if (launcher->timeout_ms > 0 && !launcher->exited)
        set_deadline(launcher->task, launcher->timeout_ms);
    if (!send_line(input, line, length, fds))
        g_debug("launcher '%s' takes no request: %s", launcher->program, g_strerror(errno));
    return true;
}

CocoLaunchResult *
coco_launcher_run_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}

char *
coco_launcher_find_program(void)
{
    const char *chosen = g_getenv("COCO_VMM");
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *directory = g_path_get_dirname(self != NULL ? self : "/");
    g_autofree char *beside = g_build_filename(directory, "coco-vmm", NULL);

    if (chosen != NULL && chosen[0] == '/')
        return g_strdup(chosen);
    return access(beside, X_OK) == 0 ? g_steal_pointer(&beside) : g_strdup(COCO_VMM_PROGRAM);
}
