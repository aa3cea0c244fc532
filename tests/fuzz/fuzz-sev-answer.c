// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes the two JSON texts of SEV pre-attestation. The first byte says which: 'q' the question, as
 * the owner reads it, anything else the answer, as the launcher reads it. A question that is
 * accepted is asked again and must read the same.
 */
#include <string.h>

#include "vmm/owner/sev-attest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_question(const char *text, size_t len)
{
    g_autofree char *measurement = NULL;
    g_autofree char *again = NULL;
    g_autofree char *measurement_again = NULL;
    g_autoptr(GError) error = NULL;
    CocoSevReport report;
    CocoSevReport report_again;
    CocoTee tee;
    CocoTee tee_again;

    if (!coco_sev_attest_request_parse(text, len, &report, &tee, &measurement, &error)) {
        g_assert_nonnull(error);
        return;
    }
    again = coco_sev_attest_request(&report, tee, report.policy, NULL);
    if (again == NULL) /* its measurement is no measurement */
        return;
    g_assert_true(coco_sev_attest_request_parse(again, strlen(again), &report_again, &tee_again,
                                                &measurement_again, &error));
    g_assert_cmpstr(measurement, ==, measurement_again);
    g_assert_true(tee == tee_again && report.api_major == report_again.api_major &&
                  report.api_minor == report_again.api_minor &&
                  report.build_id == report_again.build_id && report.policy == report_again.policy);
}

static void
fuzz_answer(const char *text, size_t len)
{
    g_auto(CocoSevAnswer) answer = { 0 };
    g_autoptr(GError) error = NULL;
    bool accepted = coco_sev_answer_parse(text, len, &answer, &error);

    g_assert_true(accepted == (error == NULL));
    g_assert_true((answer.header == NULL) == (answer.secret == NULL));
    if (accepted)
        return;
    g_assert_null(answer.secret);
    g_assert_null(strpbrk(error->message, "\r\n"));
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == 'q')
        fuzz_question((const char *) data + 1, size - 1);
    else
        fuzz_answer((const char *) data + 1, size - 1);
    return 0;
}
