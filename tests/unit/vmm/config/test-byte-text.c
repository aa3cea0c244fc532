// SPDX-License-Identifier: Apache-2.0
/* vmm/config/byte-text.c: a text means its bytes, or nothing. */
#include <string.h>

#include <criterion/criterion.h>

#include "vmm/config/byte-text.h"

static const guchar bytes[] = { 0x00, 0x7f, 0xab, 0xff };

static bool
is(GBytes *found, const void *expected, size_t len)
{
    g_autoptr(GBytes) owned = found;
    g_autoptr(GBytes) wanted = g_bytes_new(expected, len);

    return owned != NULL && g_bytes_equal(owned, wanted);
}

Test(byte_text, hex)
{
    static const char *const refused[] = { "0", "007fabf", "0x007f", "007g", "00 7f", "00\n" };
    g_autofree char *text = coco_hex_of(bytes, sizeof bytes);

    cr_expect_str_eq(text, "007fabff");
    cr_expect(is(coco_bytes_of_hex("007fABff"), bytes, sizeof bytes));
    cr_expect(is(coco_bytes_of_hex(""), "", 0));
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++)
        cr_expect_null(coco_bytes_of_hex(refused[i]), "%s", refused[i]);
}

/* GLib takes all of these. */
Test(byte_text, base64)
{
    static const char *const refused[] = { "AH+r/w",     "AH+r/w=",  "AH+r/x==",        " AH+r/w==",
                                           "AH+r/w==\n", "AH-r_w==", "AH+r/w==AH+r/w==" };

    cr_expect(is(coco_bytes_of_base64("AH+r/w=="), bytes, sizeof bytes));
    cr_expect(is(coco_bytes_of_base64(""), "", 0));
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++)
        cr_expect_null(coco_bytes_of_base64(refused[i]), "%s", refused[i]);
}
