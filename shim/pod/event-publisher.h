// SPDX-License-Identifier: Apache-2.0
/*
 * Sends the shim's events (TaskExit and the like) to containerd, in the order in which they were
 * published and each at least once. Publishing never waits: events queue up while containerd is
 * slow or away and are sent when it is back. Over COCO_EVENT_QUEUE_MAX of them the oldest is
 * dropped and counted.
 *
 * Ownership: as each function says. Freeing the publisher drops what was not sent; flush first.
 * Thread: the main context.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <glib.h>
#include <protobuf-c/protobuf-c.h>

#define COCO_EVENT_QUEUE_MAX 2048 /* as the Go shims' */

typedef struct _CocoEventPublisher CocoEventPublisher;

/* Runs from the main loop, never in the call that asked for it. The publisher may be freed in it.
 */
typedef void (*CocoEventFlushedFunc)(void *user_data);

/* ttrpc_address: TTRPC_ADDRESS, a path or unix://PATH; NULL or "" makes a publisher that discards
 * all. ns: the containerd namespace of all events. Nothing is connected before the first event. */
CocoEventPublisher *coco_event_publisher_new(const char *ttrpc_address, const char *ns);
void coco_event_publisher_free(CocoEventPublisher *publisher);

/* topic: "/tasks/exit". event: (transfer none), of package containerd.events, packed before this
 * returns with the present time. */
void coco_event_publisher_publish(CocoEventPublisher *publisher, const char *topic,
                                  const ProtobufCMessage *event);

/* Calls back once all events published so far and until then are with containerd, or when
 * timeout_us has passed; a containerd whose socket is not there is not waited for. One flush at a
 * time. */
void coco_event_publisher_flush_async(CocoEventPublisher *publisher, int64_t timeout_us,
                                      CocoEventFlushedFunc callback, void *user_data);

/* Events that wait or are under way, and events lost for good. */
size_t coco_event_publisher_get_n_pending(const CocoEventPublisher *publisher);
uint64_t coco_event_publisher_get_n_dropped(const CocoEventPublisher *publisher);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoEventPublisher, coco_event_publisher_free)
