// SPDX-License-Identifier: Apache-2.0
/*
 * The secret that a guest's owner gives to an SEV or SEV-ES guest before it runs: a table of GUIDs
 * and values, encrypted for the guest's firmware session and bound to the guest's measurement.
 *
 *   table    GUID 1e74f542-71dd-4d66-963e-ef4287ff173b, u32 length, entries {GUID, u32 length,
 * value}, zeros up to 16 bytes; lengths count their heads, GUIDs are in EFI's mixed order blob
 * AES-128-CTR(TEK, iv) of the table header   u32 flags = 0, iv 16, HMAC-SHA256(TIK, 01 || flags ||
 * iv || u32 length of the table || u32 length of the blob || blob || measurement)
 *
 * Facts: AMD SEV API (55766) 6.6 LAUNCH_SECRET; QEMU's and Linux' efi_secret documents. Checked
 * against virt-qemu-sev-validate.
 * Ownership: keys and values are borrowed and never copied to where they stay.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#define COCO_SEV_KEY_SIZE 16u
#define COCO_SEV_GUID_SIZE 16u
#define COCO_SEV_HEADER_SIZE 52u
#define COCO_SEV_MEASURE_SIZE 32u /* without the nonce */
#define COCO_SEV_NONCE_SIZE 16u
#define COCO_SEV_MAX_SECRET 16384u /* what the firmware takes at once */

typedef struct {
    uint8_t tik[COCO_SEV_KEY_SIZE]; /* integrity */
    uint8_t tek[COCO_SEV_KEY_SIZE]; /* encryption */
} CocoSevKeys;

typedef struct {
    uint8_t guid[COCO_SEV_GUID_SIZE]; /* as in the table */
    const void *data;
    size_t len;
} CocoSevSecret;

/* "736869e5-84f0-4973-92ec-06879ce3da0b" to the bytes of the table. */
bool coco_sev_guid_parse(const char *text, uint8_t *out_guid);

/* Both results in base64, as libvirt takes them (transfer full). measure: COCO_SEV_MEASURE_SIZE
 * bytes; iv: 16 bytes, NULL for random ones. BAD_CONFIG when the table is too big. */
bool coco_sev_secret_seal(const CocoSevSecret *secrets, size_t n_secrets, const CocoSevKeys *keys,
                          const uint8_t *measure, const uint8_t *iv, char **out_header,
                          char **out_secret, GError **error);
