// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes the PE image that an Authenticode digest is made of.
 */
#include <stdint.h>

#include "vmm/measure/pe-image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(CocoHash) hash = coco_hash_new(COCO_HASH_SHA256, NULL);
    g_autoptr(GError) error = NULL;
    CocoDigest first = { 0 };
    CocoDigest second = { 0 };
    bool done = coco_pe_authenticode(hash, data, size, &first, &error);

    g_assert(done == (error == NULL) && first.len == (done ? 32 : 0));
    /* Nothing of one image is left in the hash for the next. */
    g_assert(coco_pe_authenticode(hash, data, size, &second, NULL) == done);
    g_assert(memcmp(&first, &second, sizeof first) == 0);
    return 0;
}
