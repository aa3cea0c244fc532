// SPDX-License-Identifier: Apache-2.0
/*
 * Before its work the child makes system calls only, and none through glibc where that would look
 * for other threads. Each step has a name, which comes back with errno when it fails.
 */
#include "guest/system/child-setup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

/* Copies of what the child gets are above this, so that no dup2() overwrites the source of the
 * next. */
#define FIRST_COPY 64
#define EXIT_NOT_STARTED 127

typedef enum {
    STEP_SESSION,
    STEP_FDS,
    STEP_OOM_SCORE,
    STEP_LIMITS,
    STEP_NAMESPACES,
    STEP_CAPABILITIES,
    STEP_USER,
    STEP_EXEC,
    N_STEPS,
} Step;

typedef struct {
    int step;
    int error_number;
} Failure;

/* With the descriptors that it stands for, all of them copies of ours. */
typedef struct {
    CocoChildFd fds[COCO_CHILD_FDS_MAX + 4];
    size_t n_fds;
} Plan;

static bool
reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        (void) signal(number, SIG_DFL);
    (void) sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

/* Whatever else is open ends at exec; dup2() takes what is given out of that. */
static bool
place_fds(const Plan *plan)
{
    if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return false;
    for (size_t i = 0; i < plan->n_fds; i++) {
        if (dup2(plan->fds[i].source, plan->fds[i].target) < 0)
            return false;
    }
    return true;
}

/* Our own -1000 must not become that of others. */
static bool
set_oom_score(const char *value)
{
    g_auto(CocoFd) fd = -1;

    if (value == NULL)
        return true;
    fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, value, strlen(value)) >= 0;
}

static bool
set_limits(const CocoChildConfinement *confinement)
{
    for (size_t i = 0; i < confinement->n_limits; i++) {
        const struct rlimit limit = { confinement->limits[i].limit, confinement->limits[i].limit };

        if (syscall(SYS_prlimit64, 0, confinement->limits[i].resource, &limit, NULL) < 0)
            return false;
    }
    return true;
}

static bool
drop_bounding_set(void)
{
    for (unsigned long capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0;
         capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
            return false;
    }
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0;
}

static bool
drop_capabilities(void)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

    return syscall(SYS_capset, &header, none) == 0;
}

static bool
set_user(const CocoChildConfinement *confinement)
{
    if (confinement->as_user &&
        (syscall(SYS_setgroups, 0, NULL) < 0 ||
         syscall(SYS_setresgid, confinement->gid, confinement->gid, confinement->gid) < 0 ||
         syscall(SYS_setresuid, confinement->uid, confinement->uid, confinement->uid) < 0))
        return false;
    if (confinement->no_capabilities && !drop_capabilities())
        return false;
    return !confinement->no_new_privileges || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

/* Whatever else is open must not stay open as long as the work takes: peers wait for its end. The
 * pipe for failures is in it, which says that the work has begun. */
static G_NORETURN void
do_work(const CocoChildJob *job, const Plan *plan)
{
    unsigned int first = STDERR_FILENO + 1;

    for (size_t i = 0; i < plan->n_fds; i++)
        first = MAX(first, (unsigned int) plan->fds[i].target + 1);
    (void) syscall(SYS_close_range, first, ~0U, 0);
    _exit(job->work(job->work_data));
}

static bool
take_step(Step step, const CocoChildJob *job, const Plan *plan)
{
    const CocoChildConfinement *confinement = &job->confinement;

    switch (step) {
    case STEP_SESSION:
        return setsid() >= 0 && reset_signals();
    case STEP_FDS:
        return place_fds(plan);
    case STEP_OOM_SCORE:
        return set_oom_score(job->oom_score);
    case STEP_LIMITS:
        return set_limits(confinement);
    case STEP_NAMESPACES:
        return confinement->namespaces == 0 || unshare(confinement->namespaces) == 0;
    case STEP_CAPABILITIES: /* the bounding set while we may, the others after the user */
        return !confinement->no_capabilities || drop_bounding_set();
    case STEP_USER:
        return set_user(confinement);
    case STEP_EXEC:
        if (job->work != NULL)
            do_work(job, plan);
        (void) execve(job->argv[0], (char *const *) (uintptr_t) job->argv,
                      (char *const *) (uintptr_t) job->environment);
        return false;
    case N_STEPS:
        break;
    }
    return false;
}

static G_NORETURN void
child_main(const CocoChildJob *job, const Plan *plan, int failure_fd)
{
    Failure failure = { 0 };
    ssize_t written;

    while (take_step((Step) failure.step, job, plan))
        failure.step++;
    failure.error_number = errno;
    written = write(failure_fd, &failure, sizeof failure);
    _exit(written == (ssize_t) sizeof failure ? EXIT_NOT_STARTED : EXIT_NOT_STARTED - 1);
}

/* ---- the parent's side ---- */

static bool
fail(const char *what, GError **error)
{
    return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "%s: %s", what, g_strerror(errno));
}

static bool
plan_fd(Plan *plan, int source, int target, GError **error)
{
    g_auto(CocoFd) null = source < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
    int copy = fcntl(source < 0 ? null : source, F_DUPFD_CLOEXEC, FIRST_COPY);

    if (copy < 0)
        return fail("copy descriptor for a child", error);
    plan->fds[plan->n_fds++] = (CocoChildFd){ copy, target };
    return true;
}

/* Out of the way of what the child gets. */
static bool
raise_fd(CocoFd *fd, GError **error)
{
    int copy = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_COPY);

    if (copy < 0)
        return fail("copy descriptor for a child", error);
    coco_fd_close(*fd);
    *fd = copy;
    return true;
}

static void
plan_clear(Plan *plan)
{
    for (size_t i = 0; i < plan->n_fds; i++)
        coco_fd_close(plan->fds[i].source);
    plan->n_fds = 0;
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Plan, plan_clear)

static bool
make_plan(Plan *plan, const CocoChildJob *job, int output, GError **error)
{
    g_return_val_if_fail(job->n_fds <= COCO_CHILD_FDS_MAX, false);
    for (int target = 0; target <= STDERR_FILENO; target++) {
        if (!plan_fd(plan, -1, target, error))
            return false;
    }
    for (size_t i = 0; i < job->n_fds; i++) {
        if (!plan_fd(plan, job->fds[i].source, job->fds[i].target, error))
            return false;
    }
    return output < 0 || plan_fd(plan, output, job->output, error);
}

/* Blocks until the child runs its program: some system calls. */
static bool
has_started(int failure_fd, const char *program, GError **error)
{
    static const char *const names[N_STEPS] = { "new session", "descriptors", "oom score",
                                                "limits",      "namespaces",  "capabilities",
                                                "user",        NULL };
    Failure failure;
    ssize_t got = read(failure_fd, &failure, sizeof failure);

    if (got == 0)
        return true;
    if (got != (ssize_t) sizeof failure || failure.step < 0 || failure.step >= N_STEPS)
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "start %s: it did not begin",
                    program);
    else if (names[failure.step] == NULL)
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "start %s: %s", program,
                    g_strerror(failure.error_number));
    else
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "start %s: %s: %s", program,
                    names[failure.step], g_strerror(failure.error_number));
    return false;
}

/* Signals are blocked meanwhile: our handlers must not run in the child. */
static pid_t
fork_child(const CocoChildJob *job, const Plan *plan, int failure_fd)
{
    sigset_t all;
    sigset_t before;
    pid_t pid;

    (void) sigfillset(&all);
    (void) sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        child_main(job, plan, failure_fd);
    (void) sigprocmask(SIG_SETMASK, &before, NULL);
    return pid;
}

static bool
make_pipe(bool wanted, CocoFd *out_read, CocoFd *out_write, GError **error)
{
    int ends[2];

    if (!wanted)
        return true;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail("make pipe for a child", error);
    *out_read = ends[0];
    *out_write = ends[1];
    return true;
}

pid_t
coco_child_start(const CocoChildJob *job, int *out_output, GError **error)
{
    static const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
    CocoChildJob own = *job;
    g_auto(Plan) plan = { 0 };
    g_auto(CocoFd) output = -1;
    g_auto(CocoFd) output_of_child = -1;
    g_auto(CocoFd) failure = -1;
    g_auto(CocoFd) failure_of_child = -1;
    pid_t pid;

    if (own.environment == NULL)
        own.environment = environment;
    if (!make_pipe(job->output >= 0, &output, &output_of_child, error) ||
        !make_pipe(true, &failure, &failure_of_child, error) ||
        !make_plan(&plan, job, output_of_child, error) || !raise_fd(&failure_of_child, error))
        return -1;
    pid = fork_child(&own, &plan, failure_of_child);
    if (pid < 0) {
        (void) fail("fork", error);
        return -1;
    }
    coco_fd_clear(&failure_of_child);
    if (!has_started(failure, job->argv[0], error)) {
        (void) waitpid(pid, NULL, 0);
        return -1;
    }
    if (output >= 0)
        (void) fcntl(output, F_SETFL, O_NONBLOCK);
    *out_output = coco_fd_steal(&output);
    return pid;
}
