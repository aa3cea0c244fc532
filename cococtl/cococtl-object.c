// SPDX-License-Identifier: Apache-2.0
/*
 * Prints objects (cococtl-object.h).
 */
#include "cococtl/cococtl-object.h"

#include <stdint.h>

#include "cococtl/cococtl-measure.h"
#include "cococtl/subcommand.h"
#include "vmm/config/byte-text.h"

int
coco_ctl_print_object(const char *name, json_object *object, bool as_json)
{
    g_autofree char *text =
        as_json ? g_strconcat(json_object_to_json_string_ext(
                                  object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                              JSON_C_TO_STRING_NOSLASHESCAPE),
                              "\n", NULL)
                : coco_measure_report_text(object);

    return coco_ctl_print(name, text);
}

void
coco_ctl_add_hex(json_object *object, const char *key, const void *bytes, size_t len)
{
    g_autofree char *hex = coco_hex_of(bytes, len);

    json_object_object_add(object, key, json_object_new_string(hex));
}
