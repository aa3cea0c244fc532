// SPDX-License-Identifier: Apache-2.0
/*
 * errno in words (system-error.h).
 */
#include "shim/host/system-error.h"

#include <errno.h>

#include <gio/gio.h>

bool
coco_system_error(GError **error, const char *verb, const char *object)
{
    int code = errno;

    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), "%s '%s': %s", verb, object,
                g_strerror(code));
    errno = code;
    return false;
}
