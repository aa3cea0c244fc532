// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/measure/measure-cca.c and realm-chain.c. The values after the creation of the realm are those
 * of veraison's cca-realm-measurements (its test_rim: 48 bits, 2 breakpoints, 2 watchpoints); those
 * of whole realms come from a second implementation, in Python, made from the text of DEN0137.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "vmm/config/vmm-error.h"
#include "vmm/measure/bytes.h"
#include "vmm/measure/measure.h"

#define IMAGE_BYTES 10000
#define CREATED_SHA256 "6739dfb22b75ee1268d08dfa8369f501bc0b066243553f069f560d1fa1172973"
#define CREATED_SHA512                                                                             \
    "799e434048fb57eb9d4f0e2a2b98158720377252deab2bdfcd69b5a8f82237f4"                             \
    "34bd6bb1c75bf160a2d49382f733b3439a3ff769e4ea5dd9a6f72239d44bbbab"

#define RIM_DIRECT "bb20d81c1093893c68644816fa95b4900c7a4405d33c78a30ff30af764abb9e4"
#define RIM_FIRMWARE                                                                               \
    "32732d21790508d2c494ffc81f9a8bd02eec3da6624944931ec4bea89e806eb4"                             \
    "ee0d87ea40e53da754c1becf94475fb440005e1cc0a5154bfc54b90b8943013e"

static char *
hex(const CocoDigest *digest)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < digest->len; i++)
        g_string_append_printf(text, "%02x", digest->bytes[i]);
    return g_string_free(text, FALSE);
}

static void
on_step(const CocoMeasureStep *step, void *steps)
{
    g_autofree char *so_far = hex(step->so_far);

    g_ptr_array_add(steps, g_strdup_printf("%s 0x%" PRIx64 " %" PRIu64 " %s", step->label,
                                           step->has_gpa ? step->gpa : 0, step->bytes, so_far));
}

/* An arm64 Image of zeros that takes 128 KiB when it is loaded. */
static GBytes *
make_image(void)
{
    uint8_t *image = g_malloc0(IMAGE_BYTES);

    memcpy(image + 56, "ARM\x64", 4);
    coco_put_le64(image + 16, 0x20000);
    return g_bytes_new_take(image, IMAGE_BYTES);
}

static GBytes *
make_blob(size_t len, unsigned int factor, unsigned int offset)
{
    uint8_t *bytes = g_malloc(len);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t) (i * factor + offset);
    return g_bytes_new_take(bytes, len);
}

static const CocoMeasureCca preset = {
    .ipa_bits = 48, .breakpoints = 2, .watchpoints = 2, .ram_bytes = 512ull << 20
};

Test(measure_cca, a_kernel_is_measured_where_qemu_puts_it)
{
    g_autoptr(GBytes) kernel = make_image();
    g_autoptr(GBytes) initrd = make_blob(12345, 11, 5);
    g_autoptr(GBytes) dtb = make_blob(5000, 13, 1);
    g_autoptr(GPtrArray) steps = g_ptr_array_new_with_free_func(g_free);
    CocoMeasureInput input = {
        .tee = COCO_TEE_CCA, .kernel = kernel, .initrd = initrd, .cca = preset
    };
    CocoMeasureTrace trace = { on_step, steps };
    g_autofree CocoMeasurement *out = g_new0(CocoMeasurement, 1);
    g_autofree char *rim = NULL;

    input.cca.dtb = dtb;
    cr_assert(coco_measure(&input, &trace, out, NULL));
    cr_assert_eq(steps->len, 6);
    cr_assert_str_eq(steps->pdata[0], "realm parameters 0x0 4096 " CREATED_SHA256);
    cr_assert(g_str_has_prefix(steps->pdata[1], "RAM 0x40000000 536870912 "));
    cr_assert(g_str_has_prefix(steps->pdata[2], "kernel 0x40000000 10000 "));
    cr_assert(g_str_has_prefix(steps->pdata[3], "initrd 0x48000000 12345 "));
    cr_assert(g_str_has_prefix(steps->pdata[4], "device tree 0x48200000 5000 "));
    cr_assert(g_str_has_prefix(steps->pdata[5], "first vCPU 0x40000000 4096 "));
    rim = hex(&out->rim);
    cr_assert_str_eq(rim, RIM_DIRECT);
    cr_assert_eq(out->rpv.len, 64);
}

Test(measure_cca, with_a_firmware_the_kernel_is_not_in_the_rim)
{
    g_autoptr(GBytes) firmware = make_blob(8192, 7, 3);
    g_autoptr(GBytes) kernel = make_image();
    g_autoptr(GBytes) dtb = make_blob(5000, 13, 1);
    CocoMeasureInput input = {
        .tee = COCO_TEE_CCA, .firmware = firmware, .kernel = kernel, .cca = preset
    };
    g_autoptr(GPtrArray) steps = g_ptr_array_new_with_free_func(g_free);
    CocoMeasureTrace trace = { on_step, steps };
    g_autofree CocoMeasurement *out = g_new0(CocoMeasurement, 1);
    g_autofree char *rim = NULL;

    input.cca.dtb = dtb;
    input.cca.sha512 = true;
    cr_assert(coco_measure(&input, &trace, out, NULL));
    cr_assert_str_eq(steps->pdata[0], "realm parameters 0x0 4096 " CREATED_SHA512);
    cr_assert(g_str_has_prefix(steps->pdata[2], "firmware 0x0 8192 "));
    cr_assert(g_str_has_prefix(steps->pdata[3], "device tree 0x40000000 5000 "));
    cr_assert(g_str_has_prefix(steps->pdata[4], "first vCPU 0x0 4096 "));
    cr_assert_eq(steps->len, 5);
    rim = hex(&out->rim);
    cr_assert_str_eq(rim, RIM_FIRMWARE);
}

Test(measure_cca, realms_that_cannot_be_are_refused)
{
    g_autoptr(GBytes) kernel = make_image();
    g_autoptr(GBytes) not_a_kernel = make_blob(IMAGE_BYTES, 1, 1);
    g_autoptr(GBytes) dtb = make_blob(5000, 13, 1);
    const struct {
        GBytes *kernel;
        CocoMeasureCca cca;
        const char *message;
    } cases[] = {
        { kernel,
          { .ipa_bits = 48, .breakpoints = 2, .watchpoints = 2 },
          "the RAM of the realm is not 1 MiB to 16 TiB in whole MiB" },
        { kernel,
          { .ipa_bits = 31, .breakpoints = 2, .watchpoints = 2, .ram_bytes = 1 << 20 },
          "the address space of the realm is not of 32 to 52 bits, or smaller than its RAM" },
        { kernel,
          { .ipa_bits = 32, .breakpoints = 2, .watchpoints = 2, .ram_bytes = 4ull << 30 },
          "the address space of the realm is not of 32 to 52 bits, or smaller than its RAM" },
        { kernel,
          { .ipa_bits = 48, .breakpoints = 1, .watchpoints = 2, .ram_bytes = 1 << 20 },
          "breakpoints and watchpoints are not 2 to 64, the SVE vector length not 128 to 2048 "
          "bits, "
          "or the PMU counters more than 31" },
        { kernel,
          { .ipa_bits = 48, .breakpoints = 2, .watchpoints = 2, .ram_bytes = 1 << 20 },
          "kernel, initrd and dtb do not fit into the RAM of the realm" },
        { not_a_kernel, preset, "kernel: it is no arm64 Image (uncompressed)" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        CocoMeasureInput input = { .tee = COCO_TEE_CCA,
                                   .kernel = cases[i].kernel,
                                   .cca = cases[i].cca };
        g_autofree CocoMeasurement *out = g_new0(CocoMeasurement, 1);
        g_autoptr(GError) error = NULL;

        input.cca.dtb = dtb;
        cr_assert_not(coco_measure(&input, NULL, out, &error), "%s", cases[i].message);
        cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
        cr_assert_str_eq(error->message, cases[i].message);
    }
}
