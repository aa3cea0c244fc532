// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes the header of a Secure Execution image: the input as the whole image, and as what begins
 * at the metadata page of one.
 */
#include <stdint.h>

#include "vmm/measure/per-tee.h"

#define METADATA_OFFSET 0xc000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
measure(GBytes *image)
{
    CocoMeasureInput input = { .tee = COCO_TEE_SE, .kernel = image };
    g_autofree CocoMeasurement *out = g_new0(CocoMeasurement, 1);
    g_autoptr(GError) error = NULL;
    bool done = coco_measure_se(&input, NULL, out, &error);

    g_assert(done == (error == NULL));
    g_assert(!done || (out->se.tag.len == 16 && out->se.n_host_keys > 0 &&
                       out->se.n_host_keys <= COCO_MEASURE_MAX_HOST_KEYS));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) whole = g_bytes_new(data, size);
    uint8_t *padded = g_malloc0(METADATA_OFFSET + size);
    g_autoptr(GBytes) from_metadata = g_bytes_new_take(padded, METADATA_OFFSET + size);

    if (size > 0)
        memcpy(padded + METADATA_OFFSET, data, size);
    measure(whole);
    measure(from_metadata);
    return 0;
}
