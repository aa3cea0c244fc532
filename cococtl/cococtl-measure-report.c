// SPDX-License-Identifier: Apache-2.0
/*
 * A measurement as JSON and as text. The text is made of the JSON, so that the two cannot differ.
 */
#include "cococtl/cococtl-measure.h"

#include <inttypes.h>
#include <stdint.h>

#include "vmm/config/byte-text.h"

static char *
hex_of(const CocoDigest *digest)
{
    return coco_hex_of(digest->bytes, digest->len);
}

static void
add_text(json_object *object, const char *key, const char *value)
{
    json_object_object_add(object, key, json_object_new_string(value));
}

static void
add_digest(json_object *object, const char *key, const CocoDigest *digest)
{
    g_autofree char *hex = hex_of(digest);

    if (digest->len > 0)
        add_text(object, key, hex);
}

static json_object *
report_se(const CocoSeMeasurement *se)
{
    json_object *object = json_object_new_object();
    json_object *keys = json_object_new_array();

    add_digest(object, "pld", &se->pld);
    add_digest(object, "ald", &se->ald);
    add_digest(object, "tld", &se->tld);
    add_digest(object, "tag", &se->tag);
    json_object_object_add(object, "pages", json_object_new_int64((int64_t) se->n_pages));
    for (size_t i = 0; i < se->n_host_keys; i++) {
        g_autofree char *hex = hex_of(&se->host_keys[i]);

        json_object_array_add(keys, json_object_new_string(hex));
    }
    json_object_object_add(object, "host_key_hashes", keys);
    return object;
}

static json_object *
report_inputs(const CocoMeasurePlan *plan, const CocoMeasurement *measurement)
{
    const CocoDigest *const digests[COCO_N_MEASURE_FILES] = {
        [COCO_MEASURE_FIRMWARE] = &measurement->firmware_sha256,
        [COCO_MEASURE_KERNEL] = &measurement->kernel_sha256,
        [COCO_MEASURE_INITRD] = &measurement->initrd_sha256,
        [COCO_MEASURE_DTB] = &measurement->dtb_sha256,
    };
    json_object *inputs = json_object_new_object();

    for (CocoMeasureFile i = 0; i < COCO_N_MEASURE_FILES; i++) {
        json_object *file;

        if (plan->paths[i] == NULL)
            continue;
        file = json_object_new_object();
        add_text(file, "path", plan->paths[i]);
        add_digest(file, "sha256", digests[i]);
        json_object_object_add(inputs, coco_measure_file_name(i), file);
    }
    return inputs;
}

/* What besides the files went into the values. */
static void
add_choices(json_object *report, const CocoMeasurePlan *plan)
{
    const CocoMeasureInput *input = &plan->input;
    bool has_vcpus = input->tee == COCO_TEE_SEV_ES || input->tee == COCO_TEE_SNP;

    add_text(report, "tee", coco_vm_config_choice_name(COCO_KEY_VM_TEE, (int) input->tee));
    if (plan->cmdline != NULL)
        add_text(report, "cmdline", plan->cmdline);
    if (has_vcpus) {
        json_object_object_add(report, "vcpus", json_object_new_int64(input->vcpus));
        add_text(report, "cpu_model", plan->cpu_model);
    }
    if (input->tee == COCO_TEE_SEV_ES)
        add_text(report, "vm_type",
                 input->sev_es_vm_type == COCO_SEV_ES_LEGACY ? "legacy" : "current");
}

json_object *
coco_measure_report(const CocoMeasurePlan *plan, const CocoMeasurement *measurement)
{
    json_object *report = json_object_new_object();
    json_object *statements = json_object_new_object();

    add_choices(report, plan);
    add_digest(report, "launch_digest", &measurement->launch_digest);
    add_digest(report, "firmware_digest", &measurement->firmware_digest);
    add_digest(report, "mrtd", &measurement->mrtd);
    add_digest(report, "rtmr1", &measurement->rtmr1);
    add_digest(report, "rtmr2", &measurement->rtmr2);
    add_digest(report, "cfv_event", &measurement->cfv_event);
    add_digest(report, "host_data", &measurement->host_data);
    add_digest(report, "mrconfigid", &measurement->mrconfigid);
    add_digest(report, "rim", &measurement->rim);
    add_digest(report, "rpv", &measurement->rpv);
    if (measurement->se.tag.len > 0)
        json_object_object_add(report, "se", report_se(&measurement->se));
    json_object_object_add(report, "inputs", report_inputs(plan, measurement));
    for (size_t i = 0; i < measurement->n_statements; i++)
        add_text(statements, measurement->statements[i].about, measurement->statements[i].text);
    json_object_object_add(report, "statements", statements);
    return report;
}

json_object *
coco_measure_report_step(const CocoMeasureStep *step)
{
    json_object *object = json_object_new_object();
    g_autofree char *gpa = g_strdup_printf("0x%" PRIx64, step->gpa);

    add_text(object, "value", step->value);
    add_text(object, "what", step->label);
    if (step->has_gpa)
        add_text(object, "gpa", gpa);
    json_object_object_add(object, "bytes", json_object_new_int64((int64_t) step->bytes));
    if (step->event != NULL)
        add_digest(object, "event", step->event);
    add_digest(object, "so_far", step->so_far);
    return object;
}

static void
append_lines(GString *text, const char *prefix, const json_object *object)
{
    struct json_object_iterator it = json_object_iter_begin((json_object *) (uintptr_t) object);
    struct json_object_iterator end = json_object_iter_end((json_object *) (uintptr_t) object);

    for (; !json_object_iter_equal(&it, &end); json_object_iter_next(&it)) {
        g_autofree char *key = g_strconcat(prefix, json_object_iter_peek_name(&it), NULL);
        json_object *value = json_object_iter_peek_value(&it);

        if (json_object_is_type(value, json_type_object)) {
            g_autofree char *deeper = g_strconcat(key, ".", NULL);

            append_lines(text, deeper, value);
        } else if (json_object_is_type(value, json_type_array)) {
            for (size_t i = 0; i < json_object_array_length(value); i++)
                g_string_append_printf(text, "%-20s %s\n", key,
                                       json_object_get_string(json_object_array_get_idx(value, i)));
        } else {
            g_string_append_printf(text, "%-20s %s\n", key, json_object_get_string(value));
        }
    }
}

char *
coco_measure_report_text(const json_object *report)
{
    GString *text = g_string_new(NULL);

    append_lines(text, "", report);
    return g_string_free(text, FALSE);
}

char *
coco_measure_report_step_text(const CocoMeasureStep *step)
{
    g_autofree char *place = step->has_gpa ? g_strdup_printf(" at 0x%" PRIx64, step->gpa) : NULL;
    g_autofree char *event = step->event != NULL ? hex_of(step->event) : NULL;
    g_autofree char *so_far = hex_of(step->so_far);

    return g_strdup_printf("%s: + %s, %" PRIu64 " bytes%s\n%s%s%s    = %s\n", step->value,
                           step->label, step->bytes, place != NULL ? place : "",
                           event != NULL ? "    event " : "", event != NULL ? event : "",
                           event != NULL ? "\n" : "", so_far);
}
