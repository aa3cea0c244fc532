// SPDX-License-Identifier: Apache-2.0
/*
 * What containerd writes to the standard input of `start`, and what it reads back.
 *
 *     containerd      input                        answer
 *     1.6             Any(runtime options), none   unix://PATH
 *     1.7             the same                     {"version":2,"address":"unix://PATH",…}
 *     2.0 to 2.2      the same                     {"version":3,"address":"unix://PATH",…}
 *     2.3 and later   BootstrapParams              BootstrapResult, version 3; since 2.4 it reads
 *                                                  there which mounts are ours (runtime-info.h)
 *
 * 1.7 refuses version 3, and 2.x makes full use of the Sandbox service only with it. The two call
 * us in the same way: start.c tells them apart by the program (go-build-info.h), and who cannot be
 * told gets 2, which both take. An Any also parses as BootstrapParams, so the input is that only if
 * it repeats our id and namespace.
 * Source: containerd api/runtimeoptions/v1, api/runtime/bootstrap/v1, core/runtime/v2/shim.go; the
 * rule is containerd's own.
 *
 * Ownership: as each says.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

typedef enum {
    COCO_BOOTSTRAP_PLAIN,
    COCO_BOOTSTRAP_JSON_2,
    COCO_BOOTSTRAP_JSON_3,
    COCO_BOOTSTRAP_PROTOBUF,
} CocoBootstrapForm;

typedef struct {
    CocoBootstrapForm form; /* of the answer */
    bool debug;             /* containerd logs as much */
    char *config_path;      /* of the runtime options; NULL when there is none */
    char *socket_dir;       /* absolute; NULL when containerd leaves it to us */
} CocoBootstrap;

/* Unknown types and garbage are ignored, since other clients pass options of other runtimes.
 * form: for a caller who sends no BootstrapParams. out_bootstrap: clear it with
 * coco_bootstrap_clear(). */
void coco_bootstrap_parse(const uint8_t *input, size_t length, const char *id, const char *ns,
                          CocoBootstrapForm form, CocoBootstrap *out_bootstrap);
void coco_bootstrap_clear(CocoBootstrap *bootstrap);

/* The whole standard output. address: unix://PATH. (transfer full) */
GBytes *coco_bootstrap_answer(CocoBootstrapForm form, const char *address);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CocoBootstrap, coco_bootstrap_clear)
