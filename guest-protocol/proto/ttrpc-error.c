// SPDX-License-Identifier: Apache-2.0
/*
 * The error domain of ttrpc-error.h, and its one way to say no.
 */
#include "guest-protocol/proto/ttrpc-error.h"

G_DEFINE_QUARK(coco - ttrpc - error - quark, coco_ttrpc_error)

bool
coco_ttrpc_failed(GError **error, CocoTtrpcCode code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_propagate_error(error, g_error_new_valist(COCO_TTRPC_ERROR, (int) code, format, args));
    va_end(args);
    return false;
}
