// SPDX-License-Identifier: Apache-2.0
/*
 * Times as containerd reads them.
 *
 * Ownership: fills a message of the caller.
 * Thread: any.
 */
#pragma once

#include <stdint.h>

#include "guest-protocol/proto/task-pb.h"

/* Seconds of Go's zero time, 0001-01-01: what "has not happened" looks like to Go clients. An
 * absent field would be shown as 1970. */
#define COCO_TIMESTAMP_GO_ZERO INT64_C(-62135596800)

/* time_us: microseconds since the epoch; 0 gives Go's zero time. */
static inline void
coco_timestamp_set(Google__Protobuf__Timestamp *timestamp, int64_t time_us)
{
    google__protobuf__timestamp__init(timestamp);
    timestamp->seconds = time_us != 0 ? time_us / 1000000 : COCO_TIMESTAMP_GO_ZERO;
    timestamp->nanos = time_us != 0 ? (int32_t) (time_us % 1000000 * 1000) : 0;
}
