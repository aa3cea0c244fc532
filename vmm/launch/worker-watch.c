// SPDX-License-Identifier: Apache-2.0
/*
 * Watches the libvirt worker (worker-watch.h).
 */
#include "vmm/launch/worker-watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"
#include "vmm/run/spawn.h"

G_STATIC_ASSERT(COCO_WORKER_FIRST_FD + COCO_VM_DISKS_MAX +
                    2 * COCO_VM_NICS_MAX * COCO_VM_NIC_QUEUES_MAX <
                COCO_SPAWN_FDS_MAX);

/* A line of the worker is a few hundred bytes; QEMU's last words are cut by the worker. */
#define MAX_LINE (64 * 1024)

/* For a worker that has done its work to close libvirt, and for one that is killed. */
#define LEAVE_MS 2000
#define KILL_WAIT_MS 2000

typedef struct {
    CocoLaunchReport *report;
    CocoJobVerb verb;
    CocoWorkerResult *result;
    GString *pending; /* bytes without their newline yet */
    pid_t pid;
    bool started;   /* the worker said that the VM runs */
    bool gone;      /* the worker was reaped */
    int status;     /* its exit status, or the signal that ended it */
    bool killed;    /* it was a signal */
    int signal;     /* a signal that ends the launch */
    char phase[32]; /* the last phase that ended */
    GError *error;  /* what the worker said */
} Watch;

static void
watch_clear(Watch *watch)
{
    (void) g_string_free(watch->pending, TRUE);
    g_clear_error(&watch->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Watch, watch_clear)

int
coco_worker_watch_signals(GError **error)
{
    sigset_t set;
    int fd;

    (void) sigemptyset(&set);
    (void) sigaddset(&set, SIGCHLD);
    (void) sigaddset(&set, SIGTERM);
    (void) sigaddset(&set, SIGINT);
    (void) sigaddset(&set, SIGHUP);
    (void) signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return coco_vmm_error_errno(error, errno, "set up signals"), -1;
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        (void) coco_vmm_error_errno(error, errno, "set up signals");
    return fd;
}

/* The name of the step that runs after the phase that ended last, for messages. */
static const char *
current_step(const Watch *watch)
{
    static const char *const changes[COCO_N_JOB_VERBS] = { [COCO_JOB_ATTACH] = "attach devices",
                                                           [COCO_JOB_DETACH] = "detach devices",
                                                           [COCO_JOB_RESIZE] = "resize the VM" };
    static const struct {
        const char *ended;
        const char *step;
    } steps[] = {
        { "", "connect to libvirt" },
        { "connect", "read domain XML" },
        { "xml", "start domain" },
        { "start", "resume domain" },
    };

    if (watch->verb != COCO_JOB_START && strcmp(watch->phase, "connect") == 0)
        return changes[watch->verb];
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        if (strcmp(watch->phase, steps[i].ended) == 0)
            return steps[i].step;
    }
    return "end the libvirt worker";
}

static void
handle_line(Watch *watch, const char *text)
{
    g_autoptr(json_object) line = json_tokener_parse(text);
    const char *event = line != NULL ? coco_json_string(line, "event") : NULL;
    const char *message;
    CocoVmmError code = COCO_VMM_ERROR_FAILED;

    if (g_strcmp0(event, "phase") == 0 && coco_json_string(line, "name") != NULL) {
        (void) g_strlcpy(watch->phase, coco_json_string(line, "name"), sizeof watch->phase);
        coco_launch_report_write(watch->report, json_object_get(line));
    } else if (g_strcmp0(event, "started") == 0) {
        watch->result->pid = (pid_t) coco_json_int(line, "pid");
        watch->result->cid = (unsigned int) coco_json_int(line, "cid");
        watch->started = true;
    } else if (g_strcmp0(event, "failed") == 0 && watch->error == NULL) {
        message = coco_json_string(line, "message");
        (void) coco_vmm_error_from_name(coco_json_string(line, "code"), &code);
        watch->error = g_error_new_literal(COCO_VMM_ERROR, (int) code,
                                           message != NULL ? message : "worker failed");
    }
}

/* False at the end of the worker's output. */
static bool
read_lines(Watch *watch, int fd)
{
    char chunk[4096];
    ssize_t n = read(fd, chunk, sizeof chunk);
    char *newline;

    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    if (n == 0 || watch->pending->len > MAX_LINE)
        return false;
    g_string_append_len(watch->pending, chunk, n);
    while ((newline = strchr(watch->pending->str, '\n')) != NULL) {
        *newline = '\0';
        handle_line(watch, watch->pending->str);
        (void) g_string_erase(watch->pending, 0, newline - watch->pending->str + 1);
    }
    return true;
}

static void
note_end(Watch *watch, const siginfo_t *info)
{
    watch->gone = true;
    watch->status = info->si_status;
    watch->killed = info->si_code != CLD_EXITED;
}

/* By pid, one after the other: the console logger's end is somebody else's to see. */
static void
reap(Watch *watch)
{
    siginfo_t info = { 0 };

    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) {
        if (info.si_pid == watch->pid)
            note_end(watch, &info);
        info.si_pid = 0;
    }
}

static void
read_signals(Watch *watch, int signal_fd)
{
    struct signalfd_siginfo info;

    while (read(signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap(watch);
        else
            watch->signal = (int) info.ssi_signo;
    }
}

/* It has nothing to do any more, or nothing that is wanted. The next one opens the same root of
 * libvirt, and must find nobody there: so this one is gone before we are. One that cannot die is
 * left to whoever ends the VM. */
static void
end_worker(Watch *watch, bool done)
{
    g_auto(CocoFd) pidfd = watch->gone ? -1 : pidfd_open(watch->pid, 0);
    struct pollfd event = { .fd = pidfd, .events = POLLIN };
    siginfo_t info = { 0 };

    if (pidfd < 0)
        return;
    if (!done || poll(&event, 1, LEAVE_MS) <= 0)
        (void) pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    if (poll(&event, 1, KILL_WAIT_MS) > 0 && waitid(P_PID, (id_t) watch->pid, &info, WEXITED) == 0)
        note_end(watch, &info);
}

/* Its standard input (transfer full): a file of nobody's, which the worker reads to its end. */
static int
open_job(const CocoWorkerJob *job, GError **error)
{
    g_autofree char *text = coco_worker_job_text(job);
    size_t length = strlen(text);
    g_auto(CocoFd) fd = memfd_create("coco-job", MFD_CLOEXEC);

    if (fd < 0 || write(fd, text, length) != (ssize_t) length || lseek(fd, 0, SEEK_SET) < 0)
        return coco_vmm_error_errno(error, errno, "write the job of the libvirt worker"), -1;
    return coco_fd_steal(&fd);
}

/* Its command line is for those who look for processes; all it needs is in the job. */
static bool
start_worker(const CocoLaunchPlan *plan, const CocoWorkerJob *wanted, bool verbose, pid_t *out_pid,
             int *out_fd, GError **error)
{
    g_autofree char *program = coco_spawn_find_helper("coco-vmm-libvirt");
    g_autofree char *log_path = coco_run_dir_file(plan->run_dir, "vm/worker.log");
    g_auto(CocoFd) log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const char *argv[] = { program, "--run-dir", coco_run_dir_path(plan->run_dir), NULL };
    CocoWorkerJob job = *wanted;
    g_autoptr(GArray) fds = NULL;
    g_auto(CocoFd) input = -1;
    g_auto(CocoFd) in = -1;
    g_auto(CocoFd) out = -1;
    int ends[2];

    job.cache_dir = plan->cache_dir;
    job.qemu_uid = (unsigned int) plan->user.uid;
    job.spec = &plan->spec;
    if (log < 0)
        return coco_vmm_error_errno(error, errno, "write '%s'", log_path);
    input = open_job(&job, error);
    if (input < 0)
        return false;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return coco_vmm_error_errno(error, errno, "start '%s'", program);
    in = ends[0];
    out = ends[1];
    fds = coco_worker_job_descriptors(&job);
    g_array_prepend_vals(fds, ((int[]){ input, out, verbose ? STDERR_FILENO : log }),
                         COCO_WORKER_FIRST_FD);
    if (!coco_spawn_in_netns(plan->netns, argv, (const int *) (const void *) fds->data, fds->len,
                             COCO_SPAWN_DIES_WITH_PARENT, out_pid, error)) {
        if (plan->netns != NULL)
            g_prefix_error(error, "network namespace '%s': ", plan->netns);
        return false;
    }
    *out_fd = coco_fd_steal(&in);
    return true;
}

/* What the worker printed when it died without a word, such as the dynamic linker's complaint. */
static char *
last_words(const CocoLaunchPlan *plan)
{
    g_autofree char *path = coco_run_dir_file(plan->run_dir, "vm/worker.log");
    g_autofree char *text = NULL;
    const char *newline;

    if (!g_file_get_contents(path, &text, NULL, NULL) || *g_strchomp(text) == '\0')
        return g_strdup("it said nothing");
    newline = strrchr(text, '\n');
    return g_strdup(newline != NULL ? newline + 1 : text);
}

static bool
conclude(Watch *watch, const CocoLaunchPlan *plan, bool timed_out, GError **error)
{
    g_autofree char *words = NULL;

    if (watch->signal != 0)
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED, "%s: interrupted by signal %s",
                    current_step(watch), sigabbrev_np(watch->signal));
    else if (watch->started)
        return true;
    else if (watch->error != NULL)
        g_propagate_error(error, g_steal_pointer(&watch->error));
    else if (timed_out)
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_TIMEOUT,
                    "%s: not done within launch_timeout_s = %u", current_step(watch),
                    coco_vm_config_number(plan->config, COCO_KEY_HOST_LAUNCH_TIMEOUT_S));
    else if (watch->killed && watch->status == SIGKILL) /* nothing it said before is the cause */
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED,
                    "%s: the libvirt worker was killed by signal %d", current_step(watch), SIGKILL);
    else {
        words = last_words(plan);
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED,
                    "%s: the libvirt worker %s %d: %s", current_step(watch),
                    watch->killed ? "was killed by signal" : "ended with status", watch->status,
                    words);
    }
    return false;
}

bool
coco_worker_watch_run(const CocoLaunchPlan *plan, const CocoWorkerJob *job, int signal_fd,
                      gint64 deadline, bool verbose, CocoLaunchReport *report,
                      CocoWorkerResult *out_result, GError **error)
{
    g_auto(Watch) watch = {
        .report = report, .verb = job->verb, .result = out_result, .pending = g_string_new(NULL)
    };
    g_auto(CocoFd) worker_fd = -1;
    bool timed_out = false;
    bool open = true;

    if (!start_worker(plan, job, verbose, &watch.pid, &worker_fd, error))
        return false;
    while (open && watch.signal == 0 && !timed_out) {
        struct pollfd events[] = { { .fd = worker_fd, .events = POLLIN },
                                   { .fd = signal_fd, .events = POLLIN } };
        gint64 left = (deadline - g_get_monotonic_time()) / 1000;

        timed_out = left <= 0 || poll(events, 2, (int) left) == 0;
        if (events[1].revents != 0)
            read_signals(&watch, signal_fd);
        if (events[0].revents != 0)
            open = read_lines(&watch, worker_fd) && !watch.started;
    }
    /* The worker ends right after its last word, which closed the pipe; its status is part of the
     * message. */
    if (!open && !watch.started && watch.error == NULL && !watch.gone) {
        siginfo_t info = { 0 };

        if (waitid(P_PID, (id_t) watch.pid, &info, WEXITED) == 0)
            note_end(&watch, &info);
    }
    end_worker(&watch, watch.started && watch.signal == 0);
    return conclude(&watch, plan, timed_out, error);
}
