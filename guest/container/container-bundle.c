// SPDX-License-Identifier: Apache-2.0
/*
 * The bundle that the runtime reads: the spec, and what it names held in place. A volume may be a
 * directory of the host whose server does not answer, so a child looks them up; it writes the spec
 * too, which then has the names of what it holds.
 */
#include <errno.h>
#include <sys/stat.h>

#include "guest-protocol/oci/oci-json.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/container/container-private.h"
#include "guest/container/pins.h"
#include "guest/system/child-work.h"

#define TIMEOUT_S 120

struct _CocoBundling {
    CocoGuestContainer *container;
    Grpc__Spec *spec; /* the child's */
    char *name;       /* of the work */
    CocoChildWorkRun *run;
    CocoGuestContainerDone done;
    void *user_data;
};

static bool
write_bundle(const CocoGuestContainer *container, Grpc__Spec *spec, GError **error)
{
    g_autofree char *json = NULL;
    g_autofree char *path = g_build_filename(container->bundle, "config.json", NULL);
    g_autoptr(GError) cause = NULL;

    if (mkdir(container->bundle, 0700) < 0 && errno != EEXIST)
        return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "make bundle '%s': %s",
                                 container->bundle, g_strerror(errno));
    if (!coco_pins_make(spec, coco_layout_get_base(container->host->layout), container->bundle,
                        error))
        return false;
    json = coco_oci_spec_to_json(spec);
    if (!g_file_set_contents_full(path, json, -1, G_FILE_SET_CONTENTS_NONE, 0600, &cause))
        return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "write bundle: %s", cause->message);
    return true;
}

static void
bundling_free(CocoBundling *bundling)
{
    g_free(bundling->name);
    g_free(bundling);
}

static char *
write_in_child(void *data, GError **error)
{
    const CocoBundling *bundling = data;

    return write_bundle(bundling->container, bundling->spec, error) ? g_strdup("") : NULL;
}

static void
on_written(const char *text, const GError *error, void *user_data)
{
    CocoBundling *bundling = user_data;

    bundling->container->bundling = NULL;
    bundling->done(error, bundling->user_data);
    bundling_free(bundling);
}

void
coco_guest_container_write_bundle(CocoGuestContainer *container, Grpc__Spec *spec,
                                  CocoGuestContainerDone done, void *user_data)
{
    CocoBundling *bundling = g_new0(CocoBundling, 1);
    char *name = g_strdup_printf("container %s: look up its files", container->id);
    const CocoChildWork work = { name, TIMEOUT_S, write_in_child, bundling };
    g_autoptr(GError) error = NULL;

    *bundling = (CocoBundling){ container, spec, name, NULL, done, user_data };
    bundling->run =
        coco_child_work_run(container->host->reaper, &work, on_written, bundling, &error);
    if (bundling->run != NULL) {
        container->bundling = bundling;
        return;
    }
    bundling_free(bundling);
    done(error, user_data);
}

void
coco_guest_container_cancel_bundle(CocoGuestContainer *container)
{
    if (container->bundling != NULL)
        coco_child_work_cancel(container->bundling->run);
}
