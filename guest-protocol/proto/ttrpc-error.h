// SPDX-License-Identifier: Apache-2.0
/*
 * The status codes that travel in a ttrpc Response (google.rpc.Code; the same numbers as gRPC's),
 * as a GError domain. Both ends use it: a server's handler fails a call with a code, a client's
 * call fails with the code that came, or with UNAVAILABLE when the connection died,
 * DEADLINE_EXCEEDED when the deadline passed and CANCELLED when its cancellable fired.
 *
 * Source: googleapis google/rpc/code.proto.
 * Ownership: nothing to own.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

typedef enum {
    COCO_TTRPC_OK = 0,
    COCO_TTRPC_CANCELLED = 1,
    COCO_TTRPC_UNKNOWN = 2,
    COCO_TTRPC_INVALID_ARGUMENT = 3,
    COCO_TTRPC_DEADLINE_EXCEEDED = 4,
    COCO_TTRPC_NOT_FOUND = 5,
    COCO_TTRPC_ALREADY_EXISTS = 6,
    COCO_TTRPC_PERMISSION_DENIED = 7,
    COCO_TTRPC_RESOURCE_EXHAUSTED = 8,
    COCO_TTRPC_FAILED_PRECONDITION = 9,
    COCO_TTRPC_ABORTED = 10,
    COCO_TTRPC_OUT_OF_RANGE = 11,
    COCO_TTRPC_UNIMPLEMENTED = 12,
    COCO_TTRPC_INTERNAL = 13,
    COCO_TTRPC_UNAVAILABLE = 14,
    COCO_TTRPC_DATA_LOSS = 15,
    COCO_TTRPC_UNAUTHENTICATED = 16,
} CocoTtrpcCode;

#define COCO_TTRPC_ERROR coco_ttrpc_error_quark()

GQuark coco_ttrpc_error_quark(void);

/* Sets an error of that code. Always returns false, for `return coco_ttrpc_failed(…)`. */
bool coco_ttrpc_failed(GError **error, CocoTtrpcCode code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
