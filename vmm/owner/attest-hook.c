// SPDX-License-Identifier: Apache-2.0
/*
 * Runs the program that decides (attest-hook.h). It gets its question as a file in memory: there is
 * no pipe that could block or break because it does not read.
 */
#include "vmm/owner/attest-hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"
#include "vmm/run/spawn.h"

#define BROKER_PROGRAM "coco-vmm-broker"

static int
question_file(const char *question, GError **error)
{
    g_auto(CocoFd) fd = memfd_create("attest-question", MFD_CLOEXEC);
    size_t len = strlen(question);

    if (fd < 0 || write(fd, question, len) != (ssize_t) len || write(fd, "\n", 1) != 1 ||
        lseek(fd, 0, SEEK_SET) < 0)
        return coco_vmm_error_errno(error, errno, "write the question"), -1;
    return coco_fd_steal(&fd);
}

static pid_t
start(const char *hook, int question_fd, int answer_fd, GError **error)
{
    bool is_url = hook[0] != '/';
    g_autofree char *broker = is_url ? coco_spawn_find_helper(BROKER_PROGRAM) : NULL;
    const char *argv[] = { is_url ? broker : hook, is_url ? hook : NULL, NULL };
    pid_t pid;

    if (!coco_spawn(argv, (int[]){ question_fd, answer_fd, STDERR_FILENO }, 3,
                    COCO_SPAWN_DIES_WITH_PARENT, &pid, error))
        return -1;
    return pid;
}

/* True at the end of the output; false with error set when it is too long or too late. */
static bool
read_answer(int fd, GString *answer, gint64 deadline, size_t max, GError **error)
{
    for (;;) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        gint64 left = (deadline - g_get_monotonic_time()) / 1000;
        char buffer[4096];
        ssize_t n;

        if (left <= 0 || poll(&wait, 1, (int) MIN(left, G_MAXINT)) == 0) {
            g_set_error_literal(error, COCO_VMM_ERROR, COCO_VMM_ERROR_TIMEOUT, "no answer in time");
            return false;
        }
        n = read(fd, buffer, sizeof buffer);
        if (n < 0 && errno != EINTR)
            return coco_vmm_error_errno(error, errno, "read the answer");
        if (n == 0)
            return true;
        if (n > 0)
            g_string_append_len(answer, buffer, n);
        if (answer->len > max)
            return coco_vmm_failed(error, "the answer has more than %zu bytes", max);
    }
}

/* Ends a program that was given up; one that closed its output gets until the deadline. */
static bool
reap(pid_t pid, bool give_up, gint64 deadline, GError **error)
{
    g_auto(CocoFd) pidfd = pidfd_open(pid, 0);
    int refused = pidfd < 0 ? errno : 0;
    struct pollfd wait = { .fd = pidfd, .events = POLLIN };
    gint64 left = (deadline - g_get_monotonic_time()) / 1000;
    int status;

    if (give_up || pidfd < 0 || poll(&wait, 1, (int) CLAMP(left, 0, G_MAXINT)) != 1)
        (void) kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return coco_vmm_error_errno(error, errno, "wait for it");
    }
    if (give_up || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return true;
    if (refused != 0)
        return coco_vmm_error_errno(error, refused, "watch process %d", (int) pid);
    return coco_vmm_failed(error, "it ended with %s %d", WIFEXITED(status) ? "status" : "signal",
                           WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

GString *
coco_attest_hook_ask(const char *hook, const char *question, unsigned int timeout_s,
                     size_t max_answer, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + (gint64) timeout_s * G_USEC_PER_SEC;
    g_autoptr(GString) answer = g_string_new(NULL);
    g_auto(CocoFd) question_fd = question_file(question, error);
    g_auto(CocoFd) in = -1;
    g_auto(CocoFd) out = -1;
    bool complete;
    int ends[2];
    pid_t pid;

    if (question_fd < 0)
        return NULL;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return coco_vmm_error_errno(error, errno, "ask '%s'", hook), NULL;
    in = ends[0];
    out = ends[1];
    pid = start(hook, question_fd, out, error);
    if (pid < 0)
        return NULL;
    coco_fd_clear(&out);
    complete = read_answer(in, answer, deadline, max_answer, error);
    if (!reap(pid, !complete, deadline, complete ? error : NULL) || !complete) {
        g_prefix_error(error, "ask '%s': ", hook);
        return NULL;
    }
    return g_steal_pointer(&answer);
}
