// SPDX-License-Identifier: Apache-2.0
/* shim/vm/pod-size.c: what limits come to, and whose they are. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "shim/vm/pod-size.h"

Test(pod_size, limits)
{
    static const struct {
        int64_t quota;
        uint64_t period;
        int64_t memory;
        unsigned int vcpus, memory_mib;
    } rows[] = {
        { 0, 0, 0, 0, 0 },
        { -1, 100000, -1, 0, 0 },
        { 200000, 100000, 512 << 20, 2, 512 },
        { 150000, 100000, 1, 2, 1 },
        { 1000, 100000, (64 << 20) + 1, 1, 65 },
        { 50000, 0, 0, 1, 0 },
        { INT64_MAX, 1, INT64_MAX, UINT32_MAX, UINT32_MAX },
        { INT64_MIN, UINT64_MAX, INT64_MIN, 0, 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        CocoPodSize size = coco_pod_size_of_limits(rows[i].quota, rows[i].period, rows[i].memory);

        cr_expect_eq(size.vcpus, rows[i].vcpus, "row %zu: %u", i, size.vcpus);
        cr_expect_eq(size.memory_mib, rows[i].memory_mib, "row %zu: %u", i, size.memory_mib);
    }
}

static const char *
lookup(const char *key, void *user_data)
{
    const char *const *pairs = user_data;

    for (; pairs[0] != NULL; pairs += 2) {
        if (g_strcmp0(pairs[0], key) == 0)
            return pairs[1];
    }
    return NULL;
}

Test(pod_size, annotations_of_containerd)
{
    const char *pairs[] = {
        "io.kubernetes.cri.sandbox-cpu-period",
        "100000",
        "io.kubernetes.cri.sandbox-cpu-quota",
        "250000",
        "io.kubernetes.cri.sandbox-cpu-shares",
        "102",
        "io.kubernetes.cri.sandbox-memory",
        "1073741824",
        NULL,
    };
    CocoPodSize size = { 9, 9 };

    cr_assert(coco_pod_size_of_annotations(lookup, pairs, &size));
    cr_expect_eq(size.vcpus, 3);
    cr_expect_eq(size.memory_mib, 1024);
}

/* What stands there comes from whoever made the pod. */
Test(pod_size, annotations_of_others)
{
    const char *nothing[] = { "io.kubernetes.cri.sandbox-cpu-shares", "102", NULL };
    const char *no_numbers[] = {
        "io.kubernetes.cri.sandbox-cpu-period",
        "-100000",
        "io.kubernetes.cri.sandbox-cpu-quota",
        "many",
        "io.kubernetes.cri.sandbox-memory",
        "99999999999999999999999",
        NULL,
    };
    CocoPodSize size = { 9, 9 };

    cr_expect_not(coco_pod_size_of_annotations(lookup, nothing, &size));
    cr_expect_eq(size.vcpus, 9);
    cr_assert(coco_pod_size_of_annotations(lookup, no_numbers, &size));
    cr_expect_eq(size.vcpus, 0);
    cr_expect_eq(size.memory_mib, 0);
}
