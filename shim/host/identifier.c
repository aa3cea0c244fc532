// SPDX-License-Identifier: Apache-2.0
/*
 * Identifiers, by containerd's rule (identifier.h).
 */
#include "shim/host/identifier.h"

#include <string.h>

#include <glib.h>

#define IDENTIFIER_MAX 76

bool
coco_identifier_is_valid(const char *identifier)
{
    size_t length = strlen(identifier);
    bool after_separator = true;

    if (length == 0 || length > IDENTIFIER_MAX)
        return false;
    for (const char *c = identifier; *c != '\0'; c++) {
        bool separator = strchr("._-", *c) != NULL;

        if (!separator && !g_ascii_isalnum(*c))
            return false;
        if (separator && after_separator)
            return false;
        after_separator = separator;
    }
    return !after_separator;
}
