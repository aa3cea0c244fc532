// SPDX-License-Identifier: Apache-2.0
/*
 * Numbers out of untrusted bytes and into tables. The caller has compared the length; alignment
 * does not matter.
 *
 * Ownership: nothing is owned.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <glib.h>

static inline uint16_t
coco_le16(const uint8_t *at)
{
    return (uint16_t) (at[0] | at[1] << 8);
}

static inline uint32_t
coco_le32(const uint8_t *at)
{
    return coco_le16(at) | (uint32_t) coco_le16(at + 2) << 16;
}

static inline uint64_t
coco_le64(const uint8_t *at)
{
    return coco_le32(at) | (uint64_t) coco_le32(at + 4) << 32;
}

static inline uint32_t
coco_be32(const uint8_t *at)
{
    return GUINT32_SWAP_LE_BE(coco_le32(at));
}

static inline uint64_t
coco_be64(const uint8_t *at)
{
    return GUINT64_SWAP_LE_BE(coco_le64(at));
}

static inline void
coco_put_le16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t) value;
    at[1] = (uint8_t) (value >> 8);
}

static inline void
coco_put_le32(uint8_t *at, uint32_t value)
{
    coco_put_le16(at, (uint16_t) value);
    coco_put_le16(at + 2, (uint16_t) (value >> 16));
}

static inline void
coco_put_le64(uint8_t *at, uint64_t value)
{
    coco_put_le32(at, (uint32_t) value);
    coco_put_le32(at + 4, (uint32_t) (value >> 32));
}

/* True when [offset, offset + part) lies within whole; nothing can overflow. */
static inline bool
coco_within(uint64_t whole, uint64_t offset, uint64_t part)
{
    return offset <= whole && part <= whole - offset;
}
