// SPDX-License-Identifier: Apache-2.0
/*
 * Parsing the URI and starting the program. Its end is collected by signals.c with all others'.
 */
#include "shim/log-driver.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib-unix.h>

#include "guest-protocol/fd.h"
#include "guest-protocol/ttrpc-error.h"
#include "shim/signals.h"

#define SCHEME "binary://"
#define PARAMETERS_MAX 256

enum {
    STDOUT,
    STDERR,
    READY,
    N_PIPES
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
    return g_str_has_prefix(uri, SCHEME);
}

/* The command line. NULL when the URI is none of ours. */
static char **
parse(const char *uri)
{
    const char *path = uri + strlen(SCHEME);
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

static gboolean
on_ready(int fd, GIOCondition condition, void *user_data)
{
    coco_fd_close(fd);
    return G_SOURCE_REMOVE;
}

static void
set_up_child(void *user_data)
{
    coco_signals_reset_in_child();
}

static bool
run(char **argv, const char *id, const char *ns, const Pipes *pipes, GError **error)
{
    g_autofree char *id_line = g_strconcat("CONTAINER_ID=", id, NULL);
    g_autofree char *ns_line = g_strconcat("CONTAINER_NAMESPACE=", ns, NULL);
    const char *environment[] = { id_line, ns_line, NULL };
    static const int targets[N_PIPES] = { 3, 4, 5 };

    return g_spawn_async_with_pipes_and_fds(NULL, (const char *const *) argv, environment,
                                            G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL |
                                                G_SPAWN_STDERR_TO_DEV_NULL,
                                            set_up_child, NULL, -1, -1, -1, pipes->driver, targets,
                                            N_PIPES, NULL, NULL, NULL, NULL, error);
}

bool
coco_log_driver_start(const char *uri, const char *id, const char *ns, int *out_stdout,
                      int *out_stderr, GError **error)
{
    g_auto(GStrv) argv = parse(uri);
    g_auto(Pipes) pipes = { .driver = { -1, -1, -1 }, .ours = { -1, -1, -1 } };
    g_autoptr(GError) failure = NULL;

    if (argv == NULL) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                    "logging driver '%s': not an absolute path", uri);
        return false;
    }
    if (!open_pipes(&pipes, &failure) || !run(argv, id, ns, &pipes, &failure)) {
        g_set_error(error, COCO_TTRPC_ERROR,
                    g_error_matches(failure, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT)
                        ? COCO_TTRPC_NOT_FOUND
                        : COCO_TTRPC_UNKNOWN,
                    "start logging driver '%s': %s", argv[0], failure->message);
        return false;
    }
    (void) g_unix_fd_add(coco_fd_steal(&pipes.ours[READY]), G_IO_IN | G_IO_HUP, on_ready, NULL);
    *out_stdout = coco_fd_steal(&pipes.ours[STDOUT]);
    *out_stderr = coco_fd_steal(&pipes.ours[STDERR]);
    return true;
}
