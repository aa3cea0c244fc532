// SPDX-License-Identifier: Apache-2.0
/*
 * Only plain absolute paths are touched: no escapes, no data-only layers ("::").
 */
#include "shim/storage/overlay-data.h"

#include <stdbool.h>
#include <string.h>

#define LOWER "lowerdir="

static bool
is_plain(const char *path)
{
    return path[0] == '/' && path[strlen(path) - 1] != '/' && strchr(path, '\\') == NULL;
}

/* Bytes up to and with the last '/' that all have in common; 0 for nothing to gain. */
static size_t
common_directory(char *const *paths)
{
    size_t length = 0;

    for (size_t i = 0; paths[i] != NULL; i++) {
        if (!is_plain(paths[i]))
            return 0;
        for (size_t j = 0; i > 0 && j < length; j++) {
            if (paths[i][j] != paths[0][j])
                length = j;
        }
        if (i == 0)
            length = strlen(paths[0]);
    }
    while (length > 0 && paths[0][length - 1] != '/')
        length--;
    return length > 1 ? length : 0;
}

static char *
compact_lower(const char *value, char **out_directory)
{
    g_auto(GStrv) paths = g_strsplit(value, ":", -1);
    size_t length = common_directory(paths);
    g_autoptr(GString) out = g_string_new(LOWER);

    if (length == 0)
        return NULL;
    for (size_t i = 0; paths[i] != NULL; i++)
        g_string_append_printf(out, "%s%s", i > 0 ? ":" : "", paths[i] + length);
    *out_directory = g_strndup(paths[0], length);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

char *
coco_overlay_data_compact(const char *data, char **out_directory)
{
    g_auto(GStrv) options = NULL;

    if (strchr(data, '\\') != NULL)
        return NULL;
    options = g_strsplit(data, ",", -1);
    for (size_t i = 0; options[i] != NULL; i++) {
        char *compact;

        if (!g_str_has_prefix(options[i], LOWER))
            continue;
        compact = compact_lower(options[i] + strlen(LOWER), out_directory);
        if (compact == NULL)
            return NULL;
        g_free(options[i]);
        options[i] = compact;
        return g_strjoinv(",", options);
    }
    return NULL;
}
