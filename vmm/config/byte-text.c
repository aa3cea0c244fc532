// SPDX-License-Identifier: Apache-2.0
/*
 * There and back (byte-text.h).
 */
#include "vmm/config/byte-text.h"

#include <stdint.h>
#include <string.h>

char *
coco_hex_of(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    GString *text = g_string_sized_new(2 * len + 1);

    for (size_t i = 0; i < len; i++)
        g_string_append_printf(text, "%02x", at[i]);
    return g_string_free(text, FALSE);
}

GBytes *
coco_bytes_of_hex(const char *text)
{
    size_t size = strlen(text) / 2;
    g_autofree uint8_t *data = g_malloc0(size + 1);

    if (text[2 * size] != '\0')
        return NULL;
    for (size_t i = 0; i < 2 * size; i++) {
        int digit = g_ascii_xdigit_value(text[i]);

        if (digit < 0)
            return NULL;
        data[i / 2] = (uint8_t) (data[i / 2] << 4 | digit);
    }
    return g_bytes_new_take(g_steal_pointer(&data), size);
}

GBytes *
coco_bytes_of_base64(const char *text)
{
    gsize size = 0;
    g_autofree guchar *data = g_base64_decode(text, &size);
    g_autofree char *again = g_base64_encode(data, size);

    return strcmp(again, text) == 0 ? g_bytes_new_take(g_steal_pointer(&data), size) : NULL;
}
