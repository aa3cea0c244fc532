// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes the templates of mounts. Without braces a text stays as it is; what is expanded has no
 * template left that opens where one was.
 */
#include <stdint.h>
#include <string.h>

#include "shim/storage/mount-template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const points[] = { "/a", "/b", "/c", "/d" };
    g_autofree char *text = g_strndup((const char *) data, size);
    g_autoptr(GError) error = NULL;
    g_autofree char *result =
        coco_mount_template_expand(text, points, G_N_ELEMENTS(points), &error);

    g_assert_true((result == NULL) == (error != NULL));
    if (result == NULL)
        g_assert_null(strpbrk(error->message, "\r\n"));
    else if (strstr(text, "{{") == NULL)
        g_assert_cmpstr(result, ==, text);
    return 0;
}
