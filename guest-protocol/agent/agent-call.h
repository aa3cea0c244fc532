// SPDX-License-Identifier: Apache-2.0
/*
 * The calls of the agent, a typed function each: what goes over the wire is filled in here and
 * nowhere else. Services grpc.AgentService and grpc.Health of Kata's agent, and coco.Forward of
 * ours.
 *
 * Each takes a CocoAgentCall, which says by whom and how: made anew for every call, borrowed while
 * the function runs. The callback finishes with coco_ttrpc_client_call_finish() and gets the
 * reply's message, for most of them google.protobuf.Empty. Without a connection the callback hears
 * UNAVAILABLE, and of an agent that is silent DEADLINE_EXCEEDED; it never runs before the function
 * has returned.
 *
 * An empty exec_id means the container's first process where the agent allows it; otherwise that
 * process has the container's id.
 *
 * Ownership: everything is borrowed and packed before the function returns.
 * Thread: the client's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/ttrpc/ttrpc-client.h"

typedef struct {
    CocoTtrpcClient *client;      /* nullable: the guest is gone */
    int64_t timeout_us;           /* 0: none */
    int64_t silence_us;           /* not 0: it has been silent for so long that nobody is asked */
    GCancellable *cancellable;    /* nullable */
    GAsyncReadyCallback callback; /* nullable: nobody asks how it went */
    void *user_data;
} CocoAgentCall;

/* A process by its container's id and its own. */
typedef struct {
    const char *container_id;
    const char *exec_id;
} CocoAgentProcess;

/* Is the agent there? HealthCheckResponse. */
void coco_agent_check(const CocoAgentCall *call);

typedef struct {
    const char *id;
    const char *hostname;
    char *const *dns; /* lines of resolv.conf, with a NULL at the end; nullable */
    Grpc__Storage *const *storages;
    size_t n_storages;
    bool shared_pidns;
} CocoAgentSandbox;

void coco_agent_create_sandbox(const CocoAgentCall *call, const CocoAgentSandbox *sandbox);
void coco_agent_destroy_sandbox(const CocoAgentCall *call);

typedef struct {
    const char *id;
    const Grpc__Spec *spec;
    bool sandbox_pidns;
    Grpc__Storage *const *storages;
    size_t n_storages;
} CocoAgentContainer;

void coco_agent_create_container(const CocoAgentCall *call, const CocoAgentContainer *container);
void coco_agent_start_container(const CocoAgentCall *call, const char *id);
void coco_agent_remove_container(const CocoAgentCall *call, const char *id);
void coco_agent_pause_container(const CocoAgentCall *call, const char *id);
void coco_agent_resume_container(const CocoAgentCall *call, const char *id);
void coco_agent_update_container(const CocoAgentCall *call, const char *id,
                                 const Grpc__LinuxResources *resources);
void coco_agent_stats_container(const CocoAgentCall *call,
                                const char *id); /* StatsContainerResponse */

void coco_agent_exec_process(const CocoAgentCall *call, const CocoAgentProcess *process,
                             const Grpc__Process *spec);
void coco_agent_signal_process(const CocoAgentCall *call, const CocoAgentProcess *process,
                               uint32_t signal);
void coco_agent_wait_process(const CocoAgentCall *call,
                             const CocoAgentProcess *process); /* WaitProcessResponse */
void coco_agent_resize(const CocoAgentCall *call, const CocoAgentProcess *process, uint32_t rows,
                       uint32_t columns);

typedef enum {
    COCO_AGENT_STDOUT,
    COCO_AGENT_STDERR,
} CocoAgentStream;

/* ReadStreamResponse of at most len bytes; WriteStreamResponse. */
void coco_agent_read_stream(const CocoAgentCall *call, const CocoAgentProcess *process,
                            CocoAgentStream stream, uint32_t len);
void coco_agent_write_stdin(const CocoAgentCall *call, const CocoAgentProcess *process,
                            const uint8_t *data, size_t len);
void coco_agent_close_stdin(const CocoAgentCall *call, const CocoAgentProcess *process);

/* Of the pod's network. Interface; Routes; Empty. */
void coco_agent_update_interface(const CocoAgentCall *call, const Types__Interface *interface);
void coco_agent_update_routes(const CocoAgentCall *call, const Grpc__Routes *routes);
void coco_agent_add_arp_neighbors(const CocoAgentCall *call, const Grpc__ARPNeighbors *neighbours);

/* Answers when a container has run out of memory. OOMEvent. */
void coco_agent_get_oom_event(const CocoAgentCall *call);

/* Connections to what listens in the guest, an extension of ours. ForwardConnectResponse;
 * ForwardReadResponse of at most len bytes; Empty. */
void coco_agent_forward_connect(const CocoAgentCall *call, uint32_t port);
void coco_agent_forward_read(const CocoAgentCall *call, uint64_t connection, uint32_t len);
void coco_agent_forward_write(const CocoAgentCall *call, uint64_t connection, const uint8_t *data,
                              size_t len);
void coco_agent_forward_close(const CocoAgentCall *call, uint64_t connection, bool half);
