// SPDX-License-Identifier: Apache-2.0
/*
 * The decisions of SEV pre-attestation (sev-attest.h).
 *
 * What only hardware can show: that the firmware's measurement is the one of measure.h, that it
 * accepts a sealed secret, and that the guest finds it. Here everything up to libvirt's calls is
 * held against recorded values.
 */
#include "vmm/owner/sev-attest.h"

#include <string.h>

#include <json-c/json.h>
#include <openssl/crypto.h>

#include "vmm/config/byte-text.h"
#include "vmm/config/vmm-error.h"
#include "vmm/measure/measure.h"

#define REQUEST_VERSION "1"
#define MAX_DEPTH 4

static const CocoSevAttestState next[COCO_N_SEV_ATTEST_STATES][COCO_N_SEV_ATTEST_EVENTS] = {
    [COCO_SEV_ATTEST_PAUSED] = { [COCO_SEV_ATTEST_EV_REPORT] = COCO_SEV_ATTEST_MEASURED,
                                 [COCO_SEV_ATTEST_EV_FAILED] = COCO_SEV_ATTEST_REFUSED },
    [COCO_SEV_ATTEST_MEASURED] = { [COCO_SEV_ATTEST_EV_ACCEPT] = COCO_SEV_ATTEST_CLEARED,
                                   [COCO_SEV_ATTEST_EV_SECRET] = COCO_SEV_ATTEST_INJECTING,
                                   [COCO_SEV_ATTEST_EV_FAILED] = COCO_SEV_ATTEST_REFUSED },
    [COCO_SEV_ATTEST_INJECTING] = { [COCO_SEV_ATTEST_EV_INJECTED] = COCO_SEV_ATTEST_CLEARED,
                                    [COCO_SEV_ATTEST_EV_FAILED] = COCO_SEV_ATTEST_REFUSED },
    [COCO_SEV_ATTEST_CLEARED] = { [COCO_SEV_ATTEST_EV_RESUMED] = COCO_SEV_ATTEST_RUNNING,
                                  [COCO_SEV_ATTEST_EV_FAILED] = COCO_SEV_ATTEST_REFUSED },
};

static const char *const state_names[] = { "invalid", "paused",  "measured", "injecting",
                                           "cleared", "running", "refused" };
static const char *const event_names[] = { "report",   "accept",  "secret",
                                           "injected", "resumed", "failed" };
G_STATIC_ASSERT(G_N_ELEMENTS(state_names) == COCO_N_SEV_ATTEST_STATES);
G_STATIC_ASSERT(G_N_ELEMENTS(event_names) == COCO_N_SEV_ATTEST_EVENTS);

bool
coco_sev_attest_next(CocoSevAttestState from, CocoSevAttestEvent event, CocoSevAttestState *out_to)
{
    g_return_val_if_fail(from < COCO_N_SEV_ATTEST_STATES && event < COCO_N_SEV_ATTEST_EVENTS,
                         false);
    if (next[from][event] == COCO_SEV_ATTEST_INVALID)
        return false;
    *out_to = next[from][event];
    return true;
}

const char *
coco_sev_attest_state_name(CocoSevAttestState state)
{
    g_return_val_if_fail(state < COCO_N_SEV_ATTEST_STATES, "invalid");
    return state_names[state];
}

const char *
coco_sev_attest_event_name(CocoSevAttestEvent event)
{
    g_return_val_if_fail(event < COCO_N_SEV_ATTEST_EVENTS, "failed");
    return event_names[event];
}

/* Exactly len bytes of canonical base64, or any number of at most len when exact is false; 0 for
 * anything else. */
static gsize
decode(const char *text, uint8_t *out_bytes, gsize len, bool exact)
{
    g_autoptr(GBytes) bytes = NULL;
    gsize n;

    if (strlen(text) > (len + 2) / 3 * 4 || text[0] == '\0')
        return 0;
    bytes = coco_bytes_of_base64(text);
    n = bytes != NULL ? g_bytes_get_size(bytes) : 0;
    if (n > len || (exact && n != len))
        return 0;
    if (out_bytes != NULL && n > 0)
        memcpy(out_bytes, g_bytes_get_data(bytes, NULL), n);
    return n;
}

bool
coco_sev_measurement_parse(const char *text, uint8_t *out_measure, uint8_t *out_nonce,
                           GError **error)
{
    uint8_t bytes[COCO_SEV_MEASURE_SIZE + COCO_SEV_NONCE_SIZE];

    if (decode(text, bytes, sizeof bytes, true) == 0)
        return coco_vmm_failed(error, "the measurement is not base64 of %zu bytes", sizeof bytes);
    memcpy(out_measure, bytes, COCO_SEV_MEASURE_SIZE);
    memcpy(out_nonce, bytes + COCO_SEV_MEASURE_SIZE, COCO_SEV_NONCE_SIZE);
    return true;
}

char *
coco_sev_attest_request(const CocoSevReport *report, CocoTee tee, unsigned int policy,
                        GError **error)
{
    const char *name = coco_vm_config_choice_name(COCO_KEY_VM_TEE, (int) tee);
    uint8_t measure[COCO_SEV_MEASURE_SIZE];
    uint8_t nonce[COCO_SEV_NONCE_SIZE];
    json_object *object;
    char *text;

    if (report->measurement == NULL)
        return (void) coco_vmm_failed(error, "QEMU tells no measurement: is this an SEV guest?"),
               NULL;
    if (!coco_sev_measurement_parse(report->measurement, measure, nonce, error))
        return NULL;
    if (report->policy != policy)
        return (void) coco_vmm_failed(error,
                                      "the guest was started with policy 0x%x, asked for was 0x%x",
                                      report->policy, policy),
               NULL;
    object = json_object_new_object();
    json_object_object_add(object, "version", json_object_new_string(REQUEST_VERSION));
    json_object_object_add(object, "tee", json_object_new_string(name));
    json_object_object_add(object, "measurement", json_object_new_string(report->measurement));
    json_object_object_add(object, "api_major", json_object_new_int64(report->api_major));
    json_object_object_add(object, "api_minor", json_object_new_int64(report->api_minor));
    json_object_object_add(object, "build_id", json_object_new_int64(report->build_id));
    json_object_object_add(object, "policy", json_object_new_int64(report->policy));
    text = g_strdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(object);
    return text;
}

/* An object, or NULL; trailing white space does not count. */
static json_object *
parse_object(const char *text, size_t len, const char *what, GError **error)
{
    json_tokener *tokener;
    json_object *object = NULL;

    if (len > COCO_SEV_MAX_ANSWER)
        return (void) coco_vmm_failed(error, "%s has more than %u bytes", what,
                                      COCO_SEV_MAX_ANSWER),
               NULL;
    tokener = json_tokener_new_ex(MAX_DEPTH);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8 |
                                        JSON_TOKENER_ALLOW_TRAILING_CHARS);
    object = json_tokener_parse_ex(tokener, text, (int) len);
    for (size_t i = object != NULL ? json_tokener_get_parse_end(tokener) : len; i < len; i++) {
        if (!g_ascii_isspace(text[i])) {
            json_object_put(object);
            object = NULL;
            break;
        }
    }
    json_tokener_free(tokener);
    if (object == NULL || !json_object_is_type(object, json_type_object)) {
        json_object_put(object);
        return (void) coco_vmm_failed(error, "%s is not one JSON object", what), NULL;
    }
    return object;
}

/* NULL when it is absent or no string (transfer none). */
static const char *
member(json_object *object, const char *key)
{
    json_object *value = json_object_object_get(object, key);

    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

static bool
member_uint(json_object *object, const char *key, int64_t max, unsigned int *out, GError **error)
{
    json_object *value = json_object_object_get(object, key);
    int64_t number = json_object_get_int64(value);

    if (!json_object_is_type(value, json_type_int) || number < 0 || number > max)
        return coco_vmm_failed(error, "'%s' of the request is not a number up to %" G_GINT64_FORMAT,
                               key, max);
    *out = (unsigned int) number;
    return true;
}

static bool
read_request(json_object *object, CocoSevReport *out_report, CocoTee *out_tee, GError **error)
{
    const char *tee = member(object, "tee");

    if (g_strcmp0(member(object, "version"), REQUEST_VERSION) != 0)
        return coco_vmm_failed(error, "the version of the request is not " REQUEST_VERSION);
    if (g_strcmp0(tee, "sev") != 0 && g_strcmp0(tee, "sev-es") != 0)
        return coco_vmm_failed(error, "'tee' of the request is neither sev nor sev-es");
    if (member(object, "measurement") == NULL)
        return coco_vmm_failed(error, "the request has no measurement");
    *out_tee = strcmp(tee, "sev") == 0 ? COCO_TEE_SEV : COCO_TEE_SEV_ES;
    return member_uint(object, "api_major", UINT8_MAX, &out_report->api_major, error) &&
           member_uint(object, "api_minor", UINT8_MAX, &out_report->api_minor, error) &&
           member_uint(object, "build_id", UINT8_MAX, &out_report->build_id, error) &&
           member_uint(object, "policy", UINT32_MAX, &out_report->policy, error);
}

bool
coco_sev_attest_request_parse(const char *text, size_t len, CocoSevReport *out_report,
                              CocoTee *out_tee, char **out_text, GError **error)
{
    json_object *object = parse_object(text, len, "the request", error);
    CocoSevReport report = { 0 };
    bool read = object != NULL && read_request(object, &report, out_tee, error);

    if (read) {
        *out_text = g_strdup(member(object, "measurement"));
        report.measurement = *out_text;
        *out_report = report;
    }
    json_object_put(object);
    return read;
}

void
coco_sev_answer_clear(CocoSevAnswer *answer)
{
    g_clear_pointer(&answer->header, g_free);
    g_clear_pointer(&answer->secret, g_free);
}

/* One line of at most COCO_SEV_MAX_REASON bytes. */
static bool
refuse(const char *reason, GError **error)
{
    g_autofree char *line =
        g_strndup(reason != NULL ? reason : "no reason is given", COCO_SEV_MAX_REASON);
    g_autofree char *valid = NULL;

    for (char *c = line; *c != '\0'; c++) {
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    }
    valid = g_utf8_make_valid(line, -1);
    return coco_vmm_failed(error, "refused: %s", valid);
}

static bool
read_secret(json_object *object, CocoSevAnswer *answer, GError **error)
{
    const char *header = member(object, "secret_header");
    const char *secret = member(object, "secret");
    json_object *address = json_object_object_get(object, "secret_address");

    if (header == NULL && secret == NULL)
        return address == NULL || coco_vmm_failed(error, "the answer has an address and no secret");
    if (header == NULL || secret == NULL)
        return coco_vmm_failed(error, "the answer has only one of secret_header and secret");
    if (decode(header, NULL, COCO_SEV_HEADER_SIZE, true) == 0)
        return coco_vmm_failed(error, "secret_header is not base64 of %u bytes",
                               COCO_SEV_HEADER_SIZE);
    if (decode(secret, NULL, COCO_SEV_MAX_SECRET, false) == 0)
        return coco_vmm_failed(error, "secret is not base64 of 1 to %u bytes", COCO_SEV_MAX_SECRET);
    if (address != NULL &&
        (!json_object_is_type(address, json_type_int) || json_object_get_int64(address) < 0))
        return coco_vmm_failed(error, "secret_address is not an address");
    answer->header = g_strdup(header);
    answer->secret = g_strdup(secret);
    answer->has_address = address != NULL;
    answer->address = address != NULL ? (guint64) json_object_get_int64(address) : 0;
    return true;
}

bool
coco_sev_answer_parse(const char *text, size_t len, CocoSevAnswer *out_answer, GError **error)
{
    json_object *object = parse_object(text, len, "the answer", error);
    g_auto(CocoSevAnswer) answer = { 0 };
    const char *decision;
    bool accepted;

    if (object == NULL)
        return false;
    decision = member(object, "decision");
    if (g_strcmp0(decision, "accept") == 0)
        accepted = read_secret(object, &answer, error);
    else if (g_strcmp0(decision, "refuse") == 0)
        accepted = refuse(member(object, "reason"), error);
    else
        accepted = coco_vmm_failed(error, "the answer's decision is neither accept nor refuse");
    json_object_put(object);
    if (!accepted)
        return false;
    *out_answer = answer;
    answer = (CocoSevAnswer){ 0 };
    return true;
}

bool
coco_sev_attest_check(const CocoSevReport *report, const uint8_t *launch_digest, const uint8_t *tik,
                      GError **error)
{
    const CocoSevFirmware firmware = {
        .api_major = (uint8_t) report->api_major,
        .api_minor = (uint8_t) report->api_minor,
        .build = (uint8_t) report->build_id,
        .policy = report->policy,
    };
    CocoDigest digest = { .len = COCO_SEV_MEASURE_SIZE };
    CocoDigest expected;
    uint8_t measure[COCO_SEV_MEASURE_SIZE];
    uint8_t nonce[COCO_SEV_NONCE_SIZE];

    memcpy(digest.bytes, launch_digest, COCO_SEV_MEASURE_SIZE);
    if (!coco_sev_measurement_parse(report->measurement, measure, nonce, error) ||
        !coco_sev_launch_hmac(&firmware, &digest, tik, nonce, &expected, error))
        return false;
    /* The host asks as often as it likes: it learns neither the value that would be accepted nor,
     * by the time it takes, how much of it was right. */
    if (CRYPTO_memcmp(expected.bytes, measure, sizeof measure) == 0)
        return true;
    return coco_vmm_failed(error, "the measurement differs from what was expected");
}
