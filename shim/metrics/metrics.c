// SPDX-License-Identifier: Apache-2.0
/*
 * Agent statistics -> Any of the host's cgroup version, and the parts that both versions share. The
 * kernel's files call most memory statistics the same in v1 and v2, and containerd's messages call
 * their fields after them; where the three differ is the table below.
 */
#include "shim/metrics/metrics.h"

#include <string.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "guest-protocol/proto/pb.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "shim/metrics/metrics-private.h"

#define V1_TOTAL "total_" /* v1: the same number with the children's */

/* clang-format off */
static const struct {
    const char *v2_key;
    const char *v1_key;
    const char *v1_field; /* of containerd's message; v2's are named after the key */
} memory_names[] = {
    { "anon",           "rss",         "rss" },
    { "anon_thp",       "rss_huge",    "rss_huge" },
    { "file",           "cache",       "cache" },
    { "file_mapped",    "mapped_file", "mapped_file" },
    { "file_dirty",     "dirty",       "dirty" },
    { "file_writeback", "writeback",   "writeback" },
    { "pgpgin",         "pgpgin",      "pg_pg_in" },
    { "pgpgout",        "pgpgout",     "pg_pg_out" },
    { "pgfault",        "pgfault",     "pg_fault" },
    { "pgmajfault",     "pgmajfault",  "pg_maj_fault" },
};
/* clang-format on */

CocoMetricsVersion
coco_metrics_host_version(void)
{
    struct statfs fs;

    if (statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
        return COCO_METRICS_V2;
    return COCO_METRICS_V1;
}

void *
coco_metrics_new_message(const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message = g_malloc0(descriptor->sizeof_message);

    protobuf_c_message_init(descriptor, message);
    return message;
}

size_t
coco_metrics_bounded(size_t n)
{
    return MIN(n, COCO_METRICS_MAX_ENTRIES);
}

bool
coco_metrics_find_stat(const Grpc__MemoryStats *memory, const char *key, uint64_t *out_value)
{
    for (size_t i = 0; i < coco_metrics_bounded(memory->n_stats); i++) {
        if (strcmp(memory->stats[i]->key, key) == 0) {
            *out_value = memory->stats[i]->value;
            return true;
        }
    }
    return false;
}

uint64_t
coco_metrics_get_stat(const Grpc__MemoryStats *memory, const char *key)
{
    uint64_t value = 0;

    (void) coco_metrics_find_stat(memory, key, &value);
    return value;
}

/* name: of a field without "total_". */
static uint64_t
memory_value(const Grpc__MemoryStats *memory, const char *name)
{
    const char *v2_key = name;
    const char *v1_key = name;
    g_autofree char *v1_total = NULL;
    uint64_t value;

    for (size_t i = 0; i < G_N_ELEMENTS(memory_names); i++) {
        if (strcmp(memory_names[i].v2_key, name) == 0 ||
            strcmp(memory_names[i].v1_field, name) == 0) {
            v2_key = memory_names[i].v2_key;
            v1_key = memory_names[i].v1_key;
        }
    }
    v1_total = g_strconcat(V1_TOTAL, v1_key, NULL);
    if (coco_metrics_find_stat(memory, v1_total, &value) ||
        coco_metrics_find_stat(memory, v2_key, &value) ||
        coco_metrics_find_stat(memory, v1_key, &value))
        return value;
    return 0;
}

void
coco_metrics_fill_memory(ProtobufCMessage *message, const Grpc__MemoryStats *memory)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;

    for (unsigned int i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const char *name = field->name;

        if (field->type != PROTOBUF_C_TYPE_UINT64)
            continue;
        if (g_str_has_prefix(name, V1_TOTAL))
            name += strlen(V1_TOTAL);
        *(uint64_t *) (void *) ((uint8_t *) message + field->offset) = memory_value(memory, name);
    }
}

ProtobufCMessage **
coco_metrics_to_network(const Grpc__StatsContainerResponse *stats,
                        const ProtobufCMessageDescriptor *type, size_t *out_n)
{
    const ProtobufCMessageDescriptor *source_type = &grpc__network_stats__descriptor;
    size_t n = coco_metrics_bounded(stats->n_network_stats);
    ProtobufCMessage **result = g_new0(ProtobufCMessage *, n);

    for (size_t i = 0; i < n; i++) {
        const Grpc__NetworkStats *source = stats->network_stats[i];

        result[i] = coco_metrics_new_message(type);
        for (unsigned int f = 0; f < source_type->n_fields; f++) {
            const void *from = (const uint8_t *) source + source_type->fields[f].offset;
            void *to = (uint8_t *) result[i] + type->fields[f].offset;

            if (type->fields[f].type == PROTOBUF_C_TYPE_STRING)
                *(char **) to = g_utf8_make_valid(*(const char *const *) from, -1);
            else
                *(uint64_t *) to = *(const uint64_t *) from;
        }
    }
    *out_n = n;
    return result;
}

bool
coco_metrics_pack(const Grpc__StatsContainerResponse *stats, CocoMetricsVersion version,
                  Google__Protobuf__Any **out_any, GError **error)
{
    g_autoptr(ProtobufCMessage) metrics = NULL;
    Google__Protobuf__Any *any;

    if (stats->cgroup_stats == NULL) {
        g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INTERNAL,
                    "read statistics: the agent sent none of the cgroup");
        return false;
    }
    metrics = version == COCO_METRICS_V1 ? coco_metrics_to_v1(stats) : coco_metrics_to_v2(stats);
    any = coco_metrics_new_message(&google__protobuf__any__descriptor);
    any->type_url = g_strdup(metrics->descriptor->name);
    any->value.len = protobuf_c_message_get_packed_size(metrics);
    any->value.data = g_malloc(any->value.len);
    protobuf_c_message_pack(metrics, any->value.data);
    *out_any = any;
    return true;
}
