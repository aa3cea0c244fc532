// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/measure/measure.c and its parts, on what needs no firmware image: the vectors of tables, VMSA
 * pages and the launch HMAC, CPU models, and inputs that are refused. The vectors of whole launches
 * are in the suite "measure" (tests/lib/harness/vectors.py), which fetches the firmware that they
 * are of.
 */
#include <string.h>

#include <criterion/criterion.h>
#include <json-c/json.h>

#include "vmm/config/vmm-error.h"
#include "vmm/measure/digest.h"
#include "vmm/measure/measure.h"
#include "vmm/measure/sev-hashes.h"
#include "vmm/measure/vmsa.h"

static json_object *
load_vectors(void)
{
    json_object *all = json_object_from_file(VECTORS);

    cr_assert_not_null(all, "read %s", VECTORS);
    return all;
}

static const char *
text_of(json_object *vector, const char *key)
{
    const char *text = json_object_get_string(json_object_object_get(vector, key));

    return text != NULL ? text : "";
}

static char *
hex(const uint8_t *bytes, size_t len)
{
    GString *text = g_string_new(NULL);

    for (size_t i = 0; i < len; i++)
        g_string_append_printf(text, "%02x", bytes[i]);
    return g_string_free(text, FALSE);
}

static void
unhex(const char *text, uint8_t *out, size_t len)
{
    cr_assert_eq(strlen(text), 2 * len);
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t) (g_ascii_xdigit_value(text[2 * i]) << 4 |
                            g_ascii_xdigit_value(text[2 * i + 1]));
}

static GBytes *
make_blob(size_t len, unsigned int factor, unsigned int offset)
{
    uint8_t *bytes = g_malloc(len);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t) (i * factor + offset);
    return g_bytes_new_take(bytes, len);
}

/* Calls check for each vector of a mode; returns how many there were. */
static unsigned int
each_vector(const char *mode, void (*check)(json_object *vector, json_object *all))
{
    json_object *all = load_vectors();
    json_object *vectors = json_object_object_get(all, "vectors");
    unsigned int n = 0;

    for (size_t i = 0; i < json_object_array_length(vectors); i++) {
        json_object *vector = json_object_array_get_idx(vectors, i);

        if (strcmp(text_of(vector, "mode"), mode) == 0) {
            check(vector, all);
            n++;
        }
    }
    json_object_put(all);
    return n;
}

static void
check_hashes(json_object *vector, json_object *all)
{
    g_autoptr(GBytes) kernel = make_blob(8192, 7, 3);
    g_autoptr(GBytes) initrd = make_blob(12345, 11, 5);
    CocoMeasureInput input = {
        .tee = COCO_TEE_SE, .kernel = kernel, .initrd = initrd, .cmdline = text_of(all, "append")
    };
    g_autofree CocoMeasurement *out = g_new0(CocoMeasurement, 1);
    uint8_t table[COCO_SEV_HASHES_BYTES];
    g_autofree char *got = NULL;

    /* This kernel is no Secure Execution image, but its hashes are there by then. */
    cr_assert_not(coco_measure(&input, NULL, out, NULL));
    cr_assert(coco_sev_hashes_fill(out, table, NULL));
    got = hex(table, sizeof table);
    cr_assert_str_eq(got, text_of(vector, "bytes_hex"));
}

Test(measure, the_table_of_hashes_is_the_vectors)
{
    cr_assert_eq(each_vector("sev-hashes-table", check_hashes), 1);
}

static void
check_vmsa(json_object *vector, json_object *all)
{
    CocoVmsa vmsa = { .eip = COCO_VMSA_BSP_EIP, .features = COCO_SNP_VMSA_FEATURES, .fpu = true };
    g_autoptr(CocoHash) hash = coco_hash_new(COCO_HASH_SHA384, NULL);
    uint8_t page[COCO_PAGE_BYTES];
    CocoDigest digest = { 0 };
    g_autofree char *signature = NULL;
    g_autofree char *got = NULL;

    cr_assert(coco_cpu_signature(text_of(vector, "vcpu_type"), &vmsa.cpu_signature, NULL));
    signature = g_strdup_printf("0x%x", vmsa.cpu_signature);
    cr_assert_str_eq(signature, text_of(vector, "cpu_sig"));
    coco_vmsa_fill(&vmsa, page);
    cr_assert(coco_hash_once(hash, page, sizeof page, &digest, NULL));
    got = hex(digest.bytes, digest.len);
    cr_assert_str_eq(got, text_of(vector, "digest"));
}

Test(measure, vmsa_pages_are_the_vectors)
{
    cr_assert_eq(each_vector("vmsa-sha384", check_vmsa), 5);
}

/* The launch digest that the HMAC is of is that of the vector "sev kic" of the same firmware. */
static CocoDigest
find_launch_digest(json_object *all, const char *firmware, const char *combination)
{
    json_object *vectors = json_object_object_get(all, "vectors");
    CocoDigest digest = { .len = 32 };

    for (size_t i = 0; i < json_object_array_length(vectors); i++) {
        json_object *vector = json_object_array_get_idx(vectors, i);

        if (strcmp(text_of(vector, "mode"), "sev") == 0 &&
            strcmp(text_of(vector, "fw"), firmware) == 0 &&
            strcmp(text_of(vector, "kernel_combo"), combination) == 0) {
            unhex(text_of(vector, "digest"), digest.bytes, digest.len);
            return digest;
        }
    }
    cr_assert_fail("no launch digest for %s %s", firmware, combination);
    return digest;
}

static void
check_hmac(json_object *vector, json_object *all)
{
    CocoSevFirmware firmware = {
        .api_major = (uint8_t) json_object_get_int(json_object_object_get(vector, "api_major")),
        .api_minor = (uint8_t) json_object_get_int(json_object_object_get(vector, "api_minor")),
        .build = (uint8_t) json_object_get_int(json_object_object_get(vector, "build_id")),
        .policy = (uint32_t) json_object_get_int(json_object_object_get(vector, "policy")),
    };
    CocoDigest launch =
        find_launch_digest(all, text_of(vector, "fw"), text_of(vector, "kernel_combo"));
    CocoDigest got = { 0 };
    g_autofree char *text = NULL;
    uint8_t tik[16];
    uint8_t nonce[16];

    unhex(text_of(vector, "tik"), tik, sizeof tik);
    unhex(text_of(vector, "mnonce"), nonce, sizeof nonce);
    cr_assert(coco_sev_launch_hmac(&firmware, &launch, tik, nonce, &got, NULL));
    text = hex(got.bytes, got.len);
    cr_assert_str_eq(text, text_of(vector, "digest"));
}

Test(measure, the_launch_hmac_is_the_vectors)
{
    cr_assert_eq(each_vector("sev-launch-measure-hmac", check_hmac), 1);
}

Test(measure, cpu_models_have_their_signature)
{
    static const struct {
        const char *cpu;
        uint32_t signature; /* 0: refused */
    } cpus[] = {
        { "EPYC", 0x800f12 },
        { "EPYC-v1", 0x800f12 },
        { "EPYC-v4", 0x800f12 },
        { "EPYC-IBPB", 0x800f12 },
        { "EPYC-Rome", 0x830f10 },
        { "EPYC-Rome-v2", 0x830f10 },
        { "EPYC-Milan", 0xa00f11 },
        { "EPYC-Milan-v2", 0xa00f11 },
        { "EPYC-Genoa", 0xa10f10 },
        { "EPYC-Turin", 0xb00f00 },
        { "25:1:1", 0xa00f11 },
        { "0xa00f11", 0xa00f11 },
        { "23:49:0", 0x830f10 },
        { "6:143:8", 0x806f8 },
        { "EPYC-v0", 0 },
        { "EPYC-v9", 0 },
        { "EPYC-v12", 0 },
        { "EPYC-IBPB-v1", 0 },
        { "epyc", 0 },
        { "", 0 },
        { "25:1", 0 },
        { "25:1:1:1", 0 },
        { "25:256:1", 0 },
        { "0x", 0 },
        { "0x100000000", 0 },
        { "host-passthrough", 0 },
        { "max", 0 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cpus); i++) {
        g_autoptr(GError) error = NULL;
        uint32_t signature = 0;

        cr_assert_eq(coco_cpu_signature(cpus[i].cpu, &signature, &error), cpus[i].signature != 0,
                     "%s", cpus[i].cpu);
        cr_assert_eq(error == NULL, cpus[i].signature != 0);
        cr_assert_eq(signature, cpus[i].signature, "%s: 0x%x", cpus[i].cpu, signature);
        cr_assert(error == NULL || strstr(error->message, cpus[i].cpu) != NULL);
    }
}

Test(measure, the_host_cpu_has_a_message_of_its_own)
{
    g_autoptr(GError) error = NULL;
    uint32_t signature = 0;

    cr_assert_not(coco_cpu_signature("host-passthrough", &signature, &error));
    cr_assert_not_null(strstr(error->message, "depend on the host"), "%s", error->message);
}

Test(measure, a_digest_is_cut_or_filled_up)
{
    static const uint8_t digest[4] = { 1, 2, 3, 4 };
    CocoDigest out = { 0 };

    coco_measure_fit(digest, sizeof digest, 2, &out);
    cr_assert(out.len == 2 && memcmp(out.bytes, digest, 2) == 0 && out.bytes[2] == 0);
    coco_measure_fit(digest, sizeof digest, 48, &out);
    cr_assert(out.len == 48 && memcmp(out.bytes, digest, 4) == 0 && out.bytes[4] == 0);
    coco_measure_fit(NULL, 0, 32, &out);
    cr_assert(out.len == 32 && out.bytes[0] == 0);
}

Test(measure, inputs_that_lack_something_are_refused)
{
    g_autoptr(GBytes) blob = make_blob(4096, 1, 0);
    g_autofree char *long_cmdline = g_strnfill(COCO_MEASURE_MAX_CMDLINE + 1, 'x');
    const struct {
        CocoMeasureInput input;
        const char *message;
    } cases[] = {
        { { .tee = COCO_TEE_NONE }, "tee = none has no launch measurement" },
        { { .tee = COCO_TEE_SEV }, "a measurement for sev needs a firmware, and none is given" },
        { { .tee = COCO_TEE_SNP, .vcpus = 1 },
          "a measurement for snp needs a firmware, and none is given" },
        { { .tee = COCO_TEE_SNP, .vcpus = 1, .firmware = blob },
          "a measurement for snp needs a CPU model, and none is given" },
        { { .tee = COCO_TEE_SEV_ES, .vcpus = 1, .firmware = blob },
          "a measurement for sev-es needs a CPU model, and none is given" },
        { { .tee = COCO_TEE_SNP, .firmware = blob, .cpu_model = "EPYC" },
          "the number of vCPUs is not from 1 to 4096" },
        { { .tee = COCO_TEE_SNP, .vcpus = 4097, .firmware = blob, .cpu_model = "EPYC" },
          "the number of vCPUs is not from 1 to 4096" },
        { { .tee = COCO_TEE_SEV, .firmware = blob, .initrd = blob },
          "an initrd is given without a kernel" },
        { { .tee = COCO_TEE_SEV, .firmware = blob, .cmdline = long_cmdline },
          "the kernel command line is longer than 64 KiB" },
        { { .tee = COCO_TEE_TDX }, "a measurement for tdx needs a firmware, and none is given" },
        { { .tee = COCO_TEE_TDX, .kernel = blob },
          "kernel: it is no PE image; a UEFI firmware cannot start a kernel without EFI stub" },
        { { .tee = COCO_TEE_SE },
          "a measurement for se needs an image that pvimg made (kernel), and none is given" },
        { { .tee = COCO_TEE_CCA, .firmware = blob },
          "a measurement for cca needs the device tree that the VMM generates (dtb), and none is "
          "given" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree CocoMeasurement *out = g_new0(CocoMeasurement, 1);
        g_autoptr(GError) error = NULL;

        cr_assert_not(coco_measure(&cases[i].input, NULL, out, &error), "%s", cases[i].message);
        cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
        cr_assert_str_eq(error->message, cases[i].message);
    }
}
