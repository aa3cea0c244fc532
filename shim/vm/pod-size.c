// SPDX-License-Identifier: Apache-2.0
/*
 * Reads and rounds (pod-size.h).
 */
#include "shim/vm/pod-size.h"

#define QUOTA "io.kubernetes.cri.sandbox-cpu-quota"
#define PERIOD "io.kubernetes.cri.sandbox-cpu-period"
#define MEMORY "io.kubernetes.cri.sandbox-memory"

#define KERNELS_PERIOD_US 100000
#define MIB (1024 * 1024)

static unsigned int
divide_up(uint64_t number, uint64_t by)
{
    uint64_t quotient = number / by + (number % by != 0 ? 1 : 0);

    return (unsigned int) MIN(quotient, G_MAXUINT);
}

CocoPodSize
coco_pod_size_of_limits(int64_t quota_us, uint64_t period_us, int64_t memory_bytes)
{
    return (CocoPodSize){
        .vcpus = quota_us > 0
                     ? divide_up((uint64_t) quota_us, period_us > 0 ? period_us : KERNELS_PERIOD_US)
                     : 0,
        .memory_mib = memory_bytes > 0 ? divide_up((uint64_t) memory_bytes, MIB) : 0,
    };
}

static int64_t
number_of(CocoAnnotationFunc get, void *user_data, const char *key)
{
    const char *text = get(key, user_data);
    gint64 number = 0;

    if (text == NULL || !g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &number, NULL))
        return 0;
    return number;
}

bool
coco_pod_size_of_annotations(CocoAnnotationFunc get, void *user_data, CocoPodSize *out_size)
{
    if (get(QUOTA, user_data) == NULL && get(MEMORY, user_data) == NULL)
        return false;
    *out_size = coco_pod_size_of_limits(number_of(get, user_data, QUOTA),
                                        (uint64_t) MAX(number_of(get, user_data, PERIOD), 0),
                                        number_of(get, user_data, MEMORY));
    return true;
}
