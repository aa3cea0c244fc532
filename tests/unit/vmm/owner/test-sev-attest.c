// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/owner/sev-attest.c and sev-secret.c. The measurement is the vector that
 * virt-qemu-sev-validate 12.8 accepts; the sealed secrets are what version 9.0 of it made, with the
 * initial vector that it had drawn.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "vmm/config/vmm-error.h"
#include "vmm/owner/sev-attest.h"

#define VECTOR_MEASUREMENT "88tfqEu24LyWFMGb8f+Vys2JzwLKQW/yREiQ17R7xrtAQUJDREVGR0hJSktMTU5P"
#define VECTOR_DIGEST "528b7422fc8452a1c0d6937696e4a7024a706aff508ebab804b476a35dcc6ae2"
#define VECTOR_HMAC "f3cb5fa84bb6e0bc9614c19bf1ff95cacd89cf02ca416ff2444890d7b47bc6bb"

#define SEALED_HEADER "AAAAAM3QPnPc4KETj9zGLKwVW5ve89kx5feGREYnUVoIKUEnb2hHJWfOSE0zt3ngnVeP6w=="
#define SEALED_SECRET                                                                              \
    "pzNYHZZrl5RDzmKNHCR2Il9kHvwJFKsx5yzCg3z01fJN621ltBhO4V/4NpRuGusWPR6rvgk4dgHdGDiO2pBm7H/"      \
    "njsmqW8uppM/nf4lKE/A="
#define SEALED_MEASUREMENT "7+R+t895byaZretgXBq2jBV2Nfx2ZU+XDWBh4pufW8RAQUJDREVGR0hJSktMTU5P"

static const CocoSevReport vector = {
    .measurement = VECTOR_MEASUREMENT,
    .api_major = 1,
    .api_minor = 55,
    .build_id = 21,
    .policy = 1,
};

static const CocoSevKeys keys = {
    { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
    { 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47 },
};

static void
unhex(const char *text, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t) (g_ascii_xdigit_value(text[2 * i]) << 4 |
                            g_ascii_xdigit_value(text[2 * i + 1]));
}

Test(sev_attest, the_vector_is_accepted_and_nothing_else)
{
    CocoSevReport report = vector;
    g_autoptr(GError) error = NULL;
    uint8_t digest[32];

    unhex(VECTOR_DIGEST, digest, sizeof digest);
    cr_assert(coco_sev_attest_check(&report, digest, keys.tik, &error));
    report.build_id = 22;
    cr_assert_not(coco_sev_attest_check(&report, digest, keys.tik, &error));
    g_clear_error(&error);
    report = vector;
    report.policy = 3;
    cr_assert_not(coco_sev_attest_check(&report, digest, keys.tik, &error));
    g_clear_error(&error);
    cr_assert_not(coco_sev_attest_check(&vector, digest, keys.tek, &error));
    g_clear_error(&error);
    digest[0] ^= 1;
    cr_assert_not(coco_sev_attest_check(&vector, digest, keys.tik, &error));
    cr_assert_str_eq(error->message, "the measurement differs from what was expected");
}

Test(sev_attest, sealed_secrets_are_those_of_the_other_program)
{
    CocoSevSecret secrets[] = {
        { .data = "first secret", .len = 12 },
        { .data = "\0\1\2\xff", .len = 4 },
    };
    g_autofree char *header = NULL;
    g_autofree char *secret = NULL;
    g_autofree uint8_t *made = NULL;
    uint8_t measure[COCO_SEV_MEASURE_SIZE];
    uint8_t nonce[COCO_SEV_NONCE_SIZE];
    g_autoptr(GError) error = NULL;
    gsize n;

    cr_assert(coco_sev_guid_parse("736869e5-84f0-4973-92ec-06879ce3da0b", secrets[0].guid));
    cr_assert(coco_sev_guid_parse("10000000-2000-3000-4000-500000000000", secrets[1].guid));
    cr_assert(coco_sev_measurement_parse(SEALED_MEASUREMENT, measure, nonce, NULL));
    made = g_base64_decode(SEALED_HEADER, &n);
    cr_assert_eq(n, COCO_SEV_HEADER_SIZE);
    cr_assert(coco_sev_secret_seal(secrets, 2, &keys, measure, made + 4, &header, &secret, &error));
    cr_assert_str_eq(secret, SEALED_SECRET);
    cr_assert_str_eq(header, SEALED_HEADER);
}

Test(sev_attest, each_sealing_draws_a_new_vector)
{
    const CocoSevSecret one = { .data = "x", .len = 1 };
    const uint8_t measure[COCO_SEV_MEASURE_SIZE] = { 0 };
    char *headers[2];
    char *secrets[2];

    for (size_t i = 0; i < 2; i++)
        cr_assert(
            coco_sev_secret_seal(&one, 1, &keys, measure, NULL, &headers[i], &secrets[i], NULL));
    cr_assert_str_neq(headers[0], headers[1]);
    cr_assert_str_neq(secrets[0], secrets[1]);
    for (size_t i = 0; i < 2; i++) {
        g_free(headers[i]);
        g_free(secrets[i]);
    }
}

Test(sev_attest, secrets_that_are_too_big_are_refused)
{
    g_autofree char *much = g_strnfill(COCO_SEV_MAX_SECRET, 'x');
    const CocoSevSecret fits = { .data = much, .len = COCO_SEV_MAX_SECRET - 40 };
    const CocoSevSecret over[] = { { .data = much, .len = COCO_SEV_MAX_SECRET - 39 },
                                   { .data = much, .len = SIZE_MAX } };
    const uint8_t measure[COCO_SEV_MEASURE_SIZE] = { 0 };
    g_autofree char *header = NULL;
    g_autofree char *secret = NULL;

    cr_assert(coco_sev_secret_seal(&fits, 1, &keys, measure, NULL, &header, &secret, NULL));
    for (size_t i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        char *none[2];

        cr_assert_not(
            coco_sev_secret_seal(&over[i], 1, &keys, measure, NULL, &none[0], &none[1], &error));
        cr_assert_str_eq(error->message, "the secrets have more than 16384 bytes together");
    }
}

Test(sev_attest, guids_have_one_form)
{
    static const char *const bad[] = { "",
                                       "736869e5",
                                       "736869e584f0497392ec06879ce3da0b",
                                       "736869e5-84f0-4973-92ec-06879ce3da0",
                                       "736869e5-84f0-4973-92ec-06879ce3da0b0",
                                       "736869e5-84f0-4973-92ec-06879ce3da0g" };
    uint8_t guid[COCO_SEV_GUID_SIZE];

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        cr_assert_not(coco_sev_guid_parse(bad[i], guid), "%s", bad[i]);
    cr_assert(coco_sev_guid_parse("1E74F542-71dd-4d66-963e-ef4287ff173b", guid));
    cr_assert_eq(memcmp(guid, "\x42\xf5\x74\x1e\xdd\x71\x66\x4d\x96\x3e", 10), 0);
}

/* Resume is an effect of CLEARED alone: no other way leads to RUNNING. */
Test(sev_attest, only_an_accepted_guest_runs)
{
    for (unsigned int from = 0; from < COCO_N_SEV_ATTEST_STATES; from++) {
        for (unsigned int event = 0; event < COCO_N_SEV_ATTEST_EVENTS; event++) {
            CocoSevAttestState to = COCO_SEV_ATTEST_INVALID;
            bool possible = coco_sev_attest_next(from, event, &to);

            cr_assert_eq(possible, to != COCO_SEV_ATTEST_INVALID);
            if (to == COCO_SEV_ATTEST_RUNNING)
                cr_assert(from == COCO_SEV_ATTEST_CLEARED && event == COCO_SEV_ATTEST_EV_RESUMED);
            if (to == COCO_SEV_ATTEST_CLEARED)
                cr_assert(
                    (from == COCO_SEV_ATTEST_MEASURED && event == COCO_SEV_ATTEST_EV_ACCEPT) ||
                    (from == COCO_SEV_ATTEST_INJECTING && event == COCO_SEV_ATTEST_EV_INJECTED));
            if (from == COCO_SEV_ATTEST_RUNNING || from == COCO_SEV_ATTEST_REFUSED)
                cr_assert_not(possible, "%s is an end", coco_sev_attest_state_name(from));
        }
    }
    for (CocoSevAttestState from = COCO_SEV_ATTEST_PAUSED; from <= COCO_SEV_ATTEST_CLEARED;
         from++) {
        CocoSevAttestState to;

        cr_assert(coco_sev_attest_next(from, COCO_SEV_ATTEST_EV_FAILED, &to));
        cr_assert_eq(to, COCO_SEV_ATTEST_REFUSED);
    }
}

Test(sev_attest, the_request_is_read_back)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = coco_sev_attest_request(&vector, COCO_TEE_SEV_ES, 1, &error);
    g_autofree char *measurement = NULL;
    CocoSevReport report;
    CocoTee tee;

    cr_assert_str_eq(text,
                     "{\"version\":\"1\",\"tee\":\"sev-es\",\"measurement\":\"" VECTOR_MEASUREMENT
                     "\",\"api_major\":1,\"api_minor\":55,\"build_id\":21,\"policy\":1}");
    cr_assert(
        coco_sev_attest_request_parse(text, strlen(text), &report, &tee, &measurement, &error));
    cr_assert_eq(tee, COCO_TEE_SEV_ES);
    cr_assert_str_eq(report.measurement, VECTOR_MEASUREMENT);
    cr_assert(report.api_major == 1 && report.api_minor == 55 && report.build_id == 21 &&
              report.policy == 1);
}

static void
refuse_report(const char *measurement, unsigned int policy, const char *message)
{
    CocoSevReport report = vector;
    g_autoptr(GError) error = NULL;

    report.measurement = measurement;
    cr_assert_null(coco_sev_attest_request(&report, COCO_TEE_SEV, policy, &error));
    cr_assert_str_eq(error->message, message);
}

Test(sev_attest, a_report_that_does_not_fit_is_refused)
{
    refuse_report(NULL, 1, "QEMU tells no measurement: is this an SEV guest?");
    refuse_report("", 1, "the measurement is not base64 of 48 bytes");
    refuse_report("AAAA", 1, "the measurement is not base64 of 48 bytes");
    refuse_report(VECTOR_MEASUREMENT, 5,
                  "the guest was started with policy 0x1, asked for was 0x5");
}

static const struct {
    const char *text;
    const char *message; /* NULL: accepted */
} answers[] = {
    { "{\"decision\":\"accept\"}\n", NULL },
    { " {\"decision\":\"accept\",\"more\":[1]} ", NULL },
    { "{\"decision\":\"accept\",\"secret_header\":\"" SEALED_HEADER "\",\"secret\":\"QUFB\"}",
      NULL },
    { "", "the answer is not one JSON object" },
    { "[]", "the answer is not one JSON object" },
    { "{\"decision\":\"accept\"}{}", "the answer is not one JSON object" },
    { "{\"decision\":\"accept\"", "the answer is not one JSON object" },
    { "{}", "the answer's decision is neither accept nor refuse" },
    { "{\"decision\":true}", "the answer's decision is neither accept nor refuse" },
    { "{\"decision\":\"Accept\"}", "the answer's decision is neither accept nor refuse" },
    { "{\"decision\":\"refuse\"}", "refused: no reason is given" },
    { "{\"decision\":\"refuse\",\"reason\":\"a\\nb\"}", "refused: a b" },
    { "{\"decision\":\"accept\",\"secret\":\"QUFB\"}",
      "the answer has only one of secret_header and secret" },
    { "{\"decision\":\"accept\",\"secret_address\":1}", "the answer has an address and no secret" },
    { "{\"decision\":\"accept\",\"secret_header\":\"QUFB\",\"secret\":\"QUFB\"}",
      "secret_header is not base64 of 52 bytes" },
    { "{\"decision\":\"accept\",\"secret_header\":\"" SEALED_HEADER "\",\"secret\":\"\"}",
      "secret is not base64 of 1 to 16384 bytes" },
    { "{\"decision\":\"accept\",\"secret_header\":\"" SEALED_HEADER
      "\",\"secret\":\"QUFB\",\"secret_address\":-1}",
      "secret_address is not an address" },
};

Test(sev_attest, answers_are_read_strictly)
{
    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
        g_auto(CocoSevAnswer) answer = { 0 };
        g_autoptr(GError) error = NULL;
        bool accepted =
            coco_sev_answer_parse(answers[i].text, strlen(answers[i].text), &answer, &error);

        cr_assert_eq(accepted, answers[i].message == NULL, "answer %zu", i);
        if (!accepted)
            cr_assert_str_eq(error->message, answers[i].message);
    }
}

Test(sev_attest, an_answer_with_a_secret_has_all_of_it)
{
    static const char text[] = "{\"decision\":\"accept\",\"secret_header\":\"" SEALED_HEADER
                               "\",\"secret\":\"QUFB\",\"secret_address\":8454144}";
    g_auto(CocoSevAnswer) answer = { 0 };

    cr_assert(coco_sev_answer_parse(text, strlen(text), &answer, NULL));
    cr_assert_str_eq(answer.header, SEALED_HEADER);
    cr_assert_str_eq(answer.secret, "QUFB");
    cr_assert(answer.has_address && answer.address == 8454144);
}

Test(sev_attest, an_endless_answer_or_reason_is_cut)
{
    g_autofree char *much = g_strnfill(COCO_SEV_MAX_ANSWER, 'x');
    g_autofree char *over = g_strdup_printf("{\"decision\":\"refuse\",\"reason\":\"%s\"}", much);
    g_autofree char *long_text =
        g_strdup_printf("{\"decision\":\"refuse\",\"reason\":\"%.1000s\"}", much);
    g_auto(CocoSevAnswer) answer = { 0 };
    g_autoptr(GError) error = NULL;

    cr_assert_not(coco_sev_answer_parse(over, strlen(over), &answer, &error));
    cr_assert_str_eq(error->message, "the answer has more than 65536 bytes");
    g_clear_error(&error);
    cr_assert_not(coco_sev_answer_parse(long_text, strlen(long_text), &answer, &error));
    cr_assert_eq(strlen(error->message), strlen("refused: ") + COCO_SEV_MAX_REASON);
}
