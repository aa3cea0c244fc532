// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/launch/id-block-check.c: an ID block that the firmware would refuse is told before QEMU runs.
 */
#include <string.h>

#include <criterion/criterion.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/config/vmm-error.h"
#include "vmm/launch/id-block-check.h"
#include "vmm/owner/id-block.h"
#include "vmm/tee/tee-config.h"

static CocoIdKey *
make_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-384");
    BIO *out = BIO_new(BIO_s_mem());
    CocoIdKey *made;
    char *pem;
    long len;

    cr_assert(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL));
    len = BIO_get_mem_data(out, &pem);
    made = coco_id_key_from_pem(pem, (size_t) len, NULL);
    cr_assert_not_null(made);
    BIO_free(out);
    EVP_PKEY_free(key);
    return made;
}

typedef struct {
    ScratchDir *dir;
    CocoIdBlock block;
    uint8_t auth[COCO_ID_AUTH_SIZE];
} Fixture;

/* A block of 7s with the policy of a plain snp config, and its authentication. */
static void
fixture_init(Fixture *fixture)
{
    g_autoptr(CocoIdKey) key = make_key();
    uint8_t bytes[COCO_ID_BLOCK_SIZE];

    *fixture = (Fixture){ .dir = scratch_dir_new(), .block.policy = 0x30000 };
    memset(fixture->block.launch_digest, 7, sizeof fixture->block.launch_digest);
    coco_id_block_to_bytes(&fixture->block, bytes);
    cr_assert(coco_id_auth_make(bytes, key, NULL, fixture->auth, NULL));
}

/* The message without the place, or NULL when all is well. */
static char *
check(Fixture *fixture, uint8_t digest_byte, const char *more)
{
    uint8_t bytes[COCO_ID_BLOCK_SIZE];
    g_autofree char *text = g_strdup_printf("[vm]\ntee=snp\n[snp]\nid_block=%s/b\nid_auth=%s/a\n%s",
                                            fixture->dir, fixture->dir, more);
    g_autofree CocoMeasurement *measurement = g_new0(CocoMeasurement, 1);
    g_autoptr(CocoVmConfig) config = NULL;
    g_autoptr(CocoBootFiles) boot = NULL;
    g_autoptr(GError) error = NULL;

    coco_id_block_to_bytes(&fixture->block, bytes);
    g_free(scratch_dir_write(fixture->dir, "b", (const char *) bytes, sizeof bytes));
    g_free(
        scratch_dir_write(fixture->dir, "a", (const char *) fixture->auth, sizeof fixture->auth));
    config = coco_tee_config_parse("t.conf", text, strlen(text), NULL, &error);
    cr_assert_not_null(config, "%s", error != NULL ? error->message : "");
    boot = coco_boot_files_new(config, &error);
    cr_assert_not_null(boot, "%s", error != NULL ? error->message : "");
    measurement->launch_digest.len = 48;
    memset(measurement->launch_digest.bytes, digest_byte, 48);
    if (coco_id_block_check(config, boot, measurement, &error))
        return NULL;
    cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
    return g_strdup(error->message);
}

static void
expect(Fixture *fixture, uint8_t digest_byte, const char *more, const char *piece)
{
    g_autofree char *message = check(fixture, digest_byte, more);

    if (piece == NULL)
        cr_assert_null(message, "%s", message);
    else
        cr_assert(message != NULL && strstr(message, piece) != NULL, "%s", message);
}

Test(id_block_check, what_the_firmware_refuses_is_refused_before)
{
    Fixture fixture;

    fixture_init(&fixture);
    expect(&fixture, 7, "", NULL);
    expect(&fixture, 8, "", "line 4: [snp] id_block: '");
    expect(&fixture, 8, "", "is for another launch digest than this config has");
    expect(&fixture, 7, "smt=no\n", "is for policy 0x30000, and this config has 0x20000");
    expect(&fixture, 7, "author_key=yes\n", "[snp] author_key: yes, and there is no author key in");
    fixture.auth[64] ^= 1; /* the signature of the block */
    expect(&fixture, 7, "", "line 5: [snp] id_auth: '");
    fixture.auth[64] ^= 1;
    fixture.block.guest_svn = 9; /* signed is another block */
    expect(&fixture, 7, "", "line 5: [snp] id_auth: '");
    scratch_dir_remove(fixture.dir);
}
