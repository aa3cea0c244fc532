// SPDX-License-Identifier: Apache-2.0
/*
 * Pre-attestation of SEV and SEV-ES: what happens between QEMU's start, paused, and the guest's
 * first instruction. Everything that decides is here and pure; libvirt's calls are in
 * sev-attest-libvirt.c.
 *
 *     PAUSED --report--> MEASURED --accept--> CLEARED --resumed--> RUNNING
 *                        MEASURED --secret--> INJECTING --injected--> CLEARED
 *     any of these --failed--> REFUSED
 *
 * Who decides is asked with one JSON object on a line and answers with one:
 *
 *   {"version":"1","tee":"sev","measurement":BASE64,"api_major":N,"api_minor":N,"build_id":N,
 *    "policy":N}
 *   {"decision":"accept"[,"secret_header":BASE64,"secret":BASE64[,"secret_address":N]]}
 *   {"decision":"refuse"[,"reason":TEXT]}
 *
 * Ownership: see each type.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <glib.h>

#include "vmm/config/config.h"
#include "vmm/owner/sev-secret.h"

#define COCO_SEV_MAX_ANSWER (64u * 1024u)
#define COCO_SEV_MAX_REASON 400u

typedef enum {
    COCO_SEV_ATTEST_INVALID, /* zero: an unset table cell means "refused" */
    COCO_SEV_ATTEST_PAUSED,
    COCO_SEV_ATTEST_MEASURED,
    COCO_SEV_ATTEST_INJECTING,
    COCO_SEV_ATTEST_CLEARED,
    COCO_SEV_ATTEST_RUNNING,
    COCO_SEV_ATTEST_REFUSED,
    COCO_N_SEV_ATTEST_STATES,
} CocoSevAttestState;

typedef enum {
    COCO_SEV_ATTEST_EV_REPORT,   /* the firmware's report came and fits what was asked for */
    COCO_SEV_ATTEST_EV_ACCEPT,   /* the owner accepts and gives no secret */
    COCO_SEV_ATTEST_EV_SECRET,   /* the owner accepts and gives one */
    COCO_SEV_ATTEST_EV_INJECTED, /* the firmware took it */
    COCO_SEV_ATTEST_EV_RESUMED,
    COCO_SEV_ATTEST_EV_FAILED,
    COCO_N_SEV_ATTEST_EVENTS,
} CocoSevAttestEvent;

/* False when the event cannot be in that state; *out_to is then as it was. */
bool coco_sev_attest_next(CocoSevAttestState from, CocoSevAttestEvent event,
                          CocoSevAttestState *out_to);

/* "paused", …, and "report", … (transfer none) */
const char *coco_sev_attest_state_name(CocoSevAttestState state);
const char *coco_sev_attest_event_name(CocoSevAttestEvent event);

/* What the firmware says of a paused guest, by way of QEMU and libvirt. measurement is borrowed. */
typedef struct {
    const char *measurement; /* base64 of 32 + 16 bytes; nullable */
    unsigned int api_major;
    unsigned int api_minor;
    unsigned int build_id;
    unsigned int policy;
} CocoSevReport;

/* out_measure: COCO_SEV_MEASURE_SIZE, out_nonce: COCO_SEV_NONCE_SIZE bytes. */
bool coco_sev_measurement_parse(const char *text, uint8_t *out_measure, uint8_t *out_nonce,
                                GError **error);

/* The question, without a line end; fails when the report is not of the guest that was asked for
 * (transfer full). */
char *coco_sev_attest_request(const CocoSevReport *report, CocoTee tee, unsigned int policy,
                              GError **error);

/* The same, read back by who decides (transfer full). tee, report: what was in it; *out_text owns
 * the measurement. */
bool coco_sev_attest_request_parse(const char *text, size_t len, CocoSevReport *out_report,
                                   CocoTee *out_tee, char **out_text, GError **error);

typedef struct {
    char *header; /* base64; NULL: no secret */
    char *secret;
    bool has_address;
    guint64 address; /* in guest memory; without one the firmware's own place for it is used */
} CocoSevAnswer;

void coco_sev_answer_clear(CocoSevAnswer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoSevAnswer, coco_sev_answer_clear)

/* False with a message for a refusal, and for an answer that is none. */
bool coco_sev_answer_parse(const char *text, size_t len, CocoSevAnswer *out_answer, GError **error);

/* The owner's check: recomputes the measurement from the launch digest (32 bytes) and the integrity
 * key. The error goes to the host, and says only that they differ. */
bool coco_sev_attest_check(const CocoSevReport *report, const uint8_t *launch_digest,
                           const uint8_t *tik, GError **error);
