// SPDX-License-Identifier: Apache-2.0
/*
 * Parses a range of users (uid-range.h).
 */
#include "vmm/config/uid-range.h"

#include <string.h>

#include "vmm/config/vmm-error.h"

#define LOWEST 1000
#define HIGHEST 0x7ffffffe

bool
coco_uid_range_parse(const char *text, CocoUidRange *out_range, GError **error)
{
    g_auto(GStrv) ends = NULL;
    guint64 first = 0;
    guint64 last = 0;

    if (text[0] == '\0') {
        *out_range = (CocoUidRange){ 0 };
        return true;
    }
    ends = g_strsplit(text, "-", 2);
    if (g_strv_length(ends) != 2 ||
        !g_ascii_string_to_unsigned(ends[0], 10, LOWEST, HIGHEST, &first, NULL) ||
        !g_ascii_string_to_unsigned(ends[1], 10, first, HIGHEST, &last, NULL))
        return coco_vmm_bad_config(error, "'%s' is not FIRST-LAST, two user ids from %d to %d",
                                   text, LOWEST, HIGHEST);
    *out_range = (CocoUidRange){ (uid_t) first, (uid_t) last };
    return true;
}
