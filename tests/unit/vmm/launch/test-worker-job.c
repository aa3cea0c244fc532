// SPDX-License-Identifier: Apache-2.0
/*
 * A job that was written is the job that is read, with its descriptors by name, and a wrong member
 * is named.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "vmm/config/vmm-error.h"
#include "vmm/domain/domain-xml.h"
#include "vmm/launch/worker-job.h"
#include "vmm/tee/tee-config.h"

/* Nobody's, so that whoever closes them does no harm. */
#define FIRST 100000

static CocoVmConfig *
config_of(const char *text)
{
    return coco_tee_config_parse("t.conf", text, strlen(text), NULL, NULL);
}

/* One disk, an interface with two queues and vhost, and QEMU's own network. */
static void
fill(CocoVmSpec *spec, const CocoVmConfig *config)
{
    coco_domain_spec_init(spec, config, COCO_ACCEL_TCG, COCO_TRANSPORT_CHANNEL);
    coco_vm_disks_add(&spec->disks, "/a/disk", true);
    spec->disks.items[0].is_device = true;
    spec->disks.items[0].fd = FIRST + 100;
    coco_vm_nics_add(&spec->nics, "02:00:00:00:00:01", 9000, 2, false);
    coco_vm_nics_add(&spec->nics, "02:00:00:00:00:02", 1500, 0, true);
    for (int queue = 0; queue < 2; queue++) {
        spec->nics.items[0].fds[queue] = FIRST + 110 + queue;
        spec->nics.items[0].vhost[queue] = FIRST + 120 + queue;
    }
}

static char *
text_of(CocoJobVerb verb, CocoVmSpec *spec, const unsigned int *slots, size_t n_slots)
{
    const CocoWorkerJob job = { .verb = verb,
                                .cache_dir = "/cache",
                                .qemu_uid = 77,
                                .spec = spec,
                                .slots = slots,
                                .n_slots = n_slots };

    return coco_worker_job_text(&job);
}

Test(worker_job, what_was_written_is_read)
{
    g_autoptr(CocoVmConfig) config = config_of("[vm]\ntee=none\n[host]\nqemu=/q\n");
    g_auto(CocoVmSpec) spec = { 0 };
    g_auto(CocoWorkerOrder) order = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) fds = NULL;
    g_autofree char *text = NULL;
    const CocoVmNic *nic;

    fill(&spec, config);
    text = text_of(COCO_JOB_START, &spec, NULL, 0);
    fds = coco_worker_job_descriptors(&(CocoWorkerJob){ .spec = &spec });
    cr_assert_eq(fds->len, 5);
    cr_assert_eq(g_array_index(fds, int, 0), FIRST + 100);
    cr_assert(coco_worker_order_parse(text, strlen(text), FIRST, &order, &error), "%s",
              error != NULL ? error->message : "");
    cr_assert_eq(order.job.verb, COCO_JOB_START);
    cr_assert_str_eq(order.job.cache_dir, "/cache");
    cr_assert_eq(order.job.qemu_uid, 77);
    cr_assert_eq(order.job.n_slots, 0);
    cr_assert_str_eq(coco_vm_config_string(order.job.spec->config, COCO_KEY_HOST_QEMU), "/q");
    cr_assert_eq(order.job.spec->disks.items[0].fd, FIRST);
    cr_assert(order.job.spec->disks.items[0].is_device);
    /* Each queue's tap and vhost, by whatever number they come. */
    nic = &order.job.spec->nics.items[0];
    for (unsigned int queue = 0; queue < 2; queue++) {
        cr_assert_eq(g_array_index(fds, int, nic->fds[queue] - FIRST), FIRST + 110 + (int) queue);
        cr_assert_eq(g_array_index(fds, int, nic->vhost[queue] - FIRST), FIRST + 120 + (int) queue);
    }
    cr_assert_eq(order.job.spec->nics.items[1].fds[0], -1);
}

Test(worker_job, slots)
{
    g_autoptr(CocoVmConfig) config = config_of("[vm]\ntee=none\n");
    g_auto(CocoVmSpec) spec = { 0 };
    g_auto(CocoWorkerOrder) order = { 0 };
    g_autofree char *text = NULL;

    coco_domain_spec_init(&spec, config, COCO_ACCEL_TCG, COCO_TRANSPORT_CHANNEL);
    text = text_of(COCO_JOB_DETACH, &spec, (unsigned int[]){ 3, 30 }, 2);
    cr_assert(coco_worker_order_parse(text, strlen(text), FIRST, &order, NULL));
    cr_assert_eq(order.job.verb, COCO_JOB_DETACH);
    cr_assert_eq(order.job.n_slots, 2);
    cr_assert_eq(order.job.slots[1], 30);
}

Test(worker_job, size)
{
    g_autoptr(CocoVmConfig) config = config_of("[vm]\ntee=none\n");
    g_auto(CocoVmSpec) spec = { 0 };
    static const struct {
        CocoVmSize size;
        bool fine;
    } rows[] = { { { 3, 0 }, true },  { { 1, 300 }, true },  { { 0, 512 }, true },
                 { { 4, 0 }, false }, { { 0, 513 }, false }, { { 0, 255 }, false },
                 { { 0, 0 }, false } };

    coco_domain_spec_init(&spec, config, COCO_ACCEL_TCG, COCO_TRANSPORT_CHANNEL);
    spec.max_vcpus = 3;
    spec.max_memory_mib = 512;
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        const CocoWorkerJob job = {
            .verb = COCO_JOB_RESIZE, .cache_dir = "/c", .spec = &spec, .size = rows[i].size
        };
        g_autofree char *text = coco_worker_job_text(&job);
        CocoWorkerOrder order;
        g_autoptr(GError) error = NULL;

        cr_assert_eq(coco_worker_order_parse(text, strlen(text), FIRST, &order, &error),
                     rows[i].fine, "row %zu", i);
        if (!rows[i].fine) {
            cr_assert(g_str_has_prefix(error->message, "read job: size: "), "%s", error->message);
            continue;
        }
        cr_assert_eq(order.job.size.memory_mib, rows[i].size.memory_mib);
        cr_assert_eq(order.spec.max_vcpus, 3);
        coco_worker_order_clear(&order);
    }
}

static void
expect_bad(const char *text, const char *message)
{
    CocoWorkerOrder order;
    g_autoptr(GError) error = NULL;

    cr_assert_not(coco_worker_order_parse(text, strlen(text), FIRST, &order, &error), "%s",
                  message);
    cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED));
    cr_assert(g_str_has_prefix(error->message, "read job: "), "%s", error->message);
    cr_assert_str_eq(error->message + strlen("read job: "), message);
    cr_assert_null(order.config);
}

Test(worker_job, a_wrong_member_is_named)
{
    static const struct {
        const char *from;
        const char *to;
        const char *message;
    } rows[] = {
        { "\"verb\":\"start\"", "\"verb\":\"stop\"",
          "verb: not one of start, attach, detach, resize" },
        { "\"cache_dir\":\"/cache\"", "\"cache_dir\":7", "cache_dir: not a text" },
        { "\"qemu_uid\":77", "\"qemu_uid\":-1", "qemu_uid: not a number from 0 to 2147483647" },
        { "\"spec\":{", "\"spe\":{", "spec: not an object" },
        { "\"memory_mib\":", "\"memory\":", "spec.memory_mib: not a number from 1 to 2147483647" },
        { "\"slots\":[]", "\"slots\":[1]", "slots: 1 to start 3 devices" },
        { "\"slots\":[],\"vcpus\":0", "\"slots\":[],\"vcpus\":-1",
          "vcpus: not a number from 0 to 2147483647" },
        { "\"slots\":[],\"vcpus\":0", "\"slots\":[],\"vcpus\":1",
          "size: 1 CPUs and 0 MiB to start a VM with room for 0 and 0" },
        { "\"slots\":[]", "\"slots\":[0]", "slots[0]: not a number from 1 to 30" },
        { "\"verb\":\"start\"", "\"verb\":\"attach\"", "slots: 0 to attach 3 devices" },
        { "\"descriptors\":[", "\"descriptors\":{},\"x\":[",
          "descriptors: not a list of at most 256" },
        { "[\"disk0\"", "[\"disk1\"", "descriptors: nothing is called, or twice, 'disk1'" },
        { "[\"disk0\"", "[1", "descriptors: nothing is called, or twice, ''" },
        { "[\"disk0\",", "[\"disk0\",\"disk0\",",
          "descriptors: nothing is called, or twice, 'disk0'" },
        { "[\"disk0\",", "[", "descriptors: no 'disk0'" },
        { ",\"nic0-tap1\"", "", "descriptors: no 'nic0-tap1'" },
        { ",\"nic0-vhost1\"", "", "descriptors: vhost for some queues only of 'nic0'" },
        { "\"descriptors\":[", "\"descriptors\":[[[[[[[[[[", "not one JSON document" },
    };
    g_autoptr(CocoVmConfig) config = config_of("[vm]\ntee=none\n");
    g_auto(CocoVmSpec) spec = { 0 };
    g_autofree char *text = NULL;

    fill(&spec, config);
    text = text_of(COCO_JOB_START, &spec, NULL, 0);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GString) broken = g_string_new(text);

        cr_assert_eq(g_string_replace(broken, rows[i].from, rows[i].to, 1), 1, "%s", rows[i].from);
        expect_bad(broken->str, rows[i].message);
    }
    expect_bad("", "not one JSON document");
}

Test(worker_job, it_is_read_from_a_descriptor_and_bounded)
{
    g_autofree char *spaces = g_strnfill(COCO_WORKER_JOB_MAX + 1, ' ');
    int fd = memfd_create("job", MFD_CLOEXEC);
    CocoWorkerOrder order;
    g_autoptr(GError) error = NULL;

    cr_assert_eq(write(fd, spaces, strlen(spaces)), (ssize_t) strlen(spaces));
    cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
    cr_assert_not(coco_worker_order_read(fd, &order, &error));
    cr_assert_str_eq(error->message, "read job: Message too long");
    g_clear_error(&error);
    cr_assert_eq(ftruncate(fd, 2), 0);
    cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
    cr_assert_not(coco_worker_order_read(fd, &order, &error));
    cr_assert_str_eq(error->message, "read job: not one JSON document");
}
