// SPDX-License-Identifier: Apache-2.0
/*
 * Finds the braces and replaces them (mount-template.h).
 */
#include "shim/storage/mount-template.h"

#include <stdbool.h>
#include <string.h>

#include "guest-protocol/proto/ttrpc-error.h"

#define MOUNTS_MAX 100000 /* of a number in a template, so that it cannot overflow */

static bool
refuse(const char *what, const char *cause, GError **error)
{
    g_autofree char *shown = g_strescape(what, NULL);

    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT, "mount template '%.100s': %s",
                shown, cause);
    return false;
}

static bool
take_number(const char *word, size_t *out_number)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(word, 10, 0, MOUNTS_MAX, &number, NULL))
        return false;
    *out_number = (size_t) number;
    return true;
}

/* From first to last, in whichever direction that is. */
static void
append_range(GString *out, const char *const *mount_points, size_t first, size_t last)
{
    size_t i = first;

    g_string_append(out, mount_points[i]);
    while (i != last) {
        i = first < last ? i + 1 : i - 1;
        g_string_append_c(out, ':');
        g_string_append(out, mount_points[i]);
    }
}

static bool
expand_one(const char *inside, const char *const *mount_points, size_t n, GString *out,
           GError **error)
{
    g_auto(GStrv) words = g_strsplit_set(inside, " \t", -1);
    const char *taken[4] = { "", "", "", "" };
    size_t n_taken = 0;
    size_t first;
    size_t last;
    bool known;

    for (size_t i = 0; words[i] != NULL && n_taken < G_N_ELEMENTS(taken); i++) {
        if (*words[i] != '\0')
            taken[n_taken++] = words[i];
    }
    known = (n_taken == 2 && strcmp(taken[0], "mount") == 0) ||
            (n_taken == 3 && strcmp(taken[0], "overlay") == 0);
    if (!known || !take_number(taken[1], &first) || !take_number(taken[n_taken - 1], &last))
        return refuse(inside, "neither 'mount N' nor 'overlay N N'", error);
    if (first >= n || last >= n)
        return refuse(inside, "there is no such mount before this one", error);
    append_range(out, mount_points, first, last);
    return true;
}

char *
coco_mount_template_expand(const char *text, const char *const *mount_points, size_t n,
                           GError **error)
{
    g_autoptr(GString) out = g_string_new(NULL);
    const char *open;

    while ((open = strstr(text, "{{")) != NULL) {
        const char *close = strstr(open, "}}");
        g_autofree char *inside = NULL;

        if (close == NULL) {
            (void) refuse(open, "not closed", error);
            return NULL;
        }
        inside = g_strndup(open + 2, (size_t) (close - open - 2));
        g_string_append_len(out, text, open - text);
        if (!expand_one(inside, mount_points, n, out, error))
            return NULL;
        text = close + 2;
    }
    g_string_append(out, text);
    return g_string_free(g_steal_pointer(&out), FALSE);
}
