// SPDX-License-Identifier: Apache-2.0
/*
 * Scope types for protobuf-c messages: g_autoptr(Grpc__Spec) and the like.
 *
 * protobuf-c's generated free function takes an allocator as second argument, so a one-line adapter
 * is needed for each type. A message built by hand and freed this way must have all its strings,
 * bytes and arrays from malloc (g_strdup, g_new are malloc since GLib 2.46).
 *
 * Ownership: the variable owns the whole message tree.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>
#include <protobuf-c/protobuf-c.h>

#define COCO_PB_DEFINE_AUTOPTR(Type, prefix)                                                       \
    static inline void prefix##__auto_free(Type *msg)                                              \
    {                                                                                              \
        prefix##__free_unpacked(msg, NULL);                                                        \
    }                                                                                              \
    G_DEFINE_AUTOPTR_CLEANUP_FUNC(Type, prefix##__auto_free)

/* Frees any message through its descriptor; NULL is fine. */
static inline void
coco_pb_free(ProtobufCMessage *msg)
{
    if (msg != NULL)
        protobuf_c_message_free_unpacked(msg, NULL);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ProtobufCMessage, coco_pb_free)

/* Unpacks what a peer sent: strings must be UTF-8 without NUL, memory is bounded (limits.h). The
 * message (transfer full: coco_pb_free() or the type's own free), or NULL with error set
 * (COCO_TTRPC_ERROR, INVALID_ARGUMENT). */
ProtobufCMessage *coco_pb_unpack(const ProtobufCMessageDescriptor *type, const uint8_t *data,
                                 size_t length, GError **error);

/* The same with at most *budget bytes, which is what is left after it; what does not fit in is
 * RESOURCE_EXHAUSTED. */
ProtobufCMessage *coco_pb_unpack_within(const ProtobufCMessageDescriptor *type, const uint8_t *data,
                                        size_t length, size_t *budget, GError **error);

/* Only the check of coco_pb_unpack(): true if the bytes are fields and their strings UTF-8. */
bool coco_pb_check(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t length,
                   GError **error);
