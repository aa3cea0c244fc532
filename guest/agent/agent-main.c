// SPDX-License-Identifier: Apache-2.0
/*
 * coco-agent. As PID 1 it makes the guest usable, then serves the agent protocol on vsock port 1024
 * and on the virtio-serial channel, whichever exists. With --listen it is an ordinary process for
 * tests: no mounts, no modules, no power off.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <glib-unix.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/ttrpc/transport.h"
#include "guest-protocol/ttrpc/ttrpc-server.h"
#include "guest/agent/channel.h"
#include "guest/agent/service.h"
#include "guest/pod/pid-holder.h"
#include "guest/pod/sandbox.h"
#include "guest/system/init-system.h"
#include "guest/system/modprobe.h"
#include "guest/system/modules.h"

typedef struct {
    bool is_init;
    GMainLoop *loop;
    CocoLayout *layout;
    CocoReaper *reaper;
    CocoCrun *crun;
    CocoGuestSandbox *sandbox;
    CocoService *service;
    CocoTtrpcServer *server;
    CocoTtrpcServer *channel_server;
    CocoChannel *channel;
} Agent;

typedef struct {
    char *listen;
    char *root;
    char *crun;
    gboolean version;
} Options;

static void
agent_clear(Agent *agent)
{
    coco_channel_free(agent->channel);
    coco_ttrpc_server_free(agent->channel_server);
    coco_ttrpc_server_free(agent->server);
    coco_service_free(agent->service);
    coco_guest_sandbox_free(agent->sandbox);
    coco_crun_free(agent->crun);
    coco_reaper_free(agent->reaper);
    coco_layout_free(agent->layout);
    g_clear_pointer(&agent->loop, g_main_loop_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Agent, agent_clear)

static void
options_clear(Options *options)
{
    g_free(options->listen);
    g_free(options->root);
    g_free(options->crun);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static void
end(void *user_data)
{
    Agent *agent = user_data;

    if (agent->is_init)
        coco_init_system_power_off();
    g_main_loop_quit(agent->loop);
}

static gboolean
on_end_signal(int fd, GIOCondition condition, void *user_data)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof info) == (ssize_t) sizeof info)
        end(user_data);
    return G_SOURCE_CONTINUE;
}

/* SIGPWR and SIGTERM are "power off" to an init, SIGINT is ctrl-alt-del. */
static bool
watch_end_signals(Agent *agent, GError **error)
{
    sigset_t mask;
    int fd;

    (void) sigemptyset(&mask);
    (void) sigaddset(&mask, SIGTERM);
    (void) sigaddset(&mask, SIGINT);
    (void) sigaddset(&mask, SIGPWR);
    (void) sigprocmask(SIG_BLOCK, &mask, NULL);
    (void) signal(SIGPIPE, SIG_IGN);
    fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "watch signals");
    (void) g_unix_fd_add(fd, G_IO_IN, on_end_signal, agent);
    return true;
}

static bool
listen_in_guest(Agent *agent, GError **error)
{
    g_autofree char *address = g_strdup_printf("vsock://-1:%d", COCO_AGENT_VSOCK_PORT);
    g_autoptr(GError) vsock_error = NULL;
    int fd = coco_transport_listen(address, &vsock_error);

    if (fd >= 0)
        coco_ttrpc_server_listen(agent->server, fd, true);
    else
        g_debug("no vsock: %s", vsock_error->message);
    agent->channel_server = coco_ttrpc_server_new();
    coco_service_attach(agent->service, agent->channel_server);
    agent->channel = coco_channel_new(agent->channel_server, COCO_AGENT_CHANNEL_NAME, error);
    if (agent->channel == NULL)
        return false;
    coco_modules_queue_list(coco_guest_sandbox_get_modules(agent->sandbox), COCO_MODULES_LATER_LIST,
                            coco_init_system_mount_more);
    return true;
}

static bool
listen_at(const Agent *agent, const char *address, GError **error)
{
    int fd = coco_transport_listen(address, error);

    if (fd < 0)
        return false;
    coco_ttrpc_server_listen(agent->server, fd, true);
    return true;
}

static bool
agent_start(Agent *agent, const Options *options, GError **error)
{
    /* First of all, so that no thread exists that does not block these signals. */
    if (!watch_end_signals(agent, error) || (agent->reaper = coco_reaper_new(error)) == NULL)
        return false;
    if (agent->is_init) {
        if (!coco_init_system_start(error))
            return false;
        coco_modules_load_list(COCO_MODULES_LIST);
    }
    agent->layout = coco_layout_new(options->root);
    if (!coco_layout_make(agent->layout, error))
        return false;
    agent->loop = g_main_loop_new(NULL, FALSE);
    agent->crun = coco_crun_new(agent->reaper, agent->layout, options->crun);
    agent->sandbox = coco_guest_sandbox_new(agent->layout, agent->reaper, agent->crun);
    agent->service = coco_service_new(agent->sandbox, end, agent);
    agent->server = coco_ttrpc_server_new();
    coco_service_attach(agent->service, agent->server);
    return agent->is_init ? listen_in_guest(agent, error)
                          : listen_at(agent, options->listen, error);
}

static bool
parse_options(int argc, char **argv, Options *options, GError **error)
{
    const GOptionEntry entries[] = {
        { "listen", 'l', 0, G_OPTION_ARG_STRING, &options->listen,
          "Serve on this address (unix:///PATH or vsock://CID:PORT)", "ADDRESS" },
        { "root", 'r', 0, G_OPTION_ARG_FILENAME, &options->root,
          "Keep all files below this directory", "DIR" },
        { "crun", 0, 0, G_OPTION_ARG_FILENAME, &options->crun, "The OCI runtime (/bin/crun)",
          "FILE" },
        { "version", 'v', 0, G_OPTION_ARG_NONE, &options->version, "Print the version", NULL },
        { 0 },
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- the agent of a coco-runtime guest");

    g_option_context_set_description(
        context,
        "As process 1 it takes no options: words of the kernel command line are not for it.");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, error))
        return false;
    if (!options->version && options->listen == NULL) {
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                            "outside a guest, --listen says where to serve");
        return false;
    }
    return true;
}

static bool
is_holder(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[1], COCO_PID_HOLDER_ARGUMENT) == 0;
}

int
main(int argc, char **argv)
{
    g_auto(Options) options = { 0 };
    g_auto(Agent) agent = { .is_init = getpid() == 1 };
    g_autoptr(GError) error = NULL;

    if (coco_modprobe_is_name(argv[0]))
        return coco_modprobe_main(argc, argv);
    /* It is process 1, too, of the pod's pid namespace. */
    if (is_holder(argc, argv))
        return coco_pid_holder_main();
    if (!agent.is_init && !parse_options(argc, argv, &options, &error)) {
        (void) fprintf(stderr, "coco-agent: %s\n", error->message);
        return 2;
    }
    if (options.version) {
        (void) printf("coco-agent %s\n", COCO_VERSION);
        return 0;
    }
    if (!agent_start(&agent, &options, &error))
        coco_init_system_die(error->message);
    g_main_loop_run(agent.loop);
    return 0;
}
