// SPDX-License-Identifier: Apache-2.0
/*
 * Every limit on what comes from the other side of a wire, in one place, and the few constants of
 * the loop. What a peer says is compared with one of these before anything is allocated or computed
 * from it.
 *
 * Ownership: constants.
 * Thread: any.
 */
#pragma once

/* ---- JSON (bounded-json.c, oci-json.c) ----
 * A pod of Kubernetes gets some seven environment variables for each service of its namespace, so
 * tens of thousands of values are real; what is sent on must fit a ttrpc message anyway. */
#define COCO_JSON_MAX_SIZE (8 << 20)
#define COCO_JSON_MAX_STRING (1 << 20)
#define COCO_JSON_MAX_VALUES (128 << 10)
#define COCO_JSON_MAX_DEPTH 32

/* ---- ttrpc, protobuf, streams, transports ---- */
/* Wire format of ttrpc (containerd/ttrpc channel.go): both are fixed, Go peers have the same. */
#define COCO_TTRPC_HEADER_SIZE 10u
#define COCO_TTRPC_MAX_PAYLOAD (4u << 20)

/* What one read asks for. A longer frame makes the buffer grow, but only by as much as has arrived
 * already. */
#define COCO_TTRPC_READ_CHUNK (64u << 10)

/* Reads from one descriptor before the other sources of the loop get their turn. */
#define COCO_STREAM_READS_PER_TURN 8u

/* Buffers handed to one writev. */
#define COCO_STREAM_MAX_IOV 16u

/* Answers queued for a peer that does not read them: above this its requests are not read either,
 * below half of it they are again. */
#define COCO_TTRPC_MAX_QUEUED_REPLIES (8u << 20)

/* Requests queued for a server that does not read them: above this a call fails with
 * RESOURCE_EXHAUSTED. */
#define COCO_TTRPC_MAX_QUEUED_REQUESTS (64u << 20)

/* Calls that one connection may have unanswered (each Wait is one), and the bytes of their
 * requests. */
#define COCO_TTRPC_MAX_OPEN_CALLS 4096u
#define COCO_TTRPC_MAX_HELD_REQUESTS (64u << 20)

/* Request fields. */
#define COCO_TTRPC_MAX_NAME 512u
#define COCO_TTRPC_MAX_METADATA 128u

/* Text of an error, both ways; the rest is cut off. */
#define COCO_TTRPC_MAX_STATUS_TEXT (16u << 10)

/* Memory that unpacking one message may take. Two bytes on the wire can become a hundred in memory,
 * so 4 MiB of empty strings would be 200 MiB without this. */
#define COCO_PB_MAX_UNPACKED (64u << 20)
#define COCO_PB_MAX_DEPTH 32u

/* Pause before accepting again when descriptors or memory ran out, in milliseconds. */
#define COCO_TTRPC_ACCEPT_PAUSE_MS 100u

/* Connections accepted before the other sources of the loop get their turn. */
#define COCO_TTRPC_ACCEPTS_PER_TURN 16u

/* Pause between two tries to connect to a guest that does not listen yet, in milliseconds, and the
 * most one try may take (a vsock connect to a guest without driver can hang until its own timeout).
 */
#define COCO_TRANSPORT_RETRY_MS 10u
#define COCO_TRANSPORT_TRY_MS 1000u
