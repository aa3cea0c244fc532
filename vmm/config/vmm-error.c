// SPDX-License-Identifier: Apache-2.0
/*
 * Names of the error codes, and errno made into an error of this room.
 */
#include "vmm/config/vmm-error.h"

G_DEFINE_QUARK(coco - vmm - error - quark, coco_vmm_error)

static const char *const names[] = {
    [COCO_VMM_ERROR_BAD_CONFIG] = "bad-config",
    [COCO_VMM_ERROR_NO_TEE] = "no-tee",
    [COCO_VMM_ERROR_BUSY] = "busy",
    [COCO_VMM_ERROR_TIMEOUT] = "timeout",
    [COCO_VMM_ERROR_GUEST_GONE] = "guest-gone",
    [COCO_VMM_ERROR_FAILED] = "failed",
};
G_STATIC_ASSERT(G_N_ELEMENTS(names) == COCO_N_VMM_ERRORS);

const char *
coco_vmm_error_name(CocoVmmError code)
{
    g_return_val_if_fail((unsigned int) code < COCO_N_VMM_ERRORS, "failed");
    return names[code];
}

bool
coco_vmm_error_from_name(const char *name, CocoVmmError *out_code)
{
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (g_strcmp0(name, names[i]) == 0) {
            *out_code = (CocoVmmError) i;
            return true;
        }
    }
    return false;
}

bool
coco_vmm_bad_config(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_propagate_error(error,
                      g_error_new_valist(COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG, format, args));
    va_end(args);
    return false;
}

bool
coco_vmm_failed(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_propagate_error(error,
                      g_error_new_valist(COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED, format, args));
    va_end(args);
    return false;
}

bool
coco_vmm_error_errno(GError **error, int err, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED, "%s: %s", what, g_strerror(err));
    return false;
}
