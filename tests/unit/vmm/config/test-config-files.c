// SPDX-License-Identifier: Apache-2.0
/*
 * hypervisor-configs/ against the code: each file loads, each line "key = value" of it, commented
 * out or not, says what the config has, and each key of the code is in the file where it belongs.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "vmm/config/config-private.h"
#include "vmm/tee/tee-config.h"
#include "vmm/tee/tee.h"

static const char *const files[COCO_N_TEES] = {
    [COCO_TEE_NONE] = "qemu-none.conf",     [COCO_TEE_SEV] = "qemu-sev.conf",
    [COCO_TEE_SEV_ES] = "qemu-sev-es.conf", [COCO_TEE_SNP] = "qemu-snp.conf",
    [COCO_TEE_TDX] = "qemu-tdx.conf",       [COCO_TEE_SE] = "qemu-se.conf",
    [COCO_TEE_CCA] = "qemu-cca.conf",
};

static CocoVmConfig *
load(CocoTee tee, char **out_text)
{
    g_autofree char *path = g_build_filename(CONFIG_DIR, files[tee], NULL);
    g_autoptr(GError) error = NULL;
    CocoVmConfig *config = coco_tee_config_load(path, NULL, &error);

    cr_assert_not_null(config, "%s", error != NULL ? error->message : "");
    cr_assert(g_file_get_contents(path, out_text, NULL, NULL));
    return config;
}

/* The value as the file may write it: the prefix of the installation is not in the file. */
static char *
written(const char *value)
{
    return g_str_has_prefix(value, COCO_GUEST_DIR)
               ? g_strconcat("PREFIX/share/coco/guest", value + strlen(COCO_GUEST_DIR), NULL)
               : g_strdup(value);
}

/* Counts the lines of this file that say a key. */
static unsigned int
check_lines(const CocoVmConfig *config, const char *text)
{
    g_autoptr(GRegex) pattern = g_regex_new("^#?([a-z0-9_]+) =(?: (.*))?$", 0, 0, NULL);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *group = NULL;
    unsigned int n = 0;

    for (size_t i = 0; lines[i] != NULL; i++) {
        g_autoptr(GMatchInfo) match = NULL;
        g_autofree char *name = NULL;
        g_autofree char *value = NULL;
        g_autofree char *expected = NULL;
        CocoKey key;

        if (lines[i][0] == '[') {
            g_free(group);
            group = g_strndup(lines[i] + 1, strlen(lines[i]) - 2);
        }
        if (!g_regex_match(pattern, lines[i], 0, &match))
            continue;
        name = g_match_info_fetch(match, 1);
        value = g_match_info_fetch(match, 2);
        cr_assert(coco_vm_config_find_key(group, name, &key), "[%s] %s", group, name);
        /* What "auto" became is in the config, and the file says the word. */
        expected = written(coco_vm_config_string(config, key));
        if (strcmp(value != NULL ? value : "", "auto") != 0)
            cr_assert_str_eq(value != NULL ? value : "", expected, "[%s] %s", group, name);
        n++;
    }
    return n;
}

Test(config_files, every_line_says_what_the_config_has)
{
    for (CocoTee tee = 0; tee < COCO_N_TEES; tee++) {
        g_autofree char *text = NULL;
        g_autoptr(CocoVmConfig) config = load(tee, &text);

        cr_assert_eq(coco_tee_of(config)->tee, tee);
        cr_assert_gt(check_lines(config, text), 4, "%s", files[tee]);
    }
}

Test(config_files, every_key_is_where_it_belongs)
{
    for (CocoKey key = 0; key < COCO_N_KEYS; key++) {
        const char *group = coco_vm_config_key_group(key);
        CocoTee place = COCO_TEE_NONE;
        g_autofree char *text = NULL;
        g_autofree char *line = g_strdup_printf("\n%s =", coco_vm_config_key_name(key));
        g_autofree char *comment = g_strdup_printf("\n#%s =", coco_vm_config_key_name(key));
        g_autoptr(CocoVmConfig) config = NULL;

        for (CocoTee tee = COCO_N_TEES; tee-- > 0;) {
            g_autofree char *ignored = NULL;
            g_autoptr(CocoVmConfig) candidate = load(tee, &ignored);

            if (g_strcmp0(coco_tee_of(candidate)->group, group) == 0)
                place = tee;
        }
        config = load(place, &text);
        cr_assert(strstr(text, line) != NULL || strstr(text, comment) != NULL,
                  "[%s] %s is not in %s", group, coco_vm_config_key_name(key), files[place]);
    }
}
