// SPDX-License-Identifier: Apache-2.0
/*
 * Parsing the URI, starting the program, its word that it is ready, and its end, which signals.c
 * collects with all others'.
 *
 * A program that dies closes descriptor 5 as well, and that must not pass for being ready. The
 * kernel marks a process as exiting before it closes its descriptors, so at the end of that pipe
 * the mark tells one from the other; then its exit status, which comes soon, decides: a driver may
 * go to the background by leaving a child behind.
 */
#include "shim/stdio/log-driver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib-unix.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

#define SCHEME "binary://"
#define SCHEME_V2 "binary-v2://"
#define PARAMETERS_MAX 256
#define PF_EXITING 0x4 /* of the flags in /proc/PID/stat; the kernel exports no header for it */

enum {
    STDOUT,
    STDERR,
    READY,
    N_PIPES
};

struct _CocoLogDriver {
    char *program;
    pid_t pid;
    bool gone; /* collected, with wait_status */
    int wait_status;
    bool needs_byte;
    CocoLogDriverReadyFunc on_ready; /* NULL when it has run, or must not */
    void *ready_data;
    CocoFd ready_fd; /* -1: its end was seen */
    unsigned int ready_source;
    unsigned int ready_timeout;
    bool ending;
    CocoLogDriverEndedFunc on_ended;
    void *ended_data;
    unsigned int term_timeout;
};

typedef struct {
    CocoFd driver[N_PIPES]; /* what the driver gets as 3, 4, 5 */
    CocoFd ours[N_PIPES];
} Pipes;

static void
pipes_clear(Pipes *pipes)
{
    for (unsigned int i = 0; i < N_PIPES; i++) {
        coco_fd_clear(&pipes->driver[i]);
        coco_fd_clear(&pipes->ours[i]);
    }
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pipes, pipes_clear)

bool
coco_log_driver_is_named(const char *uri)
{
    return g_str_has_prefix(uri, SCHEME) || g_str_has_prefix(uri, SCHEME_V2);
}

/* The command line. NULL when the URI is none of ours. */
static char **
parse(const char *uri)
{
    const char *path = strstr(uri, "://") + strlen("://");
    const char *query = strchr(path, '?');
    g_autofree char *escaped = query != NULL ? g_strndup(path, (size_t) (query - path)) : NULL;
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
    g_autofree char *program = g_uri_unescape_string(escaped != NULL ? escaped : path, NULL);
    GUriParamsIter parameters;
    char *key;
    char *value;

    if (program == NULL || program[0] != '/')
        return NULL;
    g_strv_builder_add(argv, program);
    g_uri_params_iter_init(&parameters, query != NULL ? query + 1 : "", -1, "&",
                           G_URI_PARAMS_WWW_FORM);
    for (unsigned int i = 0; i < PARAMETERS_MAX; i++) {
        if (!g_uri_params_iter_next(&parameters, &key, &value, NULL))
            break;
        g_strv_builder_add(argv, key);
        g_strv_builder_add(argv, value);
        g_free(key);
        g_free(value);
    }
    return g_strv_builder_end(argv);
}

static bool
open_pipes(Pipes *pipes, GError **error)
{
    for (unsigned int i = 0; i < N_PIPES; i++) {
        int ends[2];

        if (!g_unix_open_pipe(ends, FD_CLOEXEC, error))
            return false;
        pipes->driver[i] = i == READY ? ends[1] : ends[0];
        pipes->ours[i] = i == READY ? ends[0] : ends[1];
        if (!g_unix_set_fd_nonblocking(pipes->ours[i], TRUE, error))
            return false;
    }
    return true;
}

static void
set_up_child(void *user_data)
{
    coco_signals_reset_in_child();
}

static bool
run(char **argv, const CocoLogDriverConfig *config, const Pipes *pipes, pid_t *out_pid,
    GError **error)
{
    g_autofree char *id_line = g_strconcat("CONTAINER_ID=", config->id, NULL);
    g_autofree char *ns_line = g_strconcat("CONTAINER_NAMESPACE=", config->ns, NULL);
    const char *environment[] = { id_line, ns_line, NULL };
    static const int targets[N_PIPES] = { 3, 4, 5 };

    return g_spawn_async_with_pipes_and_fds(NULL, (const char *const *) argv, environment,
                                            G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL |
                                                G_SPAWN_STDERR_TO_DEV_NULL,
                                            set_up_child, NULL, -1, -1, -1, pipes->driver, targets,
                                            N_PIPES, out_pid, NULL, NULL, NULL, error);
}

static void
stop_ready_watch(CocoLogDriver *driver)
{
    g_clear_handle_id(&driver->ready_source, g_source_remove);
    g_clear_handle_id(&driver->ready_timeout, g_source_remove);
    coco_fd_clear(&driver->ready_fd);
}

/* error: (transfer full), NULL for ready */
static void
report_ready(CocoLogDriver *driver, GError *error)
{
    g_autoptr(GError) failure = error;
    CocoLogDriverReadyFunc func = driver->on_ready;

    stop_ready_watch(driver);
    driver->on_ready = NULL;
    if (func != NULL)
        func(failure, driver->ready_data);
}

static GError *
not_ready(const CocoLogDriver *driver, const char *why)
{
    return g_error_new(COCO_TTRPC_ERROR, COCO_TTRPC_UNKNOWN, "start logging driver '%s': %s",
                       driver->program, why);
}

static GError *
describe_failure(const CocoLogDriver *driver)
{
    g_autofree char *why = WIFSIGNALED(driver->wait_status)
                               ? g_strdup_printf("ended by signal %d before it was ready",
                                                 WTERMSIG(driver->wait_status))
                               : g_strdup_printf("ended with status %d before it was ready",
                                                 WEXITSTATUS(driver->wait_status));

    return not_ready(driver, why);
}

static void
driver_free(CocoLogDriver *driver)
{
    stop_ready_watch(driver);
    g_clear_handle_id(&driver->term_timeout, g_source_remove);
    g_free(driver->program);
    g_free(driver);
}

static void
finish(CocoLogDriver *driver)
{
    CocoLogDriverEndedFunc func = driver->on_ended;
    void *user_data = driver->ended_data;

    driver_free(driver);
    if (func != NULL)
        func(user_data);
}

static void
on_child_end(pid_t pid, int wait_status, void *user_data)
{
    CocoLogDriver *driver = user_data;
    bool failed = !WIFEXITED(wait_status) || WEXITSTATUS(wait_status) != 0;

    driver->gone = true;
    driver->wait_status = wait_status;
    if (driver->ending)
        finish(driver);
    else if (driver->on_ready != NULL && failed)
        report_ready(driver, describe_failure(driver));
    else if (driver->on_ready != NULL && driver->ready_fd < 0)
        report_ready(driver, NULL);
}

/* pid is not collected yet, so it is nobody else's. */
static bool
is_exiting(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", pid);
    g_autofree char *text = NULL;
    const char *after_name;
    unsigned int flags = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return false;
    after_name = strrchr(text, ')');
    return after_name != NULL && sscanf(after_name, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
           (flags & PF_EXITING) != 0;
}

static gboolean
on_ready_pipe(int fd, GIOCondition condition, void *user_data)
{
    CocoLogDriver *driver = user_data;
    char byte;
    ssize_t n = read(fd, &byte, 1);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return G_SOURCE_CONTINUE;
    driver->ready_source = 0;
    coco_fd_clear(&driver->ready_fd);
    if (n <= 0 && driver->needs_byte)
        report_ready(driver, not_ready(driver, "ended, or closed its descriptor 5, before it said "
                                               "that it is ready"));
    else if (n > 0 || driver->gone || !is_exiting(driver->pid))
        report_ready(driver, NULL);
    return G_SOURCE_REMOVE;
}

static gboolean
on_ready_timeout(void *user_data)
{
    CocoLogDriver *driver = user_data;
    g_autofree char *why = g_strdup_printf("did not say that it is ready within %d s",
                                           COCO_LOG_DRIVER_READY_MS / 1000);

    driver->ready_timeout = 0;
    report_ready(driver, not_ready(driver, why));
    return G_SOURCE_REMOVE;
}

static CocoLogDriver *
new_driver(const CocoLogDriverConfig *config, const char *program, pid_t pid, int ready_fd)
{
    CocoLogDriver *driver = g_new0(CocoLogDriver, 1);

    driver->program = g_strdup(program);
    driver->pid = pid;
    driver->needs_byte = g_str_has_prefix(config->uri, SCHEME_V2);
    driver->on_ready = config->on_ready;
    driver->ready_data = config->user_data;
    driver->ready_fd = ready_fd;
    driver->ready_source = g_unix_fd_add(ready_fd, G_IO_IN | G_IO_HUP, on_ready_pipe, driver);
    driver->ready_timeout = g_timeout_add(COCO_LOG_DRIVER_READY_MS, on_ready_timeout, driver);
    coco_signals_watch_child(config->signals, pid, on_child_end, driver);
    return driver;
}

CocoLogDriver *
coco_log_driver_start(const CocoLogDriverConfig *config, int *out_stdout, int *out_stderr,
                      GError **error)
{
    g_auto(GStrv) argv = parse(config->uri);
    g_auto(Pipes) pipes = { .driver = { -1, -1, -1 }, .ours = { -1, -1, -1 } };
    g_autoptr(GError) failure = NULL;
    pid_t pid = 0;

    if (argv == NULL) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "logging driver '%s': not an absolute path", config->uri);
        return NULL;
    }
    if (!open_pipes(&pipes, &failure) || !run(argv, config, &pipes, &pid, &failure)) {
        g_set_error(error, COCO_TTRPC_ERROR,
                    g_error_matches(failure, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT)
                        ? COCO_TTRPC_NOT_FOUND
                        : COCO_TTRPC_UNKNOWN,
                    "start logging driver '%s': %s", argv[0], failure->message);
        return NULL;
    }
    *out_stdout = coco_fd_steal(&pipes.ours[STDOUT]);
    *out_stderr = coco_fd_steal(&pipes.ours[STDERR]);
    return new_driver(config, argv[0], pid, coco_fd_steal(&pipes.ours[READY]));
}

static gboolean
on_term_timeout(void *user_data)
{
    CocoLogDriver *driver = user_data;

    driver->term_timeout = 0;
    g_warning("logging driver '%s' did not end within %d ms and is killed", driver->program,
              COCO_LOG_DRIVER_TERM_MS);
    (void) kill(driver->pid, SIGKILL);
    return G_SOURCE_REMOVE;
}

void
coco_log_driver_end(CocoLogDriver *driver, CocoLogDriverEndedFunc func, void *user_data)
{
    if (driver == NULL) {
        if (func != NULL)
            func(user_data);
        return;
    }
    if (driver->on_ready != NULL)
        report_ready(driver, not_ready(driver, "its process was deleted before it was ready"));
    driver->ending = true;
    driver->on_ended = func;
    driver->ended_data = user_data;
    if (driver->gone) {
        finish(driver);
        return;
    }
    (void) kill(driver->pid, SIGTERM);
    driver->term_timeout = g_timeout_add(COCO_LOG_DRIVER_TERM_MS, on_term_timeout, driver);
}
