// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes the messages of the agent protocol and containerd's. The first byte picks the type, the
 * rest is unpacked as that. What is accepted must pack, and pack to the same bytes once more after
 * unpacking them.
 */
#include <string.h>

#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/proto/task-pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A new type goes to the end: the corpus names types by their place. */
static const ProtobufCMessageDescriptor *const types[] = {
    &grpc__create_container_request__descriptor,
    &grpc__start_container_request__descriptor,
    &grpc__remove_container_request__descriptor,
    &grpc__exec_process_request__descriptor,
    &grpc__signal_process_request__descriptor,
    &grpc__wait_process_request__descriptor,
    &grpc__wait_process_response__descriptor,
    &grpc__update_container_request__descriptor,
    &grpc__stats_container_request__descriptor,
    &grpc__pause_container_request__descriptor,
    &grpc__resume_container_request__descriptor,
    &grpc__cpu_usage__descriptor,
    &grpc__throttling_data__descriptor,
    &grpc__cpu_stats__descriptor,
    &grpc__pids_stats__descriptor,
    &grpc__memory_data__descriptor,
    &grpc__memory_stats__descriptor,
    &grpc__blkio_stats__descriptor,
    &grpc__hugetlb_stats__descriptor,
    &grpc__cgroup_stats__descriptor,
    &grpc__network_stats__descriptor,
    &grpc__stats_container_response__descriptor,
    &grpc__write_stream_request__descriptor,
    &grpc__write_stream_response__descriptor,
    &grpc__read_stream_request__descriptor,
    &grpc__read_stream_response__descriptor,
    &grpc__close_stdin_request__descriptor,
    &grpc__tty_win_resize_request__descriptor,
    &grpc__kernel_module__descriptor,
    &grpc__create_sandbox_request__descriptor,
    &grpc__destroy_sandbox_request__descriptor,
    &grpc__remove_stale_virtiofs_share_mounts_request__descriptor,
    &grpc__interfaces__descriptor,
    &grpc__routes__descriptor,
    &grpc__update_interface_request__descriptor,
    &grpc__update_routes_request__descriptor,
    &grpc__update_ephemeral_mounts_request__descriptor,
    &grpc__list_interfaces_request__descriptor,
    &grpc__list_routes_request__descriptor,
    &grpc__arpneighbors__descriptor,
    &grpc__add_arpneighbors_request__descriptor,
    &grpc__get_iptables_request__descriptor,
    &grpc__get_iptables_response__descriptor,
    &grpc__set_iptables_request__descriptor,
    &grpc__set_iptables_response__descriptor,
    &grpc__online_cpumem_request__descriptor,
    &grpc__reseed_random_dev_request__descriptor,
    &grpc__agent_details__descriptor,
    &grpc__guest_details_request__descriptor,
    &grpc__guest_details_response__descriptor,
    &grpc__mem_hotplug_by_probe_request__descriptor,
    &grpc__set_guest_date_time_request__descriptor,
    &grpc__fsgroup__descriptor,
    &grpc__shared_mount__descriptor,
    &grpc__storage__descriptor,
    &grpc__device__descriptor,
    &grpc__string_user__descriptor,
    &grpc__copy_file_request__descriptor,
    &grpc__get_oomevent_request__descriptor,
    &grpc__oomevent__descriptor,
    &grpc__add_swap_request__descriptor,
    &grpc__add_swap_path_request__descriptor,
    &grpc__get_metrics_request__descriptor,
    &grpc__metrics__descriptor,
    &grpc__volume_stats_request__descriptor,
    &grpc__resize_volume_request__descriptor,
    &grpc__set_policy_request__descriptor,
    &grpc__get_diagnostic_data_request__descriptor,
    &grpc__get_diagnostic_data_response__descriptor,
    &grpc__mem_agent_memcg_config__descriptor,
    &grpc__mem_agent_compact_config__descriptor,
    &grpc__volume_stats_response__descriptor,
    &grpc__volume_usage__descriptor,
    &grpc__volume_condition__descriptor,
    &grpc__check_request__descriptor,
    &grpc__health_check_response__descriptor,
    &grpc__version_check_response__descriptor,
    &grpc__spec__descriptor,
    &grpc__process__descriptor,
    &containerd__task__v2__create_task_request__descriptor,
    &containerd__task__v2__delete_request__descriptor,
    &containerd__task__v2__exec_process_request__descriptor,
    &containerd__task__v2__resize_pty_request__descriptor,
    &containerd__task__v2__state_request__descriptor,
    &containerd__task__v2__kill_request__descriptor,
    &containerd__task__v2__close_iorequest__descriptor,
    &containerd__task__v2__pids_request__descriptor,
    &containerd__task__v2__checkpoint_task_request__descriptor,
    &containerd__task__v2__update_task_request__descriptor,
    &containerd__task__v2__start_request__descriptor,
    &containerd__task__v2__wait_request__descriptor,
    &containerd__task__v2__stats_request__descriptor,
    &containerd__task__v2__connect_request__descriptor,
    &containerd__task__v2__shutdown_request__descriptor,
    &containerd__task__v2__pause_request__descriptor,
    &containerd__task__v2__resume_request__descriptor,
    &containerd__runtime__bootstrap__v1__extension__descriptor,
    &containerd__runtime__bootstrap__v1__bootstrap_params__descriptor,
    &containerd__runtime__bootstrap__v1__bootstrap_result__descriptor,
    &runtimeoptions__v1__options__descriptor,
    &containerd__services__events__ttrpc__v1__forward_request__descriptor,
    &io__containerd__cgroups__v1__metrics__descriptor,
    &io__containerd__cgroups__v2__metrics__descriptor,
    &coco__forward_connect_request__descriptor,
    &coco__forward_connect_response__descriptor,
    &coco__forward_read_request__descriptor,
    &coco__forward_read_response__descriptor,
    &coco__forward_write_request__descriptor,
    &coco__forward_close_request__descriptor,
};

static uint8_t *
pack(const ProtobufCMessage *message, size_t *out_length)
{
    uint8_t *bytes;

    *out_length = protobuf_c_message_get_packed_size(message);
    bytes = g_malloc(*out_length + 1);
    g_assert(protobuf_c_message_pack(message, bytes) == *out_length);
    return bytes;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) first = NULL;
    g_autoptr(ProtobufCMessage) second = NULL;
    g_autofree uint8_t *bytes = NULL;
    g_autofree uint8_t *again = NULL;
    const ProtobufCMessageDescriptor *type;
    size_t length, again_length;

    if (size == 0)
        return 0;
    type = types[data[0] % G_N_ELEMENTS(types)];
    first = coco_pb_unpack(type, data + 1, size - 1, &error);
    g_assert((first == NULL) == (error != NULL));
    if (first == NULL)
        return 0;
    bytes = pack(first, &length);
    second = coco_pb_unpack(type, bytes, length, &error);
    g_assert_no_error(error);
    again = pack(second, &again_length);
    g_assert(length == again_length && memcmp(bytes, again, length) == 0);
    return 0;
}
