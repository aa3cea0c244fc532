// SPDX-License-Identifier: Apache-2.0
/*
 * `cococtl reference-values`: what a launch with a config will measure, as a message that Trustee's
 * reference value provider (RVPS) takes, under the names that Trustee's default policy asks for.
 *
 * Only what the config decides is in it. The versions of the platform's firmware are the host's,
 * and the owner's to say. A name whose value is not predicted is left out and told of.
 *
 * Source: Trustee's RVPS ("sample" extractor: names to lists of values) and default EAR policy.
 */
#include <string.h>

#include "cococtl/cococtl-object.h"
#include "cococtl/subcommand.h"
#include "vmm/config/byte-text.h"
#include "vmm/config/vmm-error.h"
#include "vmm/launch/measure-plan.h"
#include "vmm/tee/tee-config.h"
#include "vmm/tee/tee-policy.h"

#define NAME "reference-values"
#define MESSAGE_VERSION "0.1.0"

/* SNP guest policy; AMD 56860, "Guest Policy". */
#define POLICY_SMT_BIT 16
#define POLICY_SINGLE_SOCKET_BIT 20

typedef struct {
    char *config;
    char **overrides;
    gboolean json;
} Options;

static void
options_clear(Options *options)
{
    g_free(options->config);
    g_strfreev(options->overrides);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static bool
parse(Options *o, int argc, char **argv, int *out_code)
{
    const GOptionEntry entries[] = {
        { "config", 'c', 0, G_OPTION_ARG_FILENAME, &o->config, "what this config launches",
          "FILE" },
        { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->overrides, "override a key of the config",
          "GROUP.KEY=VALUE" },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &o->json,
          "print the values in the clear beside the message, as JSON", NULL },
        { 0 },
    };

    if (!coco_ctl_parse(NAME, "print what Trustee is to expect, as an RVPS message", entries, &argc,
                        &argv, 0, NULL, out_code))
        return false;
    if (o->config != NULL)
        return true;
    *out_code = coco_ctl_misuse(NAME, "--config is missing");
    return false;
}

/* value: (transfer full) */
static void
add_value(json_object *values, const char *name, json_object *value)
{
    json_object *list = json_object_new_array();

    json_object_array_add(list, value);
    json_object_object_add(values, name, list);
}

static void
add_digest(json_object *values, const char *name, const CocoDigest *digest)
{
    g_autofree char *hex = coco_hex_of(digest->bytes, digest->len);

    if (digest->len > 0)
        add_value(values, name, json_object_new_string(hex));
}

static void
add_snp(json_object *values, const CocoVmConfig *config, const CocoMeasurement *measurement)
{
    guint64 policy = coco_tee_policy(config);

    add_digest(values, "snp_launch_measurement", &measurement->launch_digest);
    add_value(values, "snp_guest_abi_major", json_object_new_int((int) (policy >> 8 & 0xff)));
    add_value(values, "snp_guest_abi_minor", json_object_new_int((int) (policy & 0xff)));
    add_value(values, "snp_smt_allowed",
              json_object_new_boolean((policy >> POLICY_SMT_BIT & 1) != 0));
    add_value(values, "snp_single_socket",
              json_object_new_boolean((policy >> POLICY_SINGLE_SOCKET_BIT & 1) != 0));
}

static void
add_tdx(json_object *values, const CocoMeasurement *measurement)
{
    add_digest(values, "mr_td", &measurement->mrtd);
    add_digest(values, "rtmr_1", &measurement->rtmr1);
    add_digest(values, "rtmr_2", &measurement->rtmr2);
}

static json_object *
make_message(json_object *values)
{
    const char *text = json_object_to_json_string_ext(values, JSON_C_TO_STRING_NOSLASHESCAPE);
    g_autofree char *payload = g_base64_encode((const guchar *) text, strlen(text));
    json_object *message = json_object_new_object();

    json_object_object_add(message, "version", json_object_new_string(MESSAGE_VERSION));
    json_object_object_add(message, "type", json_object_new_string("sample"));
    json_object_object_add(message, "payload", json_object_new_string(payload));
    return message;
}

static json_object *
make_statements(const CocoMeasurement *measurement)
{
    json_object *statements = json_object_new_array();

    for (size_t i = 0; i < measurement->n_statements; i++) {
        json_object *statement = json_object_new_object();

        json_object_object_add(statement, "about",
                               json_object_new_string(measurement->statements[i].about));
        json_object_object_add(statement, "text",
                               json_object_new_string(measurement->statements[i].text));
        json_object_array_add(statements, statement);
    }
    return statements;
}

/* { tee, values, message, statements } (transfer full) */
static json_object *
compute(const Options *options, GError **error)
{
    g_autofree CocoMeasurement *measurement = g_new0(CocoMeasurement, 1);
    const CocoInitdataSource initdata = { 0 };
    g_auto(CocoMeasurePlan) plan = { 0 };
    g_autoptr(CocoVmConfig) config =
        coco_tee_config_load(options->config, (const char *const *) options->overrides, error);
    json_object *report;
    json_object *values;
    int tee;

    if (config == NULL)
        return NULL;
    tee = coco_vm_config_choice(config, COCO_KEY_VM_TEE);
    if (tee != COCO_TEE_SNP && tee != COCO_TEE_TDX) {
        (void) coco_vm_config_error(config, COCO_KEY_VM_TEE, error,
                                    "Trustee's policy has no names for a launch of %s, only for "
                                    "snp and tdx; `cococtl measure` tells the values",
                                    coco_vm_config_choice_name(COCO_KEY_VM_TEE, tee));
        return NULL;
    }
    coco_measure_plan_preset(&plan);
    if (!coco_measure_plan_from_config(&plan, config, &initdata, error) ||
        !coco_measure_plan_run(&plan, NULL, measurement, error))
        return NULL;
    values = json_object_new_object();
    if (tee == COCO_TEE_SNP)
        add_snp(values, config, measurement);
    else
        add_tdx(values, measurement);
    report = json_object_new_object();
    json_object_object_add(
        report, "tee", json_object_new_string(coco_vm_config_choice_name(COCO_KEY_VM_TEE, tee)));
    json_object_object_add(report, "values", values);
    json_object_object_add(report, "message", make_message(values));
    json_object_object_add(report, "statements", make_statements(measurement));
    return report;
}

int
coco_ctl_reference_values(int argc, char **argv)
{
    g_auto(Options) options = { 0 };
    g_autoptr(GError) error = NULL;
    json_object *report;
    int code = COCO_CTL_OK;

    if (!parse(&options, argc, argv, &code))
        return code;
    report = compute(&options, &error);
    if (report == NULL)
        return coco_ctl_fail(NAME, error);
    code = coco_ctl_print_object(
        NAME, options.json ? report : json_object_object_get(report, "message"), true);
    json_object_put(report);
    return code;
}
