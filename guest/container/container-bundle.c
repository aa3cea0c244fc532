// SPDX-License-Identifier: Apache-2.0
/*
 * The bundle that the runtime reads: the spec, and what it names held in place. A volume may be a
 * directory of the host whose server does not answer, so a child looks them up; it writes the spec
 * too, which then has the names of what it holds.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-protocol/oci/oci-json.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/container/container-private.h"
#include "guest/container/pins.h"
#include "guest/system/child-runner.h"

#define TIMEOUT_S 120
#define OUTPUT_FD 3
#define OUTPUT_MAX 4096

struct _CocoBundling {
    CocoGuestContainer *container;
    Grpc__Spec *spec; /* the child's */
    CocoChild *child;
    CocoGuestContainerDone done;
    void *user_data;
};

static bool
write_bundle(const CocoGuestContainer *container, Grpc__Spec *spec, GError **error)
{
    g_autofree char *json = NULL;
    g_autofree char *path = g_build_filename(container->bundle, "config.json", NULL);
    g_autoptr(GError) cause = NULL;

    if (mkdir(container->bundle, 0700) < 0 && errno != EEXIST) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "make bundle '%s': %s",
                    container->bundle, g_strerror(errno));
        return false;
    }
    if (!coco_pins_make(spec, coco_layout_get_base(container->host->layout), container->bundle,
                        error))
        return false;
    json = coco_oci_spec_to_json(spec);
    if (!g_file_set_contents_full(path, json, -1, G_FILE_SET_CONTENTS_NONE, 0600, &cause)) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL, "write bundle: %s",
                    cause->message);
        return false;
    }
    return true;
}

/* The error's code is the exit status, its text the output. */
static int
write_in_child(void *data)
{
    const CocoBundling *bundling = data;
    g_autoptr(GError) error = NULL;

    if (write_bundle(bundling->container, bundling->spec, &error))
        return 0;
    if (write(OUTPUT_FD, error->message, strlen(error->message)) < 0)
        return COCO_TTRPC_INTERNAL;
    return error->code;
}

static GError *
read_end(const CocoGuestContainer *container, const CocoChildEnd *end)
{
    g_autofree char *text = coco_child_end_text(end);
    g_autofree char *shown = g_utf8_make_valid(end->output, -1);

    if (text == NULL)
        return NULL;
    if (end->timed_out || end->cancelled || !WIFEXITED(end->wait_status))
        return g_error_new(COCO_TTRPC_ERROR,
                           end->timed_out ? COCO_TTRPC_DEADLINE_EXCEEDED : COCO_TTRPC_INTERNAL,
                           "container %s: look up its files: %s", container->id, text);
    return g_error_new_literal(COCO_TTRPC_ERROR, WEXITSTATUS(end->wait_status), shown);
}

static void
on_child_end(const CocoChildEnd *end, void *user_data)
{
    g_autofree CocoBundling *bundling = user_data;
    g_autoptr(GError) error = read_end(bundling->container, end);

    bundling->container->bundling = NULL;
    bundling->done(error, bundling->user_data);
}

void
coco_guest_container_write_bundle(CocoGuestContainer *container, Grpc__Spec *spec,
                                  CocoGuestContainerDone done, void *user_data)
{
    static const char *const name[] = { "bundle", NULL };
    const CocoChildFd console = { STDERR_FILENO, STDERR_FILENO };
    CocoBundling *bundling = g_new0(CocoBundling, 1);
    const CocoChildJob job = {
        .argv = name,
        .fds = &console,
        .n_fds = 1,
        .output = OUTPUT_FD,
        .output_max = OUTPUT_MAX,
        .deadline_s = TIMEOUT_S,
        .work = write_in_child,
        .work_data = bundling,
    };
    g_autoptr(GError) error = NULL;

    *bundling = (CocoBundling){ container, spec, NULL, done, user_data };
    bundling->child = coco_child_run(container->host->reaper, &job, on_child_end, bundling, &error);
    if (bundling->child != NULL) {
        container->bundling = bundling;
        return;
    }
    g_free(bundling);
    done(error, user_data);
}

void
coco_guest_container_cancel_bundle(CocoGuestContainer *container)
{
    if (container->bundling != NULL)
        coco_child_cancel(container->bundling->child);
}
