// SPDX-License-Identifier: Apache-2.0
/*
 * IBM Secure Execution: nothing is measured on the host. The image is encrypted to the keys of the
 * machines that may run it, and its header says what is in it; this reads the header.
 *
 * The header is found through the image's metadata page ("SeImgLnx", since pvimg), else at the
 * start of one of the first pages, as the tools of s390-tools do.
 */
#include "vmm/measure/per-tee.h"

#include "vmm/config/vmm-error.h"
#include "vmm/measure/bytes.h"
#include "vmm/measure/digest.h"
#include "vmm/measure/measure.h"

#define METADATA_OFFSET 0xc000u
#define METADATA_BYTES 28u
#define METADATA_HEADER_OFFSET 8u
#define METADATA_VERSION 16u
#define SEARCHED_PAGES 0x15u

/* All numbers are big-endian. */
#define HEADER_BYTES 0x1a0u /* before the key slots */
#define HEADER_VERSION 0x8u
#define HEADER_LEN 0xcu
#define HEADER_N_KEYS 0x20u
#define HEADER_ENCRYPTED_BYTES 0x28u
#define HEADER_N_PAGES 0x30u
#define HEADER_PLD 0xe0u
#define HEADER_ALD 0x120u
#define HEADER_TLD 0x160u
#define VERSION_1 0x100u
#define KEY_SLOT_BYTES 80u
#define KEY_HASH_BYTES 32u
#define LIST_DIGEST_BYTES 64u
#define TAG_BYTES 16u
#define MAX_HEADER_BYTES (2u * COCO_PAGE_BYTES)
G_STATIC_ASSERT(MAX_HEADER_BYTES / KEY_SLOT_BYTES < COCO_MEASURE_MAX_HOST_KEYS);

static bool
is_header(const uint8_t *image, size_t len, uint64_t at)
{
    return coco_within(len, at, 8) && memcmp(image + at, "IBMSecEx", 8) == 0;
}

static bool
find_header(const uint8_t *image, size_t len, uint64_t *out_at, GError **error)
{
    const uint8_t *metadata = image + METADATA_OFFSET;

    if (coco_within(len, METADATA_OFFSET, METADATA_BYTES) && memcmp(metadata, "SeImgLnx", 8) == 0) {
        *out_at = coco_be64(metadata + METADATA_HEADER_OFFSET);
        if (coco_be32(metadata + METADATA_VERSION) != 1)
            return coco_vmm_bad_config(
                error, "kernel: its Secure Execution metadata has version %u; version 1 is known",
                coco_be32(metadata + METADATA_VERSION));
        return is_header(image, len, *out_at) ||
               coco_vmm_bad_config(error,
                                   "kernel: its metadata points to 0x%" PRIx64
                                   ", where no Secure Execution header is",
                                   *out_at);
    }
    for (size_t page = 0; page < SEARCHED_PAGES; page++) {
        *out_at = (uint64_t) page * COCO_PAGE_BYTES;
        if (is_header(image, len, *out_at))
            return true;
    }
    return coco_vmm_bad_config(
        error, "kernel: it has no Secure Execution header; is it an image that pvimg made?");
}

/* Header, key slots, encrypted part and tag make up exactly the length that the header says. */
static bool
check_header(const uint8_t *header, size_t left, uint64_t *out_n_keys, GError **error)
{
    uint64_t encrypted;
    uint32_t len;

    if (left < HEADER_BYTES)
        return coco_vmm_bad_config(error, "kernel: it ends within its Secure Execution header");
    if (coco_be32(header + HEADER_VERSION) != VERSION_1)
        return coco_vmm_bad_config(
            error, "kernel: its Secure Execution header has version 0x%x; version 0x%x is known",
            coco_be32(header + HEADER_VERSION), VERSION_1);
    len = coco_be32(header + HEADER_LEN);
    *out_n_keys = coco_be64(header + HEADER_N_KEYS);
    encrypted = coco_be64(header + HEADER_ENCRYPTED_BYTES);
    if (len > left || len > MAX_HEADER_BYTES)
        return coco_vmm_bad_config(
            error, "kernel: its Secure Execution header says it has %u bytes, and %zu are there",
            len, MIN(left, MAX_HEADER_BYTES));
    if (*out_n_keys == 0 || *out_n_keys > MAX_HEADER_BYTES / KEY_SLOT_BYTES)
        return coco_vmm_bad_config(
            error, "kernel: its Secure Execution header says it has %" PRIu64 " host keys",
            *out_n_keys);
    if (encrypted > len ||
        HEADER_BYTES + *out_n_keys * KEY_SLOT_BYTES + encrypted + TAG_BYTES != len)
        return coco_vmm_bad_config(error,
                                   "kernel: the parts of its Secure Execution header (%" PRIu64
                                   " host keys, %" PRIu64
                                   " encrypted bytes) do not make up its %u bytes",
                                   *out_n_keys, encrypted, len);
    return true;
}

static void
read_header(const uint8_t *header, uint64_t n_keys, CocoSeMeasurement *out)
{
    const uint8_t *tag = header + coco_be32(header + HEADER_LEN) - TAG_BYTES;

    coco_measure_fit(header + HEADER_PLD, LIST_DIGEST_BYTES, LIST_DIGEST_BYTES, &out->pld);
    coco_measure_fit(header + HEADER_ALD, LIST_DIGEST_BYTES, LIST_DIGEST_BYTES, &out->ald);
    coco_measure_fit(header + HEADER_TLD, LIST_DIGEST_BYTES, LIST_DIGEST_BYTES, &out->tld);
    coco_measure_fit(tag, TAG_BYTES, TAG_BYTES, &out->tag);
    out->n_pages = coco_be64(header + HEADER_N_PAGES);
    out->n_host_keys = n_keys;
    for (size_t i = 0; i < n_keys; i++)
        coco_measure_fit(header + HEADER_BYTES + i * KEY_SLOT_BYTES, KEY_HASH_BYTES, KEY_HASH_BYTES,
                         &out->host_keys[i]);
}

bool
coco_measure_se(const CocoMeasureInput *input, const CocoMeasureTrace *trace, CocoMeasurement *out,
                GError **error)
{
    const uint8_t *image;
    size_t len = 0;
    uint64_t at = 0;
    uint64_t n_keys = 0;

    if (input->kernel == NULL)
        return coco_measure_lacks(input, "an image that pvimg made (kernel)", error);
    image = g_bytes_get_data(input->kernel, &len);
    if (!find_header(image, len, &at, error) || !check_header(image + at, len - at, &n_keys, error))
        return false;
    read_header(image + at, n_keys, &out->se);
    coco_measure_tell(trace, "se.pld", "encrypted pages", UINT64_MAX,
                      out->se.n_pages * COCO_PAGE_BYTES, NULL, &out->se.pld);
    coco_measure_tell(trace, "se.ald", "addresses of the pages", UINT64_MAX, out->se.n_pages * 8,
                      NULL, &out->se.ald);
    coco_measure_tell(trace, "se.tld", "tweaks of the pages", UINT64_MAX, out->se.n_pages * 16,
                      NULL, &out->se.tld);
    coco_measure_tell(trace, "se.tag", "header", UINT64_MAX, coco_be32(image + at + HEADER_LEN),
                      NULL, &out->se.tag);
    coco_measure_state(out, "se",
                       "read from the header of the image, which its tag authenticates; "
                       "the host measures nothing, and the guest's attestation shows these values");
    return true;
}
