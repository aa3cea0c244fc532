// SPDX-License-Identifier: Apache-2.0
/*
 * ttrpc's two messages, Request and Response (proto/ttrpc.proto), between their fields and a whole
 * frame. They are read and written by hand rather than with protobuf-c so that a payload is packed
 * straight into the frame and unpacked straight from the receive buffer.
 *
 * Ownership: encoded frames and decoded texts belong to the caller; a decoded payload points into
 * what was decoded. Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>
#include <protobuf-c/protobuf-c.h>

#include "guest-protocol/proto/ttrpc-error.h"

typedef struct {
    char *service;
    char *method;
    const uint8_t *payload;
    size_t payload_length;
    int64_t timeout_nano; /* 0: none; below 0: was over before it was sent */
    GPtrArray *metadata;  /* key, value, key, value…; keys in lower case; NULL if there is none */
} CocoTtrpcRequest;

typedef struct {
    uint32_t code; /* 0: success; else a CocoTtrpcCode, or a number we do not know */
    char *text;    /* NULL if none */
    const uint8_t *payload;
    size_t payload_length;
} CocoTtrpcResponse;

/* out: written on success; clear it. Errors: COCO_TTRPC_ERROR, INVALID_ARGUMENT. */
bool coco_ttrpc_request_decode(const uint8_t *data, size_t length, CocoTtrpcRequest *out,
                               GError **error);
bool coco_ttrpc_response_decode(const uint8_t *data, size_t length, CocoTtrpcResponse *out,
                                GError **error);
void coco_ttrpc_request_clear(CocoTtrpcRequest *request);
void coco_ttrpc_response_clear(CocoTtrpcResponse *response);

/* A whole frame, g_free(); NULL with error set: RESOURCE_EXHAUSTED over 4 MiB, INVALID_ARGUMENT if
 * a string in payload is not UTF-8. metadata: nullable, as above. payload: NULL stands for an empty
 * message. */
uint8_t *coco_ttrpc_request_encode(uint32_t stream_id, const char *service, const char *method,
                                   int64_t timeout_nano, const GPtrArray *metadata,
                                   const ProtobufCMessage *payload, size_t *out_length,
                                   GError **error);
uint8_t *coco_ttrpc_response_encode(uint32_t stream_id, const ProtobufCMessage *payload,
                                    size_t *out_length, GError **error);

/* A Response that says why it failed. Text is made UTF-8 and cut to COCO_TTRPC_MAX_STATUS_TEXT. */
uint8_t *coco_ttrpc_status_encode(uint32_t stream_id, CocoTtrpcCode code, const char *text,
                                  size_t *out_length);

/* What both sides say about a message over the limit. */
void coco_ttrpc_set_oversize_error(GError **error, size_t length);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoTtrpcRequest, coco_ttrpc_request_clear)
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoTtrpcResponse, coco_ttrpc_response_clear)
