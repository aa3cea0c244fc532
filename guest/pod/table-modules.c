// SPDX-License-Identifier: Apache-2.0
/*
 * Only the modules that the others hang on: these ask the kernel for tables, matches and targets,
 * and the kernel for theirs.
 */
#include "guest/pod/table-modules.h"

#include <string.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/modules.h"

#define CAPABILITY "CAP_NET_ADMIN"
#define TIMEOUT_S 60

bool
coco_table_modules_are_wanted(const Grpc__Spec *spec)
{
    const Grpc__LinuxCapabilities *capabilities =
        spec != NULL && spec->process != NULL ? spec->process->capabilities : NULL;

    for (size_t i = 0; capabilities != NULL && i < capabilities->n_bounding; i++) {
        if (strcmp(capabilities->bounding[i], CAPABILITY) == 0)
            return true;
    }
    return false;
}

static char *
load_in_child(void *data, GError **error)
{
    static const char *const names[] = { "ip_tables", "ip6_tables" };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) cause = NULL;

        if (!coco_modules_load_demanded(names[i], "", &cause) &&
            cause->code != COCO_TTRPC_NOT_FOUND)
            g_message("%s", cause->message);
    }
    return g_strdup("");
}

static void
on_loaded(const char *text, const GError *error, void *user_data)
{
    if (error != NULL)
        g_message("%s", error->message);
}

void
coco_table_modules_queue(CocoChildQueue *queue)
{
    const CocoChildWork work = { "load modules of tables", TIMEOUT_S, load_in_child, NULL };

    coco_child_queue_add(queue, &work, on_loaded, NULL);
}
