// SPDX-License-Identifier: Apache-2.0
/*
 * The errors of this room: a code says what the caller can do, the message names step, object and
 * cause.
 *
 * Ownership: nothing is owned here; the names are static.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

typedef enum {
    COCO_VMM_ERROR_BAD_CONFIG, /* the config, or a file that it names, must be mended first */
    COCO_VMM_ERROR_NO_TEE,  /* this host cannot run the TEE that was asked for: use another host */
    COCO_VMM_ERROR_BUSY,    /* the run directory has a VM already: destroy it first */
    COCO_VMM_ERROR_TIMEOUT, /* a deadline ended the launch: it may work when tried again */
    COCO_VMM_ERROR_GUEST_GONE, /* the VM started and ended again: read its console */
    COCO_VMM_ERROR_FAILED,     /* anything else on this host */
    COCO_N_VMM_ERRORS,
} CocoVmmError;

#define COCO_VMM_ERROR (coco_vmm_error_quark())
GQuark coco_vmm_error_quark(void);

/* The code's name in JSON, such as "bad-config" (transfer none). */
const char *coco_vmm_error_name(CocoVmmError code);

/* The opposite; false and *out_code as it was when there is no such name. */
bool coco_vmm_error_from_name(const char *name, CocoVmmError *out_code);

/* Set an error of that code. Always return false, for `return coco_vmm_failed(…)`. */
bool coco_vmm_bad_config(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
bool coco_vmm_failed(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Sets a FAILED error "what: strerror(err)". Always returns false, for `return
 * coco_vmm_error_errno(…)`. */
bool coco_vmm_error_errno(GError **error, int err, const char *format, ...) G_GNUC_PRINTF(3, 4);
