// SPDX-License-Identifier: Apache-2.0
/*
 * `cococtl measure`: options and a config into a plan, the plan into a measurement, and out with
 * it.
 */
#include "cococtl/cococtl-measure.h"

#include <string.h>

#include "cococtl/subcommand.h"
#include "vmm/config/byte-text.h"
#include "vmm/config/vmm-error.h"
#include "vmm/initdata/initdata.h"
#include "vmm/tee/tee-config.h"

#define NAME "measure"
#define MAX_INITDATA_DIGEST 64u

typedef struct {
    char *config;
    char **overrides;
    char *tee;
    char *files[COCO_N_MEASURE_FILES];
    char *cmdline;
    char *vcpus;
    char *cpu_model;
    char *sev_es_vm_type;
    char *vmsa_features;
    char *tdx_load_options;
    char **realm;
    char *initdata;
    char *initdata_digest;
    gboolean no_kernel_hashes;
    gboolean tdx_two_pass;
    gboolean json;
    gboolean explain;
} Options;

static void
options_clear(Options *options)
{
    for (size_t i = 0; i < G_N_ELEMENTS(options->files); i++)
        g_free(options->files[i]);
    g_free(options->config);
    g_strfreev(options->overrides);
    g_free(options->tee);
    g_free(options->cmdline);
    g_free(options->vcpus);
    g_free(options->cpu_model);
    g_free(options->sev_es_vm_type);
    g_free(options->vmsa_features);
    g_free(options->tdx_load_options);
    g_strfreev(options->realm);
    g_free(options->initdata);
    g_free(options->initdata_digest);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static bool
parse(Options *o, int argc, char **argv, int *out_code)
{
    /* clang-format off */
    const GOptionEntry entries[] = {
        { "config", 'c', 0, G_OPTION_ARG_FILENAME, &o->config, "measure what this config launches", "FILE" },
        { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->overrides, "override a key of the config", "GROUP.KEY=VALUE" },
        { "tee", 't', 0, G_OPTION_ARG_STRING, &o->tee, "sev, sev-es, snp, tdx, se or cca", "TEE" },
        { "firmware", 0, 0, G_OPTION_ARG_FILENAME, &o->files[COCO_MEASURE_FIRMWARE], "firmware image", "FILE" },
        { "kernel", 0, 0, G_OPTION_ARG_FILENAME, &o->files[COCO_MEASURE_KERNEL], "kernel; for se the pvimg image", "FILE" },
        { "initrd", 0, 0, G_OPTION_ARG_FILENAME, &o->files[COCO_MEASURE_INITRD], "initrd", "FILE" },
        { "cmdline", 0, 0, G_OPTION_ARG_STRING, &o->cmdline, "the whole kernel command line", "TEXT" },
        { "vcpus", 0, 0, G_OPTION_ARG_STRING, &o->vcpus, "vCPUs at boot (default 1)", "N" },
        { "cpu-model", 0, 0, G_OPTION_ARG_STRING, &o->cpu_model, "QEMU's CPU model, FAMILY:MODEL:STEPPING or 0xSIGNATURE", "MODEL" },
        { "sev-es-vm-type", 0, 0, G_OPTION_ARG_STRING, &o->sev_es_vm_type, "legacy (QEMU up to 11.1; default) or current", "TYPE" },
        { "vmsa-features", 0, 0, G_OPTION_ARG_STRING, &o->vmsa_features, "SEV_FEATURES (default: snp 1, sev-es 0)", "HEX" },
        { "no-kernel-hashes", 0, 0, G_OPTION_ARG_NONE, &o->no_kernel_hashes, "SEV: the kernel is loaded and not measured", NULL },
        { "tdx-two-pass", 0, 0, G_OPTION_ARG_NONE, &o->tdx_two_pass, "MRTD as Intel's QEMU 8 makes it", NULL },
        { "tdx-load-options", 0, 0, G_OPTION_ARG_STRING, &o->tdx_load_options, "initrd=initrd comes first (edk2 202508) or last; default: by the firmware", "ORDER" },
        { "dtb", 0, 0, G_OPTION_ARG_FILENAME, &o->files[COCO_MEASURE_DTB], "cca: the device tree that the VMM generates", "FILE" },
        { "realm", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->realm, "cca: ram_mib, hash, ipa_bits, sve_bits, breakpoints, watchpoints, pmu_counters, lpa2", "KEY=VALUE" },
        { "initdata", 0, 0, G_OPTION_ARG_FILENAME, &o->initdata, "initdata (TOML) bound to the launch", "FILE" },
        { "initdata-digest", 0, 0, G_OPTION_ARG_STRING, &o->initdata_digest, "or its digest", "HEX" },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &o->json, "print JSON", NULL },
        { "explain", 'e', 0, G_OPTION_ARG_NONE, &o->explain, "show each step with its running digest", NULL },
        { 0 },
    };
    /* clang-format on */

    return coco_ctl_parse(NAME, "compute what a launch will measure", entries, &argc, &argv, 0,
                          NULL, out_code);
}

static bool
bad(GError **error, const char *option, const char *value, const char *expected)
{
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s: '%s' is not %s", option,
                value, expected);
    return false;
}

/* index of value in words, which end with NULL */
static bool
choose(const char *option, const char *value, const char *const *words, unsigned int *out,
       GError **error)
{
    g_autofree char *all = NULL;

    for (unsigned int i = 0; words[i] != NULL; i++) {
        if (strcmp(value, words[i]) == 0) {
            *out = i;
            return true;
        }
    }
    all = g_strjoinv(", ", (char **) (uintptr_t) words);
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s: '%s' is not one of %s",
                option, value, all);
    return false;
}

static bool
choose_tee(const char *value, CocoTee *out, GError **error)
{
    const char *words[COCO_N_TEES + 1] = { NULL };
    unsigned int tee = 0;

    for (int i = 0; i < COCO_N_TEES; i++)
        words[i] = coco_vm_config_choice_name(COCO_KEY_VM_TEE, i);
    if (!choose("tee", value, words, &tee, error))
        return false;
    *out = (CocoTee) tee;
    return true;
}

static bool
apply_numbers(const Options *options, CocoMeasureInput *input, GError **error)
{
    const char *features = options->vmsa_features;
    guint64 number = 0;

    if (options->vcpus != NULL) {
        if (!g_ascii_string_to_unsigned(options->vcpus, 10, 1, COCO_MEASURE_MAX_VCPUS, &number,
                                        NULL))
            return bad(error, "vcpus", options->vcpus, "a number from 1 to 4096");
        input->vcpus = (unsigned int) number;
    }
    if (features != NULL) {
        if (g_str_has_prefix(features, "0x") || g_str_has_prefix(features, "0X"))
            features += 2;
        if (!g_ascii_string_to_unsigned(features, 16, 0, UINT64_MAX, &number, NULL))
            return bad(error, "vmsa-features", options->vmsa_features, "a hexadecimal number");
        input->vmsa_features = number;
        input->vmsa_features_given = true;
    }
    return true;
}

static bool
apply_choices(const Options *options, CocoMeasureInput *input, GError **error)
{
    static const char *const vm_types[] = { "legacy", "current", NULL };
    static const char *const orders[] = { "auto", "first", "last", NULL };
    unsigned int choice = 0;

    if (options->sev_es_vm_type != NULL) {
        if (!choose("sev-es-vm-type", options->sev_es_vm_type, vm_types, &choice, error))
            return false;
        input->sev_es_vm_type = (CocoSevEsVmType) choice;
    }
    if (options->tdx_load_options != NULL) {
        if (!choose("tdx-load-options", options->tdx_load_options, orders, &choice, error))
            return false;
        input->tdx_load_options = (CocoTdxLoadOptions) choice;
    }
    input->tdx_two_pass = input->tdx_two_pass || options->tdx_two_pass;
    input->no_kernel_hashes = input->no_kernel_hashes || options->no_kernel_hashes;
    return true;
}

static bool
apply_realm_number(const char *key, const char *value, CocoMeasureCca *cca, GError **error)
{
    const struct {
        const char *key;
        unsigned int *slot;
        unsigned int max;
    } numbers[] = {
        { "ipa_bits", &cca->ipa_bits, 52 },       { "breakpoints", &cca->breakpoints, 64 },
        { "watchpoints", &cca->watchpoints, 64 }, { "pmu_counters", &cca->pmu_counters, 31 },
        { "sve_bits", &cca->sve_bits, 2048 },
    };
    guint64 number = 0;

    if (strcmp(key, "ram_mib") == 0) {
        if (!g_ascii_string_to_unsigned(value, 10, 1, UINT32_MAX, &number, NULL))
            return bad(error, "realm ram_mib", value, "a number of MiB");
        cca->ram_bytes = number << 20;
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (strcmp(key, numbers[i].key) != 0)
            continue;
        if (!g_ascii_string_to_unsigned(value, 10, 0, numbers[i].max, &number, NULL))
            return bad(error, "realm", value, "a number that this key may have");
        *numbers[i].slot = (unsigned int) number;
        return true;
    }
    return bad(error, "realm", key, "a key that is known");
}

static bool
apply_realm(const Options *options, CocoMeasureCca *cca, GError **error)
{
    static const char *const hashes[] = { "sha256", "sha512", NULL };
    static const char *const answers[] = { "no", "yes", NULL };

    for (size_t i = 0; options->realm != NULL && options->realm[i] != NULL; i++) {
        g_auto(GStrv) parts = g_strsplit(options->realm[i], "=", 2);
        unsigned int choice = 0;

        if (g_strv_length(parts) != 2)
            return bad(error, "realm", options->realm[i], "KEY=VALUE");
        if (strcmp(parts[0], "hash") == 0) {
            if (!choose("realm hash", parts[1], hashes, &choice, error))
                return false;
            cca->sha512 = choice == 1;
        } else if (strcmp(parts[0], "lpa2") == 0) {
            if (!choose("realm lpa2", parts[1], answers, &choice, error))
                return false;
            cca->lpa2 = choice == 1;
        } else if (!apply_realm_number(parts[0], parts[1], cca, error)) {
            return false;
        }
    }
    return true;
}

static void
replace(char **slot, const char *value)
{
    if (value == NULL)
        return;
    g_free(*slot);
    *slot = value[0] != '\0' ? g_strdup(value) : NULL;
}

static bool
apply_initdata_digest(const char *hex, CocoMeasurePlan *plan, GError **error)
{
    g_autoptr(GBytes) bytes = coco_bytes_of_hex(hex);

    if (bytes == NULL || g_bytes_get_size(bytes) == 0 ||
        g_bytes_get_size(bytes) > MAX_INITDATA_DIGEST)
        return bad(error, "initdata-digest", hex, "1 to 64 bytes in hexadecimal");
    g_bytes_unref(plan->host_data);
    plan->host_data = g_steal_pointer(&bytes);
    return true;
}

static bool
take_initdata(const char *file, CocoMeasurePlan *plan, GError **error)
{
    g_autoptr(CocoInitdata) initdata = NULL;
    const uint8_t *digest;
    size_t len = 0;

    if (file == NULL)
        return true;
    initdata = coco_initdata_load_toml(file, error);
    if (initdata == NULL)
        return false;
    digest = coco_initdata_digest(initdata, &len);
    plan->host_data = g_bytes_new(digest, len);
    return true;
}

/* The TEE is told to the config as it is read: defaults and checks depend on it. */
static bool
take_config(const Options *options, CocoMeasurePlan *plan, GError **error)
{
    CocoInitdataSource source = { .toml_file = options->initdata };
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autofree char *tee = g_strconcat("vm.tee=", options->tee, NULL);
    g_autoptr(CocoVmConfig) config = NULL;
    g_auto(GStrv) overrides = NULL;

    for (size_t i = 0; options->overrides != NULL && options->overrides[i] != NULL; i++)
        g_strv_builder_add(builder, options->overrides[i]);
    if (options->tee != NULL)
        g_strv_builder_add(builder, tee);
    overrides = g_strv_builder_end(builder);
    config = coco_tee_config_load(options->config, (const char *const *) overrides, error);
    return config != NULL && coco_measure_plan_from_config(plan, config, &source, error);
}

/* Options over config over defaults. Errors of G_OPTION_ERROR are the user's. */
static bool
make_plan(const Options *options, CocoMeasurePlan *plan, GError **error)
{
    if (options->config == NULL && (options->overrides != NULL || options->tee == NULL)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    options->tee != NULL ? "--set needs --config" : "--tee or --config is missing");
        return false;
    }
    coco_measure_plan_preset(plan);
    if (options->config != NULL ? !take_config(options, plan, error)
                                : !choose_tee(options->tee, &plan->input.tee, error) ||
                                      !take_initdata(options->initdata, plan, error))
        return false;
    for (CocoMeasureFile i = 0; i < COCO_N_MEASURE_FILES; i++)
        replace(&plan->paths[i], options->files[i]);
    replace(&plan->cmdline, options->cmdline);
    replace(&plan->cpu_model, options->cpu_model);
    return apply_choices(options, &plan->input, error) &&
           apply_numbers(options, &plan->input, error) &&
           apply_realm(options, &plan->input.cca, error) &&
           (options->initdata_digest == NULL ||
            apply_initdata_digest(options->initdata_digest, plan, error));
}

static void
on_step_json(const CocoMeasureStep *step, void *steps)
{
    json_object_array_add(steps, coco_measure_report_step(step));
}

static void
on_step_text(const CocoMeasureStep *step, void *lines)
{
    g_autofree char *line = coco_measure_report_step_text(step);

    g_string_append(lines, line);
}

static bool
compute(const Options *options, char **out_text, GError **error)
{
    g_auto(CocoMeasurePlan) plan = { 0 };
    g_autoptr(GString) lines = g_string_new(NULL);
    json_object *steps = json_object_new_array();
    CocoMeasureTrace trace = { options->json ? on_step_json : on_step_text,
                               options->json ? (void *) steps : (void *) lines };
    g_autofree CocoMeasurement *measurement = g_new0(CocoMeasurement, 1);
    g_autofree char *text = NULL;
    json_object *report;

    if (!make_plan(options, &plan, error) ||
        !coco_measure_plan_run(&plan, options->explain ? &trace : NULL, measurement, error)) {
        json_object_put(steps);
        return false;
    }
    report = coco_measure_report(&plan, measurement);
    if (options->json && options->explain)
        json_object_object_add(report, "steps", json_object_get(steps));
    text = coco_measure_report_text(report);
    if (options->json)
        *out_text = g_strconcat(json_object_to_json_string_ext(
                                    report, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                                JSON_C_TO_STRING_NOSLASHESCAPE),
                                "\n", NULL);
    else
        *out_text = g_strconcat(lines->str, text, NULL);
    json_object_put(report);
    json_object_put(steps);
    return true;
}

static int
complain(const Options *options, const GError *error)
{
    if (options->json) {
        json_object *object = json_object_new_object();

        json_object_object_add(object, "error", json_object_new_string(error->message));
        (void) coco_ctl_print(
            NAME, json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
        (void) coco_ctl_print(NAME, "\n");
        json_object_put(object);
    }
    if (error->domain == G_OPTION_ERROR)
        return coco_ctl_misuse(NAME, "%s", error->message);
    return coco_ctl_fail(NAME, error);
}

int
coco_ctl_measure(int argc, char **argv)
{
    g_auto(Options) options = { 0 };
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    int code = COCO_CTL_OK;

    if (!parse(&options, argc, argv, &code))
        return code;
    if (!compute(&options, &text, &error))
        return complain(&options, error);
    return coco_ctl_print(NAME, text);
}
