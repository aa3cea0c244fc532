// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/measure/firmware.c: what it reads, and that each way of being wrong has a message of its own.
 * The images are those of the fuzz corpus; real firmware is in the suite "measure".
 */
#include <string.h>

#include <criterion/criterion.h>

#include "vmm/config/vmm-error.h"
#include "vmm/measure/firmware.h"
#include "vmm/measure/measure.h"

typedef enum {
    ASK_HASHES,
    ASK_RESET,
    ASK_SEV,
    ASK_TDX,
} Question;

static GBytes *
load(const char *name)
{
    g_autofree char *path = g_build_filename(CORPUS, "firmware", name, NULL);
    g_autoptr(GError) error = NULL;
    char *data = NULL;
    size_t len = 0;

    g_file_get_contents(path, &data, &len, &error);
    cr_assert_null(error, "%s", error != NULL ? error->message : "");
    return g_bytes_new_take(data, len);
}

static bool
ask(const CocoFirmware *firmware, Question question, GError **error)
{
    CocoSevSection sev[COCO_FIRMWARE_MAX_SECTIONS];
    CocoTdxSection tdx[COCO_FIRMWARE_MAX_SECTIONS];
    uint32_t number = 0;
    size_t n = 0;

    switch (question) {
    case ASK_HASHES:
        return coco_firmware_hash_table(firmware, &number, error);
    case ASK_RESET:
        return coco_firmware_reset_eip(firmware, &number, error);
    case ASK_SEV:
        return coco_firmware_sev_sections(firmware, sev, &n, error);
    case ASK_TDX:
        return coco_firmware_tdx_sections(firmware, tdx, &n, error);
    }
    return false;
}

Test(firmware, sections_and_entries_are_read)
{
    g_autoptr(GBytes) image = load("both");
    CocoFirmware firmware;
    CocoSevSection sev[COCO_FIRMWARE_MAX_SECTIONS];
    CocoTdxSection tdx[COCO_FIRMWARE_MAX_SECTIONS];
    uint32_t number = 0;
    size_t n = 0;

    cr_assert(coco_firmware_open(image, &firmware, NULL));
    cr_assert_eq(coco_firmware_gpa(&firmware), (1ull << 32) - g_bytes_get_size(image));
    cr_assert(coco_firmware_hash_table(&firmware, &number, NULL));
    cr_assert_eq(number, 0x810c00);
    cr_assert(coco_firmware_reset_eip(&firmware, &number, NULL));
    cr_assert_eq(number, 0x80b004);
    cr_assert(coco_firmware_has_igvm_entry(&firmware));
    cr_assert(coco_firmware_sev_sections(&firmware, sev, &n, NULL));
    cr_assert_eq(n, 5);
    cr_assert(sev[1].gpa == 0x80d000 && sev[1].len == 0x1000 &&
              sev[1].type == COCO_SEV_SECTION_SECRETS);
    cr_assert(coco_firmware_tdx_sections(&firmware, tdx, &n, NULL));
    cr_assert_eq(n, 5);
    cr_assert(tdx[0].raw_len == 256 && tdx[0].gpa == 0xfffff000 && tdx[0].mem_len == 0x1000 &&
              tdx[0].type == COCO_TDX_SECTION_BFV && tdx[0].attributes == COCO_TDX_SECTION_EXTEND);
    cr_assert_eq(tdx[4].mem_len, 1ull << 40, "memory that is added later has no limit");
}

/* Each image and its message; no two are alike. */
static const struct {
    const char *image;
    Question question;
    const char *message;
} refusals[] = {
    { "no-entries", ASK_HASHES, "firmware: it has no SEV hashes table" },
    { "hashes-off", ASK_HASHES,
      "firmware: its SEV hashes table is switched off (its address is 0)" },
    { "hashes-small", ASK_HASHES,
      "firmware: its SEV hashes table has room for 168 bytes and needs 176" },
    { "short-hash-entry", ASK_HASHES, "firmware: its SEV hashes table has 2 bytes and needs 8" },
    { "no-entries", ASK_RESET, "firmware: it has no SEV-ES reset block" },
    { "no-entries", ASK_SEV, "firmware: it has no SEV metadata" },
    { "no-entries", ASK_TDX, "firmware: it has no TDX metadata" },
    { "no-table", ASK_SEV,
      "firmware: there is no table of GUIDs at the end; this is no OVMF image for confidential "
      "VMs" },
    { "tiny", ASK_SEV, "firmware: 40 bytes are too few for a table of GUIDs" },
    { "table-larger", ASK_SEV,
      "firmware: the table of GUIDs says it has 65535 bytes, more than the image" },
    { "table-smaller", ASK_SEV,
      "firmware: the table of GUIDs says it has 3 bytes, less than its own footer" },
    { "long-entry", ASK_SEV,
      "firmware: an entry of the table of GUIDs has 65535 bytes, and 22 are left" },
    { "short-entry", ASK_SEV,
      "firmware: an entry of the table of GUIDs has 3 bytes, less than its header" },
    { "stray", ASK_SEV, "firmware: the table of GUIDs begins with 3 stray bytes" },
    { "bad-version", ASK_SEV, "firmware: its SEV metadata has version 2; version 1 is known" },
    { "bad-magic", ASK_SEV, "firmware: its SEV metadata does not begin with 'ASEV'" },
    { "metadata-outside", ASK_SEV,
      "firmware: its SEV metadata would begin 4294967295 bytes before the end" },
    { "many", ASK_SEV, "firmware: its SEV metadata has 65 sections, and the limit is 64" },
    { "short-metadata", ASK_SEV, "firmware: its SEV metadata has 5 sections in 20 bytes" },
    { "unaligned", ASK_SEV,
      "firmware: SEV section 0 is not made of whole pages (0x800100, 0x1000)" },
    { "huge", ASK_SEV, "firmware: SEV sections have more than 128 MiB" },
    { "tdx-outside", ASK_TDX, "firmware: TDX section 0 has its data outside of the image" },
    { "tdx-more-raw", ASK_TDX, "firmware: TDX section 0 has more data than memory" },
    { "tdx-wraps", ASK_TDX, "firmware: TDX section 0 ends after the last address" },
};

Test(firmware, each_way_of_being_wrong_has_its_message)
{
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autoptr(GBytes) image = load(refusals[i].image);
        g_autoptr(GError) error = NULL;
        CocoFirmware firmware;

        cr_assert(coco_firmware_open(image, &firmware, &error));
        cr_assert_not(ask(&firmware, refusals[i].question, &error), "%s", refusals[i].image);
        cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
        cr_assert_str_eq(error->message, refusals[i].message);
        for (size_t j = 0; j < i; j++)
            cr_assert_str_neq(refusals[i].message, refusals[j].message);
    }
}

Test(firmware, an_empty_or_huge_file_is_refused)
{
    g_autoptr(GBytes) empty = g_bytes_new(NULL, 0);
    g_autoptr(GBytes) huge =
        g_bytes_new_take(g_malloc0(COCO_MEASURE_MAX_FIRMWARE + 1), COCO_MEASURE_MAX_FIRMWARE + 1);
    g_autoptr(GError) error = NULL;
    CocoFirmware firmware;

    cr_assert_not(coco_firmware_open(empty, &firmware, &error));
    cr_assert_str_eq(error->message, "firmware: the file is empty");
    g_clear_error(&error);
    cr_assert_not(coco_firmware_open(huge, &firmware, &error));
    cr_assert_str_eq(error->message,
                     "firmware: 67108865 bytes are more than the limit of 67108864");
}
