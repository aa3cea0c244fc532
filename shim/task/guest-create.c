// SPDX-License-Identifier: Apache-2.0
/*
 * One call without a deadline of its own, and a timer beside it.
 */
#include "shim/task/guest-create.h"

#define REMOVE_TIMEOUT_S 30

typedef struct {
    CocoPod *pod;
    char *id;
    unsigned int timeout_s;
    unsigned int source;
    GAsyncReadyCallback callback; /* NULL: it was told that time is over */
    void *user_data;
} Creation;

static gboolean
on_timeout(void *user_data)
{
    Creation *creation = user_data;
    GAsyncReadyCallback callback = g_steal_pointer(&creation->callback);

    creation->source = 0;
    g_task_report_new_error(NULL, callback, creation->user_data, NULL, COCO_TTRPC_ERROR,
                            COCO_TTRPC_DEADLINE_EXCEEDED, "no answer within %u s",
                            creation->timeout_s);
    return G_SOURCE_REMOVE;
}

static void
remove_late(CocoPod *pod, const char *id)
{
    CocoAgentCall call = coco_pod_call_of_agent(pod, REMOVE_TIMEOUT_S, NULL, NULL);

    g_message("container %s came after its Create had given up, and is removed", id);
    coco_agent_remove_container(&call, id);
}

static void
on_answer(GObject *source, GAsyncResult *result, void *user_data)
{
    Creation *creation = user_data;

    if (creation->callback != NULL) {
        creation->callback(source, result, creation->user_data);
    } else {
        g_autoptr(ProtobufCMessage) reply = coco_ttrpc_client_call_finish(result, NULL);

        if (reply != NULL)
            remove_late(creation->pod, creation->id);
    }
    g_clear_handle_id(&creation->source, g_source_remove);
    g_free(creation->id);
    g_free(creation);
}

void
coco_guest_create(CocoPod *pod, const CocoAgentContainer *container, unsigned int timeout_s,
                  GAsyncReadyCallback callback, void *user_data)
{
    Creation *creation = g_new0(Creation, 1);
    CocoAgentCall call = coco_pod_call_of_agent(pod, 0, on_answer, creation);

    creation->pod = pod;
    creation->id = g_strdup(container->id);
    creation->timeout_s = timeout_s;
    creation->callback = callback;
    creation->user_data = user_data;
    creation->source = g_timeout_add_seconds(timeout_s, on_timeout, creation);
    coco_agent_create_container(&call, container);
}
