// SPDX-License-Identifier: Apache-2.0
/*
 * What `crun create` and `crun exec` have in common: streams or a terminal for the new process, the
 * runtime in flight, and taking over the process when the runtime has gone.
 *
 * The terminal comes over a socket that the runtime connects to and writes its descriptor into
 * before it exits, so it is simply there when the exit is seen, and needs no source of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/container/container-private.h"

CocoVerb *
coco_verb_new(CocoGuestContainer *container, CocoGuestProcess *process, CocoGuestContainerDone done,
              void *user_data)
{
    CocoVerb *verb = g_new0(CocoVerb, 1);

    verb->container = coco_guest_container_ref(container);
    verb->process = process != NULL ? coco_guest_process_ref(process) : NULL;
    verb->console_listener = -1;
    verb->done = done;
    verb->user_data = user_data;
    return verb;
}

void
coco_verb_end(CocoVerb *verb, const GError *error)
{
    verb->done(error, verb->user_data);
    if (verb->console_path != NULL)
        (void) unlink(verb->console_path);
    if (verb->pid_file != NULL)
        (void) unlink(verb->pid_file);
    coco_fd_clear(&verb->console_listener);
    g_free(verb->console_path);
    g_free(verb->pid_file);
    g_clear_error(&verb->failure);
    g_clear_pointer(&verb->process, coco_guest_process_unref);
    coco_guest_container_unref(verb->container);
    g_free(verb);
}

void
coco_verb_fail(CocoVerb *verb, CocoTtrpcCode code, const char *format, ...)
{
    va_list arguments;
    g_autoptr(GError) error = NULL;

    va_start(arguments, format);
    error = g_error_new_valist(COCO_TTRPC_ERROR, (int) code, format, arguments);
    va_end(arguments);
    coco_verb_end(verb, error);
}

static bool
fail_errno(const char *what, GError **error)
{
    return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "%s: %s", what, g_strerror(errno));
}

/* Paths of sockets are short, ids are not: so the name is the descriptor's number, which is unique.
 */
static bool
listen_for_console(CocoVerb *verb, GError **error)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    g_auto(CocoFd) fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return fail_errno("make console socket", error);
    verb->console_path =
        g_strdup_printf("%s/console-%d", coco_layout_get_state(verb->container->host->layout), fd);
    if (g_strlcpy(address.sun_path, verb->console_path, sizeof address.sun_path) >=
        sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return fail_errno("make console socket", error);
    }
    (void) unlink(verb->console_path);
    if (bind(fd, (const struct sockaddr *) &address, sizeof address) < 0 || listen(fd, 1) < 0)
        return fail_errno("make console socket", error);
    verb->console_listener = coco_fd_steal(&fd);
    return true;
}

static int
receive_console(int listener, GError **error)
{
    char byte[64];
    struct iovec data = { byte, sizeof byte };
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    g_auto(CocoFd) peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    const struct cmsghdr *header;
    int master;

    if (peer < 0 || recvmsg(peer, &message, MSG_CMSG_CLOEXEC) < 0) {
        (void) fail_errno("receive terminal from crun", error);
        return -1;
    }
    header = CMSG_FIRSTHDR(&message);
    if (header == NULL || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(sizeof master)) {
        errno = EPROTO;
        (void) fail_errno("receive terminal from crun", error);
        return -1;
    }
    memcpy(&master, CMSG_DATA(header), sizeof master);
    return master;
}

bool
coco_verb_prepare_console(CocoVerb *verb, GError **error)
{
    return !coco_guest_process_has_terminal(verb->process) || listen_for_console(verb, error);
}

bool
coco_verb_run(CocoVerb *verb, const char *const *args, const char *input, CocoCrunDone func,
              GError **error)
{
    int stdio[3] = { -1, -1, -1 };

    if (verb->process != NULL && !coco_guest_process_has_terminal(verb->process) &&
        !coco_guest_process_open_pipes(verb->process, stdio, error))
        return false;
    verb->run = coco_crun_run(verb->container->host->crun, args, stdio, input, func, verb, error);
    for (int i = 0; i < 3; i++)
        coco_fd_clear(&stdio[i]);
    return verb->run != NULL;
}

typedef struct {
    CocoGuestContainer *container;
    CocoGuestProcess *process;
} Watched;

/* Of the finished execs only the newest are kept. */
static void
keep_finished(CocoGuestContainer *container, CocoGuestProcess *process)
{
    g_queue_push_tail(&container->finished, coco_guest_process_ref(process));
    while (g_queue_get_length(&container->finished) > COCO_CONTAINER_FINISHED_MAX) {
        CocoGuestProcess *oldest = g_queue_pop_head(&container->finished);
        const char *exec_id = coco_guest_process_get_exec_id(oldest);

        if (g_hash_table_lookup(container->processes, exec_id) == oldest)
            g_hash_table_remove(container->processes, exec_id);
        coco_guest_process_unref(oldest);
    }
}

static void
on_process_exit(pid_t pid, int wait_status, void *user_data)
{
    Watched *watched = user_data;
    CocoGuestContainer *container = watched->container;

    if (watched->process == container->init)
        coco_guest_container_init_exited(container);
    else
        keep_finished(container, watched->process);
    coco_guest_process_exited(watched->process, wait_status);
    coco_guest_process_unref(watched->process);
    coco_guest_container_unref(container);
    g_free(watched);
}

bool
coco_verb_take_process(CocoVerb *verb, GError **error)
{
    g_autofree char *text = NULL;
    Watched *watched;
    int pid;

    if (coco_guest_process_has_terminal(verb->process)) {
        int master = receive_console(verb->console_listener, error);

        if (master < 0 || !coco_guest_process_set_terminal(verb->process, master, error))
            return false;
    }
    if (!g_file_get_contents(verb->pid_file, &text, NULL, NULL) || (pid = atoi(text)) <= 1)
        return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "crun did not tell the process id");
    coco_guest_process_started(verb->process, pid);
    watched = g_new0(Watched, 1);
    watched->container = coco_guest_container_ref(verb->container);
    watched->process = coco_guest_process_ref(verb->process);
    coco_reaper_watch(verb->container->host->reaper, pid, on_process_exit, watched);
    return true;
}
