// SPDX-License-Identifier: Apache-2.0
/*
 * shim/host/identifier.c: what may be a name, and what could be a path.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <glib.h>

#include "shim/host/identifier.h"

Test(identifier, is_by_the_rule_of_containerd)
{
    g_autofree char *longest = g_strnfill(76, 'a');
    g_autofree char *too_long = g_strnfill(77, 'a');

    cr_expect(coco_identifier_is_valid("a"));
    cr_expect(coco_identifier_is_valid("web-1.2_x"));
    cr_expect(coco_identifier_is_valid(longest));
    cr_expect(not(coco_identifier_is_valid(too_long)));
    cr_expect(not(coco_identifier_is_valid("")));
    cr_expect(not(coco_identifier_is_valid("..")));
    cr_expect(not(coco_identifier_is_valid("a..b")));
    cr_expect(not(coco_identifier_is_valid("-a")));
    cr_expect(not(coco_identifier_is_valid("a-")));
    cr_expect(not(coco_identifier_is_valid("a/b")));
    cr_expect(not(coco_identifier_is_valid("a\n")));
}
