// SPDX-License-Identifier: Apache-2.0
/*
 * containerd-shim-coco-v2: containerd's runtime shim (v2) that runs each pod in a VM of its own.
 */
#include <linux/close_range.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shim/command/cleanup.h"
#include "shim/command/invocation.h"
#include "shim/command/janitor.h"
#include "shim/command/runtime-info.h"
#include "shim/command/serve.h"
#include "shim/command/start.h"

#define USAGE                                                                                      \
    "Usage: containerd-shim-coco-v2 [FLAGS] [start|delete|gc]\n"                                   \
    "\n"                                                                                           \
    "Runs containers in a virtual machine of their own. containerd calls this program:\n"          \
    "\n"                                                                                           \
    "    ctr run --runtime io.containerd.coco.v2 IMAGE ID [COMMAND…]\n"                          \
    "\n"                                                                                           \
    "Actions\n"                                                                                    \
    "  start                 make the shim of a container's pod, print its address\n"              \
    "  delete                end and remove what is left of a container\n"                         \
    "  gc                    end and remove what is left of all pods without a shim\n"             \
    "\n"                                                                                           \
    "Flags (one dash or two)\n"                                                                    \
    "  -namespace NAME       containerd namespace\n"                                               \
    "  -id ID                container\n"                                                          \
    "  -address PATH         containerd's gRPC socket\n"                                           \
    "  -publish-binary PATH  containerd itself\n"                                                  \
    "  -bundle PATH          bundle directory (delete)\n"                                          \
    "  -base PATH            where pods have their files (gc)\n"                                   \
    "  -debug                more in the log\n"                                                    \
    "  -info                 print containerd.types.RuntimeInfo (protobuf)\n"                      \
    "  -v, -version          print the version\n"                                                  \
    "  -h, -help             print this\n"                                                         \
    "\n"                                                                                           \
    "Environment\n"                                                                                \
    "  COCO_CONFIG           config file, when the runtime options name none\n"                    \
    "  COCO_RUN_DIR          where pods have their files (/run/coco)\n"                            \
    "  COCO_VMM              the VM launcher, when it is not beside this program\n"

static bool
print_text(const char *text, GError **error)
{
    if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
        return true;
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "write to standard output");
    return false;
}

static bool
run(const CocoInvocation *invocation, GError **error)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);

    switch (invocation->action) {
    case COCO_ACTION_SERVE:
        return coco_serve(invocation, error);
    case COCO_ACTION_START:
        return coco_start(invocation, self != NULL ? self : "/proc/self/exe", error);
    case COCO_ACTION_DELETE:
        return coco_cleanup(invocation, error);
    case COCO_ACTION_GC:
        return coco_janitor_run(
            invocation->base[0] != '\0' ? invocation->base : coco_pod_dir_base(), stdout, error);
    case COCO_ACTION_INFO:
        return coco_runtime_info_print(error);
    case COCO_ACTION_VERSION:
        return print_text("containerd-shim-coco-v2 " COCO_VERSION "\n", error);
    case COCO_ACTION_HELP:
        return print_text(USAGE, error);
    }
    return false;
}

int
main(int argc, char **argv)
{
    CocoInvocation invocation;
    g_autoptr(GError) error = NULL;

    if (!coco_invocation_parse(argc, argv, &invocation, &error)) {
        fprintf(stderr, "containerd-shim-coco-v2: %s\n", error->message);
        return 2;
    }
    /* containerd may have leaked descriptors into us; the server has its own behind them. */
    (void) close_range(invocation.action == COCO_ACTION_SERVE ? COCO_SERVE_LOCK_FD + 1 : 3, ~0U, 0);
    if (!run(&invocation, &error)) {
        /* containerd puts what start says in the middle of its own line. */
        fprintf(stderr, invocation.action == COCO_ACTION_START ? "%s" : "%s\n", error->message);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
