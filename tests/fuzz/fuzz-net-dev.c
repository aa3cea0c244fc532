// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes the parser of /proc/net/dev: whatever it finds is a bounded list that makes a valid
 * message, without the loopback.
 */
#include <string.h>

#include "guest-protocol/proto/pb.h"
#include "guest/system/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *) data, size);
    Grpc__StatsContainerResponse response = GRPC__STATS_CONTAINER_RESPONSE__INIT;
    g_autofree uint8_t *packed = NULL;
    size_t length;

    response.network_stats = coco_network_parse(text, &response.n_network_stats);
    g_assert_cmpuint(response.n_network_stats, <=, COCO_NETWORK_MAX_INTERFACES);
    for (size_t i = 0; i < response.n_network_stats; i++)
        g_assert_cmpstr(response.network_stats[i]->name, !=, "lo");
    length = protobuf_c_message_get_packed_size(&response.base);
    packed = g_malloc(length + 1);
    (void) protobuf_c_message_pack(&response.base, packed);
    g_assert_true(coco_pb_check(&grpc__stats_container_response__descriptor, packed, length, NULL));
    coco_network_stats_free(response.network_stats, response.n_network_stats);
    return 0;
}
