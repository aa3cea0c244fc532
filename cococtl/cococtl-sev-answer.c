// SPDX-License-Identifier: Apache-2.0
/*
 * `cococtl sev-answer`: the guest owner's side of SEV pre-attestation. It reads the question of
 * coco-vmm on standard input, recomputes the measurement with the owner's keys, and answers: with a
 * sealed secret, or with a refusal that says why. A hook of [sev]
 * attest or a key broker runs it; the keys belong where the host is not.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cococtl/cococtl-object.h"
#include "cococtl/subcommand.h"
#include "vmm/config/vmm-error.h"
#include "vmm/launch/measure-plan.h"
#include "vmm/owner/id-block.h"
#include "vmm/owner/sev-attest.h"
#include "vmm/tee/tee-config.h"
#include "vmm/tee/tee-policy.h"

#define NAME "sev-answer"
#define MAX_SECRETS 32u

typedef struct {
    char *config;
    char **overrides;
    char *launch_digest;
    char *policy;
    char *tk;
    char **secrets; /* GUID=FILE */
} Options;

/* What the owner expects, and what the owner gives. */
typedef struct {
    uint8_t launch_digest[COCO_SEV_MEASURE_SIZE];
    guint64 policy;
    CocoSevKeys keys;
    CocoSevSecret secrets[MAX_SECRETS];
    size_t n_secrets;
} Owner;

static void
options_clear(Options *options)
{
    g_free(options->config);
    g_strfreev(options->overrides);
    g_free(options->launch_digest);
    g_free(options->policy);
    g_free(options->tk);
    g_strfreev(options->secrets);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static void
owner_clear(Owner *owner)
{
    for (size_t i = 0; i < owner->n_secrets; i++) {
        char *data = (char *) (uintptr_t) owner->secrets[i].data;

        explicit_bzero(data, owner->secrets[i].len);
        g_free(data);
    }
    explicit_bzero(owner, sizeof *owner);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Owner, owner_clear)

static bool
parse(Options *o, int argc, char **argv, int *out_code)
{
    /* clang-format off */
    const GOptionEntry entries[] = {
        { "config", 'c', 0, G_OPTION_ARG_FILENAME, &o->config, "expect what this config launches", "FILE" },
        { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->overrides, "override a key of the config", "GROUP.KEY=VALUE" },
        { "launch-digest", 'd', 0, G_OPTION_ARG_STRING, &o->launch_digest, "or: expect this launch digest, 32 bytes", "HEX" },
        { "policy", 'p', 0, G_OPTION_ARG_STRING, &o->policy, "expect this guest policy; needed with a launch digest", "HEX" },
        { "tk", 't', 0, G_OPTION_ARG_FILENAME, &o->tk, "the session's keys: TEK and TIK, 16 bytes each", "FILE" },
        { "secret", 's', 0, G_OPTION_ARG_STRING_ARRAY, &o->secrets, "give the guest this file", "GUID=FILE" },
        { 0 },
    };
    /* clang-format on */

    if (!coco_ctl_parse(NAME, "decide on the measurement of an SEV guest", entries, &argc, &argv, 0,
                        NULL, out_code))
        return false;
    if (o->tk == NULL)
        *out_code = coco_ctl_misuse(NAME, "--tk is missing");
    else if ((o->launch_digest == NULL) == (o->config == NULL))
        *out_code = coco_ctl_misuse(NAME, "one of --launch-digest and --config is needed");
    else if (o->launch_digest != NULL && o->policy == NULL)
        *out_code = coco_ctl_misuse(NAME, "--launch-digest needs --policy: the host chooses the "
                                          "policy, and one of its bits is debugging");
    else if (o->secrets != NULL && g_strv_length(o->secrets) > MAX_SECRETS)
        *out_code = coco_ctl_misuse(NAME, "more than %u secrets", MAX_SECRETS);
    else
        return true;
    return false;
}

static bool
measure_config(const Options *options, Owner *owner, GError **error)
{
    g_autofree CocoMeasurement *measurement = g_new0(CocoMeasurement, 1);
    const CocoInitdataSource initdata = { 0 };
    g_auto(CocoMeasurePlan) plan = { 0 };
    g_autoptr(CocoVmConfig) config =
        coco_tee_config_load(options->config, (const char *const *) options->overrides, error);
    int tee = config != NULL ? coco_vm_config_choice(config, COCO_KEY_VM_TEE) : COCO_TEE_NONE;

    if (config == NULL)
        return false;
    if (tee != COCO_TEE_SEV && tee != COCO_TEE_SEV_ES)
        return coco_vm_config_error(config, COCO_KEY_VM_TEE, error,
                                    "only sev and sev-es have a measurement before the guest runs");
    coco_measure_plan_preset(&plan);
    if (!coco_measure_plan_from_config(&plan, config, &initdata, error) ||
        !coco_measure_plan_run(&plan, NULL, measurement, error))
        return false;
    g_assert(measurement->launch_digest.len == sizeof owner->launch_digest);
    memcpy(owner->launch_digest, measurement->launch_digest.bytes, sizeof owner->launch_digest);
    owner->policy = coco_tee_policy(config);
    return true;
}

static bool
load_expectation(const Options *options, Owner *owner, GError **error)
{
    const char *policy = options->policy;

    if (options->config != NULL && !measure_config(options, owner, error))
        return false;
    if (options->launch_digest != NULL &&
        !coco_id_bytes_from_hex(options->launch_digest, owner->launch_digest,
                                sizeof owner->launch_digest, error)) {
        g_prefix_error(error, "--launch-digest: ");
        return false;
    }
    if (policy == NULL)
        return true;
    if (g_str_has_prefix(policy, "0x"))
        policy += 2;
    return g_ascii_string_to_unsigned(policy, 16, 0, UINT32_MAX, &owner->policy, NULL) ||
           coco_vmm_bad_config(error, "--policy '%.40s': not a hexadecimal number of 32 bits",
                               options->policy);
}

static bool
load_keys(const char *path, CocoSevKeys *keys, GError **error)
{
    g_autofree char *data = NULL;
    bool right_size;
    gsize len;

    if (!g_file_get_contents(path, &data, &len, error))
        return false;
    right_size = len == 2 * COCO_SEV_KEY_SIZE;
    if (right_size) {
        memcpy(keys->tek, data, COCO_SEV_KEY_SIZE);
        memcpy(keys->tik, data + COCO_SEV_KEY_SIZE, COCO_SEV_KEY_SIZE);
    }
    explicit_bzero(data, len);
    return right_size ||
           coco_vmm_bad_config(error, "keys '%s': 32 bytes are needed and it has %zu", path, len);
}

static bool
load_secrets(const Options *options, Owner *owner, GError **error)
{
    for (size_t i = 0; options->secrets != NULL && options->secrets[i] != NULL; i++) {
        CocoSevSecret *secret = &owner->secrets[i];
        const char *equals = strchr(options->secrets[i], '=');
        g_autofree char *guid = g_strndup(
            options->secrets[i], equals != NULL ? (gsize) (equals - options->secrets[i]) : 0);
        char *data;

        if (equals == NULL || !coco_sev_guid_parse(guid, secret->guid))
            return coco_vmm_bad_config(error, "--secret '%.80s': GUID=FILE is needed",
                                       options->secrets[i]);
        if (!g_file_get_contents(equals + 1, &data, &secret->len, error))
            return false;
        secret->data = data;
        owner->n_secrets++;
    }
    return true;
}

static bool
read_question(GString *question, GError **error)
{
    char buffer[4096];
    ssize_t n;

    while ((n = read(STDIN_FILENO, buffer, sizeof buffer)) > 0 &&
           question->len <= COCO_SEV_MAX_ANSWER)
        g_string_append_len(question, buffer, n);
    return n >= 0 || coco_vmm_bad_config(error, "the question cannot be read");
}

/* The checks that make a refusal, and not a failure. */
static bool
decide(const GString *question, const Owner *owner, char **out_header, char **out_secret,
       GError **error)
{
    g_autofree char *measurement = NULL;
    uint8_t measure[COCO_SEV_MEASURE_SIZE];
    uint8_t nonce[COCO_SEV_NONCE_SIZE];
    CocoSevReport report;
    CocoTee tee;

    if (!coco_sev_attest_request_parse(question->str, question->len, &report, &tee, &measurement,
                                       error))
        return false;
    if (report.policy != owner->policy)
        return coco_vmm_bad_config(error, "the policy is 0x%x, expected was 0x%" PRIx64,
                                   report.policy, owner->policy);
    if (!coco_sev_attest_check(&report, owner->launch_digest, owner->keys.tik, error) ||
        !coco_sev_measurement_parse(report.measurement, measure, nonce, error))
        return false;
    return owner->n_secrets == 0 ||
           coco_sev_secret_seal(owner->secrets, owner->n_secrets, &owner->keys, measure, NULL,
                                out_header, out_secret, error);
}

static int
answer(const GString *question, const Owner *owner)
{
    json_object *object = json_object_new_object();
    g_autoptr(GError) refusal = NULL;
    g_autofree char *header = NULL;
    g_autofree char *secret = NULL;
    g_autofree char *line = NULL;
    bool accepted = decide(question, owner, &header, &secret, &refusal);

    json_object_object_add(object, "decision",
                           json_object_new_string(accepted ? "accept" : "refuse"));
    if (!accepted)
        json_object_object_add(object, "reason", json_object_new_string(refusal->message));
    if (header != NULL) {
        json_object_object_add(object, "secret_header", json_object_new_string(header));
        json_object_object_add(object, "secret", json_object_new_string(secret));
    }
    line = g_strconcat(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE), "\n",
                       NULL);
    json_object_put(object);
    return coco_ctl_print(NAME, line);
}

int
coco_ctl_sev_answer(int argc, char **argv)
{
    g_autoptr(GString) question = g_string_new(NULL);
    g_auto(Options) options = { 0 };
    g_autoptr(GError) error = NULL;
    g_auto(Owner) owner = { 0 };
    int code = COCO_CTL_OK;

    if (!parse(&options, argc, argv, &code))
        return code;
    if (!load_expectation(&options, &owner, &error) ||
        !load_keys(options.tk, &owner.keys, &error) || !load_secrets(&options, &owner, &error) ||
        !read_question(question, &error))
        return coco_ctl_fail(NAME, error);
    return answer(question, &owner);
}
