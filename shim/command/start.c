// SPDX-License-Identifier: Apache-2.0
/*
 * `start` binds the pod's socket itself and hands it to the server it leaves behind, so that an
 * address that was printed can be dialled at once. A container of a pod that has a shim gets that
 * shim's address.
 *
 * Source: containerd pkg/shim; behaviour traced on 1.6 to 2.3. What is printed depends on the
 * version, see bootstrap.h.
 */
#include "shim/command/start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/posix/pidfd.h"
#include "shim/command/bootstrap.h"
#include "shim/command/go-build-info.h"
#include "shim/command/janitor.h"
#include "shim/command/serve.h"
#include "shim/host/identifier.h"
#include "shim/host/pod-cgroup.h"
#include "shim/host/pod-dir.h"
#include "shim/host/pod-lock.h"
#include "shim/host/shim-socket.h"
#include "shim/host/system-error.h"
#include "shim/network/pod-netns.h"
#include "shim/pod/container-kind.h"
#include "shim/vm/pod-annotations.h"
#include "shim/vm/pod-initdata.h"
#include "shim/vm/pod-tee.h"

#define CONTAINERD_2 "github.com/containerd/containerd/v2"
#define INPUT_MAX (10 * 1024 * 1024)
#define LEFTOVERS_TIMEOUT_MS 30000 /* a large guest takes a while to be torn down */
#define FIRST_SPARE_FD 10          /* behind those that the server is given */

/* Standard input up to its end; nothing when a person runs us from a terminal. */
static GByteArray *
read_input(void)
{
    GByteArray *input = g_byte_array_new();
    uint8_t buffer[4096];
    ssize_t n;

    while (!isatty(STDIN_FILENO) && input->len < INPUT_MAX &&
           (n = read(STDIN_FILENO, buffer, sizeof(buffer))) > 0)
        g_byte_array_append(input, buffer, (unsigned int) n);
    return input;
}

/* The answer to a caller older than BootstrapParams. The program that runs us is asked itself, not
 * the -publish-binary, which may have been replaced by another version under a running daemon. */
static CocoBootstrapForm
form_for_caller(void)
{
    g_autofree char *caller = g_strdup_printf("/proc/%d/exe", getppid());

    if (g_getenv("MAX_SHIM_VERSION") == NULL)
        return COCO_BOOTSTRAP_PLAIN;
    return coco_go_build_info_has(caller, CONTAINERD_2) ? COCO_BOOTSTRAP_JSON_3
                                                        : COCO_BOOTSTRAP_JSON_2;
}

/* Runtime options, else $COCO_CONFIG, else the file that the program's name picks:
 * containerd-shim-coco-snp-v2 reads qemu-snp.conf. Whichever it is, the name's TEE must be in it.
 */
static char *
choose_config(const CocoBootstrap *bootstrap, const char *program)
{
    const char *from_environment = g_getenv("COCO_CONFIG");
    g_autofree char *word = coco_pod_tee_word(program);

    if (bootstrap->config_path != NULL)
        return g_strdup(bootstrap->config_path);
    if (from_environment != NULL && from_environment[0] == '/')
        return g_strdup(from_environment);
    return g_strdup_printf("%s/qemu-%s.conf", COCO_CONFIG_DIR, word != NULL ? word : "none");
}

/* A run directory without a server is what a crash left: its processes and files go first. So do
 * those of a server that nobody will ever hear of. */
static bool
clear_leftovers(const CocoPodDir *dir, GError **error)
{
    if (access(coco_pod_dir_path(dir), F_OK) != 0)
        return true;
    return coco_janitor_end(dir, LEFTOVERS_TIMEOUT_MS, NULL, error);
}

/* Where the server has its descriptors, any of these may be. */
static int
move_away(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, FIRST_SPARE_FD);
}

/* Between fork and exec of the server: its descriptors are /dev/null, the socket and the lock,
 * nothing else. */
static void
exec_server(int listen_fd, int lock_fd, int null_fd, char *const argv[])
{
    listen_fd = move_away(listen_fd);
    lock_fd = move_away(lock_fd);
    if (setpgid(0, 0) == 0 && dup2(null_fd, STDIN_FILENO) >= 0 &&
        dup2(null_fd, STDOUT_FILENO) >= 0 && dup2(null_fd, STDERR_FILENO) >= 0 &&
        dup2(listen_fd, COCO_SERVE_LISTEN_FD) >= 0 && dup2(lock_fd, COCO_SERVE_LOCK_FD) >= 0)
        (void) execv(argv[0], argv);
    _exit(127);
}

static pid_t
spawn_server(const CocoInvocation *invocation, const CocoBootstrap *bootstrap, const char *pod_id,
             const char *self, const CocoPodDir *dir, int listen_fd, int lock_fd, GError **error)
{
    g_autofree char *config = choose_config(bootstrap, invocation->program);
    g_autofree char *tee = coco_pod_tee_of_program(invocation->program);
    g_auto(CocoFd) null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    const char *argv[] = { self,
                           "-namespace",
                           invocation->ns,
                           "-id",
                           pod_id,
                           "-address",
                           invocation->address,
                           "-publish-binary",
                           invocation->binary,
                           "-socket",
                           coco_pod_dir_socket(dir),
                           "-config",
                           config,
                           NULL,
                           NULL,
                           NULL,
                           NULL };
    size_t n = G_N_ELEMENTS(argv) - 4;
    pid_t pid;

    if (invocation->debug || bootstrap->debug)
        argv[n++] = "-debug";
    if (tee != NULL) {
        argv[n++] = "-tee";
        argv[n++] = tee;
    }
    pid = fork();
    if (pid == 0)
        exec_server(listen_fd, lock_fd, null_fd, (char *const *) (void *) argv);
    if (pid < 0)
        (void) coco_system_error(error, "start server", self);
    return pid;
}

/* One more than containerd's own, so that the kernel takes a shim first; lowering it would need a
 * privilege. */
static void
set_oom_score(pid_t pid)
{
    g_autofree char *parent = g_strdup_printf("/proc/%d/oom_score_adj", getppid());
    g_autofree char *child = g_strdup_printf("/proc/%d/oom_score_adj", pid);
    g_autofree char *text = NULL;
    g_autofree char *score = NULL;
    g_auto(CocoFd) fd = open(child, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || !g_file_get_contents(parent, &text, NULL, NULL))
        return;
    score = g_strdup_printf("%" G_GINT64_FORMAT, MIN(g_ascii_strtoll(text, NULL, 10) + 1, 1000));
    if (write(fd, score, strlen(score)) < 0)
        g_debug("set oom score of the shim: %s", g_strerror(errno));
}

static bool
write_pid_file(pid_t pid, GError **error)
{
    g_autofree char *text = g_strdup_printf("%d", pid);

    return g_file_set_contents_full("shim.pid", text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644,
                                    error);
}

static bool
launch_server(const CocoInvocation *invocation, const CocoBootstrap *bootstrap,
              CocoContainerKind kind, const char *pod_id, const char *self, const CocoPodDir *dir,
              GError **error)
{
    g_autofree char *hash_input =
        g_build_filename(invocation->address, invocation->ns, pod_id, NULL);
    const char *refused = coco_pidfd_refused();
    g_auto(CocoFd) listen_fd = -1;
    g_auto(CocoFd) lock_fd = -1;
    pid_t pid;

    /* Now, because a VM that runs already could be neither watched nor ended. */
    if (refused != NULL)
        return coco_system_error(error, "watch processes with", refused);
    if (!clear_leftovers(dir, error) || !coco_pod_dir_make(dir, error))
        return false;
    lock_fd = coco_pod_lock_make(dir, error);
    if (lock_fd >= 0 && coco_pod_initdata_save(".", dir, error) &&
        coco_pod_tee_save(".", dir, error) && coco_pod_annotations_save_bundle(".", dir, error) &&
        coco_pod_netns_save(".", dir, error) &&
        coco_pod_cgroup_save(".", kind == COCO_KIND_SINGLE, pod_id, coco_pod_dir_path(dir), error))
        listen_fd = coco_shim_socket_listen(dir, bootstrap->socket_dir, hash_input, error);
    pid = listen_fd >= 0
              ? spawn_server(invocation, bootstrap, pod_id, self, dir, listen_fd, lock_fd, error)
              : -1;
    if (pid < 0) {
        (void) coco_pod_dir_remove(dir, NULL);
        return false;
    }
    coco_fd_clear(&lock_fd); /* it is the server's */
    set_oom_score(pid);
    if (write_pid_file(pid, error))
        return true;
    (void) clear_leftovers(dir, NULL);
    return false;
}

/* The file has the plain address in any case: containerd 2 that takes over from 1.7 reads nothing
 * else there, and removes a task whose shim it cannot reach. */
static bool
announce(const CocoPodDir *dir, CocoBootstrapForm form, GError **error)
{
    g_autofree char *address = coco_shim_socket_address(dir);
    g_autoptr(GBytes) answer = coco_bootstrap_answer(form, address);
    size_t length = g_bytes_get_size(answer);

    if (!coco_shim_socket_write_address(".", address, error))
        return false;
    return (fwrite(g_bytes_get_data(answer, NULL), 1, length, stdout) == length &&
            fflush(stdout) == 0) ||
           coco_system_error(error, "print", "address");
}

bool
coco_start(const CocoInvocation *invocation, const char *self, GError **error)
{
    CocoContainerKind kind;
    g_autoptr(GByteArray) input = read_input();
    g_auto(CocoBootstrap) bootstrap = { 0 };
    g_autofree char *pod_id = NULL;
    g_autoptr(CocoPodDir) dir = NULL;
    bool served;

    coco_bootstrap_parse(input->data, input->len, invocation->id, invocation->ns, form_for_caller(),
                         &bootstrap);
    if (!coco_container_kind_of_bundle(".", invocation->id, &kind, &pod_id, error))
        return false;
    if (!coco_identifier_is_valid(pod_id)) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                    "pod id '%s' is not a valid identifier", pod_id);
        return false;
    }
    dir = coco_pod_dir_new(invocation->address, invocation->ns, pod_id);
    served = coco_shim_socket_is_served(dir);
    /* A VM of its own would have neither the sandbox's namespaces nor its network. */
    if (!served && kind == COCO_KIND_MEMBER) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
                    "container '%s': the shim of its sandbox '%s' is gone, and the VM with it",
                    invocation->id, pod_id);
        return false;
    }
    if (!served && !launch_server(invocation, &bootstrap, kind, pod_id, self, dir, error))
        return false;
    if (announce(dir, bootstrap.form, error)) {
        coco_janitor_spawn(coco_pod_dir_base());
        return true;
    }
    if (!served)
        (void) clear_leftovers(dir, NULL);
    return false;
}
