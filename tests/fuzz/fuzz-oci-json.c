// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes OCI JSON in both directions. The first byte picks the type (s, p or r for spec, process,
 * resources), the rest is JSON. Whatever is accepted is written, read and written again: both texts
 * must be the same, which holds only if nothing is lost or changed between the two forms.
 */
#include <string.h>

#include "guest-protocol/oci/oci-json.h"
#include "guest-protocol/proto/agent-pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_ROUND_TRIP(Type, from_json, to_json)                                                  \
    {                                                                                              \
        g_autoptr(GError) error = NULL;                                                            \
        g_autoptr(Type) first = from_json((const char *) data, size, &error);                      \
        g_autoptr(Type) second = NULL;                                                             \
        g_autofree char *text = NULL;                                                              \
        g_autofree char *again = NULL;                                                             \
                                                                                                   \
        g_assert((first == NULL) == (error != NULL));                                              \
        if (first == NULL)                                                                         \
            return 0;                                                                              \
        text = to_json(first);                                                                     \
        second = from_json(text, strlen(text), &error);                                            \
        g_assert_no_error(error);                                                                  \
        g_assert_nonnull(second);                                                                  \
        again = to_json(second);                                                                   \
        g_assert_cmpstr(text, ==, again);                                                          \
        g_assert_true(packs_the_same(&first->base, &second->base));                                \
    }

static gboolean
packs_the_same(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    size_t size = protobuf_c_message_get_packed_size(a);
    g_autofree uint8_t *packed_a = g_malloc0(size + 1);
    g_autofree uint8_t *packed_b = NULL;

    if (protobuf_c_message_get_packed_size(b) != size)
        return FALSE;
    packed_b = g_malloc0(size + 1);
    protobuf_c_message_pack(a, packed_a);
    protobuf_c_message_pack(b, packed_b);
    return memcmp(packed_a, packed_b, size) == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    data++;
    size--;
    if (data[-1] == 's')
        FUZZ_ROUND_TRIP(Grpc__Spec, coco_oci_spec_from_json, coco_oci_spec_to_json)
    else if (data[-1] == 'p')
        FUZZ_ROUND_TRIP(Grpc__Process, coco_oci_process_from_json, coco_oci_process_to_json)
    else
        FUZZ_ROUND_TRIP(Grpc__LinuxResources, coco_oci_resources_from_json,
                        coco_oci_resources_to_json)
    return 0;
}
