// SPDX-License-Identifier: Apache-2.0
/*
 * `cococtl id-block`: makes the ID block and the ID authentication information of an SNP guest from
 * keys in PEM, as base64 for [snp] id_block and id_auth, and tells the digests that reports will
 * name the keys by. What it wrote is checked as the firmware will check it.
 */
#include <inttypes.h>
#include <string.h>

#include "cococtl/cococtl-object.h"
#include "cococtl/subcommand.h"
#include "vmm/launch/measure-plan.h"
#include "vmm/owner/id-block.h"
#include "vmm/tee/tee-config.h"
#include "vmm/tee/tee-policy.h"

#define NAME "id-block"

typedef struct {
    char *launch_digest;
    char *config;
    char **overrides;
    char *id_key;
    char *author_key;
    char *family_id;
    char *image_id;
    char *svn;
    char *policy;
    char *out_block;
    char *out_auth;
    gboolean json;
} Options;

static void
options_clear(Options *options)
{
    g_free(options->launch_digest);
    g_free(options->config);
    g_strfreev(options->overrides);
    g_free(options->id_key);
    g_free(options->author_key);
    g_free(options->family_id);
    g_free(options->image_id);
    g_free(options->svn);
    g_free(options->policy);
    g_free(options->out_block);
    g_free(options->out_auth);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static bool
parse(Options *o, int argc, char **argv, int *out_code)
{
    /* clang-format off */
    const GOptionEntry entries[] = {
        { "launch-digest", 'd', 0, G_OPTION_ARG_STRING, &o->launch_digest, "launch digest to sign, 48 bytes", "HEX" },
        { "measure-config", 'c', 0, G_OPTION_ARG_FILENAME, &o->config, "or: measure what this config launches; its policy too", "FILE" },
        { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->overrides, "override a key of the config", "GROUP.KEY=VALUE" },
        { "id-key", 'k', 0, G_OPTION_ARG_FILENAME, &o->id_key, "private key that signs the block, P-384", "PEM" },
        { "author-key", 'a', 0, G_OPTION_ARG_FILENAME, &o->author_key, "private key that signs the ID key, P-384", "PEM" },
        { "family-id", 0, 0, G_OPTION_ARG_STRING, &o->family_id, "16 bytes (default: zero)", "HEX" },
        { "image-id", 0, 0, G_OPTION_ARG_STRING, &o->image_id, "16 bytes (default: zero)", "HEX" },
        { "svn", 0, 0, G_OPTION_ARG_STRING, &o->svn, "security version of the guest (default 0)", "N" },
        { "policy", 0, 0, G_OPTION_ARG_STRING, &o->policy, "guest policy (default: the config's, else 0x30000)", "HEX" },
        { "out-block", 'b', 0, G_OPTION_ARG_FILENAME, &o->out_block, "write the block here, base64", "FILE" },
        { "out-auth", 'o', 0, G_OPTION_ARG_FILENAME, &o->out_auth, "write the authentication here, base64", "FILE" },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &o->json, "print JSON", NULL },
        { 0 },
    };
    /* clang-format on */
    const char *missing;

    if (!coco_ctl_parse(NAME, "sign which SNP guest may be launched", entries, &argc, &argv, 0,
                        NULL, out_code))
        return false;
    missing = o->id_key == NULL      ? "--id-key"
              : o->out_block == NULL ? "--out-block"
              : o->out_auth == NULL  ? "--out-auth"
                                     : NULL;
    if (missing != NULL)
        *out_code = coco_ctl_misuse(NAME, "%s is missing", missing);
    else if ((o->launch_digest == NULL) == (o->config == NULL))
        *out_code = coco_ctl_misuse(NAME, "one of --launch-digest and --measure-config is needed");
    else if (o->overrides != NULL && o->config == NULL)
        *out_code = coco_ctl_misuse(NAME, "--set needs --measure-config");
    else
        return true;
    return false;
}

/* An option that is not given leaves what is there. */
static bool
take_hex(const char *option, const char *text, uint8_t *out_bytes, size_t size, GError **error)
{
    if (text == NULL || coco_id_bytes_from_hex(text, out_bytes, size, error))
        return true;
    g_prefix_error(error, "--%s '%.100s': ", option, text);
    return false;
}

static bool
take_number(const char *option, const char *text, unsigned int base, guint64 max, guint64 *out,
            GError **error)
{
    const char *digits = text;

    if (text == NULL)
        return true;
    if (base == 16 && (g_str_has_prefix(text, "0x") || g_str_has_prefix(text, "0X")))
        digits += 2;
    if (g_ascii_string_to_unsigned(digits, base, 0, max, out, NULL))
        return true;
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "--%s '%.100s': not a %s number up to 0x%" PRIx64, option, text,
                base == 16 ? "hexadecimal" : "decimal", max);
    return false;
}

/* Launch digest and policy of what the config launches. */
static bool
measure_config(const Options *options, CocoIdBlock *block, GError **error)
{
    g_autofree CocoMeasurement *measurement = g_new0(CocoMeasurement, 1);
    const CocoInitdataSource initdata = { 0 };
    g_auto(CocoMeasurePlan) plan = { 0 };
    g_autoptr(CocoVmConfig) config =
        coco_tee_config_load(options->config, (const char *const *) options->overrides, error);

    if (config == NULL)
        return false;
    if (coco_vm_config_choice(config, COCO_KEY_VM_TEE) != COCO_TEE_SNP)
        return coco_vm_config_error(config, COCO_KEY_VM_TEE, error,
                                    "an ID block is for tee = snp alone");
    coco_measure_plan_preset(&plan);
    if (!coco_measure_plan_from_config(&plan, config, &initdata, error) ||
        !coco_measure_plan_run(&plan, NULL, measurement, error))
        return false;
    g_assert(measurement->launch_digest.len == sizeof block->launch_digest);
    memcpy(block->launch_digest, measurement->launch_digest.bytes, sizeof block->launch_digest);
    block->policy = coco_tee_policy(config);
    return true;
}

static bool
fill(const Options *options, uint8_t *out_block, GError **error)
{
    CocoIdBlock block = { .policy = 0x30000 };
    guint64 policy;
    guint64 svn = 0;

    if (options->config != NULL && !measure_config(options, &block, error))
        return false;
    policy = block.policy;
    if (!take_hex("launch-digest", options->launch_digest, block.launch_digest,
                  sizeof block.launch_digest, error) ||
        !take_hex("family-id", options->family_id, block.family_id, sizeof block.family_id,
                  error) ||
        !take_hex("image-id", options->image_id, block.image_id, sizeof block.image_id, error) ||
        !take_number("svn", options->svn, 10, UINT32_MAX, &svn, error) ||
        !take_number("policy", options->policy, 16, UINT64_MAX, &policy, error))
        return false;
    block.policy = policy;
    block.guest_svn = (uint32_t) svn;
    coco_id_block_to_bytes(&block, out_block);
    /* What the firmware would refuse is refused here. */
    return coco_id_block_from_bytes(out_block, COCO_ID_BLOCK_SIZE, &block, error);
}

static bool
sign(const Options *options, const uint8_t *block, uint8_t *out_auth, CocoIdSigners *out_signers,
     GError **error)
{
    g_autoptr(CocoIdKey) id_key = coco_id_key_load(options->id_key, error);
    g_autoptr(CocoIdKey) author_key = NULL;

    if (id_key == NULL)
        return false;
    if (options->author_key != NULL) {
        author_key = coco_id_key_load(options->author_key, error);
        if (author_key == NULL)
            return false;
    }
    return coco_id_auth_make(block, id_key, author_key, out_auth, error) &&
           coco_id_auth_check(block, out_auth, COCO_ID_AUTH_SIZE, out_signers, error);
}

static bool
write_base64(const char *path, const uint8_t *bytes, size_t len, GError **error)
{
    g_autofree char *text = g_base64_encode(bytes, len);
    g_autofree char *line = g_strconcat(text, "\n", NULL);

    return g_file_set_contents(path, line, -1, error);
}

static json_object *
report(const uint8_t *bytes, const CocoIdSigners *signers)
{
    json_object *object = json_object_new_object();
    CocoIdBlock block = { 0 };
    char policy[24];

    (void) coco_id_block_from_bytes(bytes, COCO_ID_BLOCK_SIZE, &block, NULL);
    (void) g_snprintf(policy, sizeof policy, "0x%" PRIx64, block.policy);
    coco_ctl_add_hex(object, "launch_digest", block.launch_digest, sizeof block.launch_digest);
    coco_ctl_add_hex(object, "family_id", block.family_id, sizeof block.family_id);
    coco_ctl_add_hex(object, "image_id", block.image_id, sizeof block.image_id);
    json_object_object_add(object, "guest_svn", json_object_new_int64(block.guest_svn));
    json_object_object_add(object, "policy", json_object_new_string(policy));
    coco_ctl_add_hex(object, "id_key_digest", signers->id_key_digest,
                     sizeof signers->id_key_digest);
    if (signers->has_author)
        coco_ctl_add_hex(object, "author_key_digest", signers->author_key_digest,
                         sizeof signers->author_key_digest);
    return object;
}

static bool
run(const Options *options, json_object **out_report, GError **error)
{
    uint8_t block[COCO_ID_BLOCK_SIZE];
    uint8_t auth[COCO_ID_AUTH_SIZE];
    CocoIdSigners signers;

    if (!fill(options, block, error) || !sign(options, block, auth, &signers, error) ||
        !write_base64(options->out_block, block, sizeof block, error) ||
        !write_base64(options->out_auth, auth, sizeof auth, error))
        return false;
    *out_report = report(block, &signers);
    return true;
}

int
coco_ctl_id_block(int argc, char **argv)
{
    g_auto(Options) options = { 0 };
    g_autoptr(GError) error = NULL;
    json_object *object = NULL;
    int code = COCO_CTL_OK;

    if (!parse(&options, argc, argv, &code))
        return code;
    if (!run(&options, &object, &error))
        return error->domain == G_OPTION_ERROR ? coco_ctl_misuse(NAME, "%s", error->message)
                                               : coco_ctl_fail(NAME, error);
    code = coco_ctl_print_object(NAME, object, options.json);
    json_object_put(object);
    return code;
}
