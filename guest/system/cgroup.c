// SPDX-License-Identifier: Apache-2.0
/*
 * Parsing of cgroup2's files ("key value" lines, io.stat's "major:minor key=value…" lines). The
 * kernel writes them, so the format is trusted, but a line that does not fit is skipped rather than
 * believed.
 *
 * Source: Documentation/admin-guide/cgroup-v2.rst.
 */
#include "guest/system/cgroup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/kernel-file.h"

#define UNLIMITED UINT64_MAX

typedef void (*PairFunc)(const char *key, uint64_t value, void *user_data);

static char *
read_file(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

static bool
write_file(const char *directory, const char *name, const char *text, GError **error)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);

    return coco_kernel_file_write(path, text, error);
}

static void
for_each_pair(const char *directory, const char *name, PairFunc func, void *user_data)
{
    g_autofree char *text = read_file(directory, name);
    g_auto(GStrv) lines = text != NULL ? g_strsplit(text, "\n", -1) : NULL;

    for (size_t i = 0; lines != NULL && lines[i] != NULL; i++) {
        char *space = strchr(lines[i], ' ');

        if (space == NULL)
            continue;
        *space = '\0';
        func(lines[i], g_ascii_strtoull(space + 1, NULL, 10), user_data);
    }
}

/* A file with one number or "max". */
static uint64_t
read_number(const char *directory, const char *name)
{
    g_autofree char *text = read_file(directory, name);

    if (text == NULL)
        return 0;
    return g_str_has_prefix(text, "max") ? UNLIMITED : g_ascii_strtoull(text, NULL, 10);
}

bool
coco_cgroup_enable_controllers(const char *directory, GError **error)
{
    g_autofree char *text = read_file(directory, "cgroup.controllers");
    g_auto(GStrv) names = NULL;
    g_autoptr(GString) wanted = g_string_new(NULL);

    if (text == NULL)
        return coco_ttrpc_failed(error, COCO_TTRPC_INTERNAL, "'%s' is not a cgroup2", directory);
    names = g_strsplit(g_strstrip(text), " ", -1);
    for (size_t i = 0; names[i] != NULL; i++) {
        if (*names[i] != '\0')
            g_string_append_printf(wanted, "+%s ", names[i]);
    }
    return wanted->len == 0 || write_file(directory, "cgroup.subtree_control", wanted->str, error);
}

static void
on_cpu_pair(const char *key, uint64_t value, void *user_data)
{
    const Grpc__CpuStats *cpu = user_data;
    const struct {
        const char *key;
        uint64_t *field;
        uint64_t factor;
    } fields[] = {
        { "usage_usec", &cpu->cpu_usage->total_usage, 1000 },
        { "user_usec", &cpu->cpu_usage->usage_in_usermode, 1000 },
        { "system_usec", &cpu->cpu_usage->usage_in_kernelmode, 1000 },
        { "nr_periods", &cpu->throttling_data->periods, 1 },
        { "nr_throttled", &cpu->throttling_data->throttled_periods, 1 },
        { "throttled_usec", &cpu->throttling_data->throttled_time, 1000 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (strcmp(key, fields[i].key) == 0)
            *fields[i].field = value * fields[i].factor;
    }
}

static Grpc__CpuStats *
cpu_stats(const char *directory)
{
    Grpc__CpuStats *cpu = g_new(Grpc__CpuStats, 1);

    grpc__cpu_stats__init(cpu);
    cpu->cpu_usage = g_new(Grpc__CpuUsage, 1);
    grpc__cpu_usage__init(cpu->cpu_usage);
    cpu->throttling_data = g_new(Grpc__ThrottlingData, 1);
    grpc__throttling_data__init(cpu->throttling_data);
    for_each_pair(directory, "cpu.stat", on_cpu_pair, cpu);
    return cpu;
}

typedef struct {
    Grpc__MemoryStats *memory;
    GPtrArray *entries;
    const char *prefix;
} MemoryReader;

static void
on_memory_pair(const char *key, uint64_t value, void *user_data)
{
    const MemoryReader *reader = user_data;
    Grpc__MemoryStats__StatsEntry *entry = g_new(Grpc__MemoryStats__StatsEntry, 1);

    grpc__memory_stats__stats_entry__init(entry);
    entry->key = g_strconcat(reader->prefix, key, NULL);
    entry->value = value;
    g_ptr_array_add(reader->entries, entry);
    if (strcmp(entry->key, "file") == 0)
        reader->memory->cache = value;
    if (strcmp(entry->key, "kernel") == 0)
        reader->memory->kernel_usage->usage = value;
    if (strcmp(entry->key, "events.max") == 0)
        reader->memory->usage->failcnt = value;
}

static Grpc__MemoryData *
memory_data(uint64_t usage, uint64_t limit, uint64_t peak)
{
    Grpc__MemoryData *data = g_new(Grpc__MemoryData, 1);

    grpc__memory_data__init(data);
    data->usage = usage;
    data->limit = limit;
    data->max_usage = peak;
    return data;
}

static Grpc__MemoryStats *
memory_stats(const char *directory)
{
    Grpc__MemoryStats *memory = g_new(Grpc__MemoryStats, 1);
    MemoryReader reader = { memory, g_ptr_array_new(), "" };

    grpc__memory_stats__init(memory);
    memory->use_hierarchy = true;
    memory->usage =
        memory_data(read_number(directory, "memory.current"), read_number(directory, "memory.max"),
                    read_number(directory, "memory.peak"));
    memory->swap_usage = memory_data(read_number(directory, "memory.swap.current"),
                                     read_number(directory, "memory.swap.max"), 0);
    memory->kernel_usage = memory_data(0, 0, 0);
    for_each_pair(directory, "memory.stat", on_memory_pair, &reader);
    reader.prefix = "events.";
    for_each_pair(directory, "memory.events", on_memory_pair, &reader);
    memory->n_stats = reader.entries->len;
    memory->stats = (Grpc__MemoryStats__StatsEntry **) g_ptr_array_free(reader.entries, FALSE);
    return memory;
}

static Grpc__PidsStats *
pids_stats(const char *directory)
{
    Grpc__PidsStats *pids = g_new(Grpc__PidsStats, 1);
    uint64_t limit = read_number(directory, "pids.max");

    grpc__pids_stats__init(pids);
    pids->current = read_number(directory, "pids.current");
    /* No limit is 0 in this message, as in Kata's agent. */
    pids->limit = limit == UNLIMITED ? 0 : limit;
    return pids;
}

static void
add_io(GPtrArray *entries, unsigned int major, unsigned int minor, const char *op, uint64_t value)
{
    Grpc__BlkioStatsEntry *entry = g_new(Grpc__BlkioStatsEntry, 1);

    grpc__blkio_stats_entry__init(entry);
    entry->major = major;
    entry->minor = minor;
    entry->op = g_strdup(op);
    entry->value = value;
    g_ptr_array_add(entries, entry);
}

static void
parse_io_line(const char *line, GPtrArray *bytes, GPtrArray *operations)
{
    unsigned int major;
    unsigned int minor;
    g_auto(GStrv) words = g_strsplit(line, " ", -1);

    if (words[0] == NULL || sscanf(words[0], "%u:%u", &major, &minor) != 2)
        return;
    for (size_t i = 1; words[i] != NULL; i++) {
        char *equals = strchr(words[i], '=');
        uint64_t value = equals != NULL ? g_ascii_strtoull(equals + 1, NULL, 10) : 0;

        if (g_str_has_prefix(words[i], "rbytes="))
            add_io(bytes, major, minor, "Read", value);
        else if (g_str_has_prefix(words[i], "wbytes="))
            add_io(bytes, major, minor, "Write", value);
        else if (g_str_has_prefix(words[i], "rios="))
            add_io(operations, major, minor, "Read", value);
        else if (g_str_has_prefix(words[i], "wios="))
            add_io(operations, major, minor, "Write", value);
    }
}

static Grpc__BlkioStats *
io_stats(const char *directory)
{
    g_autofree char *text = read_file(directory, "io.stat");
    g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "\n", -1);
    GPtrArray *bytes = g_ptr_array_new();
    GPtrArray *operations = g_ptr_array_new();
    Grpc__BlkioStats *io = g_new(Grpc__BlkioStats, 1);

    for (size_t i = 0; lines[i] != NULL; i++)
        parse_io_line(lines[i], bytes, operations);
    grpc__blkio_stats__init(io);
    io->n_io_service_bytes_recursive = bytes->len;
    io->io_service_bytes_recursive = (Grpc__BlkioStatsEntry **) g_ptr_array_free(bytes, FALSE);
    io->n_io_serviced_recursive = operations->len;
    io->io_serviced_recursive = (Grpc__BlkioStatsEntry **) g_ptr_array_free(operations, FALSE);
    return io;
}

Grpc__CgroupStats *
coco_cgroup_stats(const char *directory)
{
    Grpc__CgroupStats *stats = g_new(Grpc__CgroupStats, 1);

    grpc__cgroup_stats__init(stats);
    stats->cpu_stats = cpu_stats(directory);
    stats->memory_stats = memory_stats(directory);
    stats->pids_stats = pids_stats(directory);
    stats->blkio_stats = io_stats(directory);
    return stats;
}

bool
coco_cgroup_set_frozen(const char *directory, bool frozen, GError **error)
{
    return write_file(directory, "cgroup.freeze", frozen ? "1" : "0", error);
}

typedef struct {
    const char *key;
    uint64_t value;
} Wanted;

static void
on_wanted_pair(const char *key, uint64_t value, void *user_data)
{
    Wanted *wanted = user_data;

    if (strcmp(key, wanted->key) == 0)
        wanted->value = value;
}

bool
coco_cgroup_is_frozen(const char *directory)
{
    Wanted wanted = { "frozen", 0 };

    for_each_pair(directory, "cgroup.events", on_wanted_pair, &wanted);
    return wanted.value == 1;
}

bool
coco_cgroup_kill(const char *directory, GError **error)
{
    return write_file(directory, "cgroup.kill", "1", error);
}

bool
coco_cgroup_remove(const char *directory)
{
    g_autoptr(GDir) entries = NULL;
    const char *name;

    if (rmdir(directory) == 0 || errno == ENOENT)
        return true;
    entries = g_dir_open(directory, 0, NULL);
    while (entries != NULL && (name = g_dir_read_name(entries)) != NULL) {
        g_autofree char *path = g_build_filename(directory, name, NULL);

        if (g_file_test(path, G_FILE_TEST_IS_DIR) && !coco_cgroup_remove(path))
            return false;
    }
    return rmdir(directory) == 0;
}

uint64_t
coco_cgroup_oom_kills(const char *directory)
{
    Wanted wanted = { "oom_kill", 0 };

    for_each_pair(directory, "memory.events", on_wanted_pair, &wanted);
    return wanted.value;
}

static void
on_memory_stat(const char *key, uint64_t value, void *user_data)
{
    CocoCgroupMemory *memory = user_data;

    /* Not "file", which counts shared memory too. */
    if (strcmp(key, "inactive_file") == 0 || strcmp(key, "active_file") == 0 ||
        strcmp(key, "slab_reclaimable") == 0)
        memory->reclaimable += value;
    else if (strcmp(key, "workingset_refault_file") == 0)
        memory->refaults = value;
    else if (strcmp(key, "pgmajfault") == 0)
        memory->major_faults = value;
}

/* Adds the total of the line "full avg10=… avg60=… avg300=… total=MICROSECONDS". */
static bool
add_stall(const char *directory, const char *name, uint64_t *total)
{
    g_autofree char *text = read_file(directory, name);
    const char *line = text != NULL ? strstr(text, "full ") : NULL;
    const char *number = line != NULL ? strstr(line, "total=") : NULL;

    if (number == NULL)
        return false;
    *total += g_ascii_strtoull(number + strlen("total="), NULL, 10);
    return true;
}

bool
coco_cgroup_read_memory(const char *directory, CocoCgroupMemory *out_memory)
{
    CocoCgroupMemory memory = { 0 };
    Wanted hits = { "max", 0 };

    if (!add_stall(directory, "memory.pressure", &memory.stalled_us) ||
        !add_stall(directory, "io.pressure", &memory.stalled_us))
        return false;
    memory.usage = read_number(directory, "memory.current");
    memory.limit = read_number(directory, "memory.max");
    for_each_pair(directory, "memory.stat", on_memory_stat, &memory);
    for_each_pair(directory, "memory.events", on_wanted_pair, &hits);
    memory.limit_hits = hits.value;
    *out_memory = memory;
    return true;
}

bool
coco_cgroup_set_memory_limit(const char *directory, uint64_t limit, GError **error)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT "\n", limit);

    return write_file(directory, "memory.max", text, error);
}
