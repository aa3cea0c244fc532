// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes the conversion of guest statistics: any StatsContainerResponse that a guest may send
 * becomes metrics of both cgroup versions which containerd can unpack.
 */
#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/proto/task-pb.h"
#include "shim/metrics/metrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const Grpc__StatsContainerResponse *stats, CocoMetricsVersion version,
      const ProtobufCMessageDescriptor *type)
{
    g_autoptr(Google__Protobuf__Any) any = NULL;
    g_autoptr(GError) error = NULL;

    if (!coco_metrics_pack(stats, version, &any, &error)) {
        g_assert_null(stats->cgroup_stats);
        return;
    }
    g_assert_cmpstr(any->type_url, ==, type->name);
    g_assert_true(coco_pb_check(type, any->value.data, any->value.len, &error));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(ProtobufCMessage) message =
        coco_pb_unpack(&grpc__stats_container_response__descriptor, data, size, NULL);

    if (message == NULL)
        return 0;
    check((const Grpc__StatsContainerResponse *) message, COCO_METRICS_V1,
          &io__containerd__cgroups__v1__metrics__descriptor);
    check((const Grpc__StatsContainerResponse *) message, COCO_METRICS_V2,
          &io__containerd__cgroups__v2__metrics__descriptor);
    return 0;
}
