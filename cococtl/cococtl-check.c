// SPDX-License-Identifier: Apache-2.0
/*
 * `cococtl check`: what this host can launch. A config for each row; below a row that cannot, what
 * is missing and the way to mend it.
 */
#include <string.h>

#include <json-c/json.h>

#include "cococtl/cococtl-object.h"
#include "cococtl/subcommand.h"
#include "vmm/launch/host-check.h"
#include "vmm/tee/tee-config.h"

#define NAME "check"

typedef struct {
    char **configs;
    gboolean json;
    gboolean verbose;
} Options;

static void
options_clear(Options *options)
{
    g_strfreev(options->configs);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

typedef struct {
    char *path; /* NULL: what a TEE is without a file */
    const char *tee;
    GPtrArray *findings;
} Row;

static void
row_free(void *data)
{
    Row *row = data;

    g_free(row->path);
    g_clear_pointer(&row->findings, g_ptr_array_unref);
    g_free(row);
}

/* A config that does not load is a row too. tee: the word for it as long as it is not known. */
static Row *
check(const char *path, const char *tee)
{
    g_autofree char *text = g_strdup_printf("[vm]\ntee=%s\n", tee);
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoVmConfig) config =
        path != NULL ? coco_tee_config_load(path, NULL, &error)
                     : coco_tee_config_parse("(defaults)", text, strlen(text), NULL, &error);
    Row *row = g_new0(Row, 1);

    row->path = g_strdup(path);
    row->findings = coco_findings_new();
    row->tee = config != NULL
                   ? coco_vm_config_choice_name(COCO_KEY_VM_TEE, (int) coco_tee_of(config)->tee)
                   : tee;
    if (config != NULL)
        coco_host_check(config, row->findings);
    else
        coco_findings_add(row->findings, false, "config", "mend the file", "%s", error->message);
    return row;
}

/* The installed config of each TEE, or its defaults where there is no file. */
static void
check_all(GPtrArray *rows)
{
    for (int tee = 0; tee < COCO_N_TEES; tee++) {
        const char *name = coco_vm_config_choice_name(COCO_KEY_VM_TEE, tee);
        g_autofree char *path = g_strdup_printf("%s/qemu-%s.conf", COCO_CONFIG_DIR, name);
        bool there = g_file_test(path, G_FILE_TEST_EXISTS);

        g_ptr_array_add(rows, check(there ? path : NULL, name));
    }
}

static json_object *
row_object(const Row *row)
{
    json_object *object = json_object_new_object();
    json_object *requirements = json_object_new_array();

    json_object_object_add(object, "config",
                           row->path != NULL ? json_object_new_string(row->path) : NULL);
    json_object_object_add(object, "tee", json_object_new_string(row->tee));
    json_object_object_add(object, "ok", json_object_new_boolean(coco_findings_ok(row->findings)));
    for (unsigned int i = 0; i < row->findings->len; i++) {
        const CocoFinding *finding = g_ptr_array_index(row->findings, i);
        json_object *requirement = json_object_new_object();

        json_object_object_add(requirement, "what", json_object_new_string(finding->what));
        json_object_object_add(requirement, "ok", json_object_new_boolean(finding->ok));
        json_object_object_add(requirement, "found", json_object_new_string(finding->found));
        if (finding->fix != NULL)
            json_object_object_add(requirement, "fix", json_object_new_string(finding->fix));
        json_object_array_add(requirements, requirement);
    }
    json_object_object_add(object, "requirements", requirements);
    return object;
}

static void
append_row(GString *text, const Row *row, bool verbose)
{
    g_string_append_printf(text, "%-7s %-10s %s\n", row->tee,
                           coco_findings_ok(row->findings) ? "yes" : "no",
                           row->path != NULL ? row->path : "(defaults)");
    for (unsigned int i = 0; i < row->findings->len; i++) {
        const CocoFinding *finding = g_ptr_array_index(row->findings, i);

        if (finding->ok && verbose)
            g_string_append_printf(text, "  ok       %s: %s\n", finding->what, finding->found);
        if (!finding->ok)
            g_string_append_printf(text, "  missing  %s: %s\n           -> %s\n", finding->what,
                                   finding->found, finding->fix);
    }
}

static int
print(const Options *options, const GPtrArray *rows)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (options->json) {
        json_object *object = json_object_new_object();
        json_object *configs = json_object_new_array();
        int code;

        for (unsigned int i = 0; i < rows->len; i++)
            json_object_array_add(configs, row_object(g_ptr_array_index(rows, i)));
        json_object_object_add(object, "configs", configs);
        code = coco_ctl_print_object(NAME, object, true);
        json_object_put(object);
        return code;
    }
    g_string_append_printf(text, "%-7s %-10s %s\n", "TEE", "CAN LAUNCH", "CONFIG");
    for (unsigned int i = 0; i < rows->len; i++)
        append_row(text, g_ptr_array_index(rows, i), options->verbose);
    return coco_ctl_print(NAME, text->str);
}

/* Of the configs that were named all must do; of the TEEs in general one is enough. */
static bool
answer(const GPtrArray *rows, bool named)
{
    unsigned int able = 0;

    for (unsigned int i = 0; i < rows->len; i++) {
        const Row *row = g_ptr_array_index(rows, i);

        able += coco_findings_ok(row->findings);
    }
    return named ? able == rows->len : able > 0;
}

int
coco_ctl_check(int argc, char **argv)
{
    g_auto(Options) options = { 0 };
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func(row_free);
    /* clang-format off */
    const GOptionEntry entries[] = {
        { "config", 'c', 0, G_OPTION_ARG_FILENAME_ARRAY, &options.configs, "check this config; may be repeated", "FILE" },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &options.json, "print JSON", NULL },
        { "verbose", 'v', 0, G_OPTION_ARG_NONE, &options.verbose, "show what is there, too", NULL },
        { 0 },
    };
    /* clang-format on */
    int code = COCO_CTL_OK;

    if (!coco_ctl_parse(NAME, "tell what this host can launch", entries, &argc, &argv, 0, NULL,
                        &code))
        return code;
    if (options.configs == NULL)
        check_all(rows);
    for (size_t i = 0; options.configs != NULL && options.configs[i] != NULL; i++)
        g_ptr_array_add(rows, check(options.configs[i], "?"));
    code = print(&options, rows);
    if (code != COCO_CTL_OK)
        return code;
    return answer(rows, options.configs != NULL) ? COCO_CTL_OK : COCO_CTL_NO;
}
