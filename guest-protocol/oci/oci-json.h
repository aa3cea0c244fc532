// SPDX-License-Identifier: Apache-2.0
/*
 * The OCI runtime specification between its two forms: JSON (config.json, containerd's Any) and the
 * messages of the agent protocol (guest-protocol/proto/oci.proto). One walker over the protobuf
 * descriptors serves all types in both directions; what the names and presence rules of the two
 * forms differ in is a table.
 *
 * JSON that the protocol has no field for is dropped; JSON of the wrong type, over the limits of
 * limits.h, or not UTF-8 is an error that names the path ("process.user.uid: expected a number").
 *
 * Ownership: results belong to the caller. Everything inside is malloc'ed, so
 * grpc__spec__free_unpacked() works. Thread: any.
 */
#pragma once

#include <stddef.h>

#include <glib.h>

#include "guest-protocol/proto/agent.pb-c.h"
#include "guest-protocol/proto/oci.pb-c.h"
#include "guest-protocol/proto/ttrpc-error.h"

/* json need not be NUL-terminated. Errors: COCO_TTRPC_ERROR, INVALID_ARGUMENT. */
Grpc__Spec *coco_oci_spec_from_json(const char *json, size_t length, GError **error);
Grpc__Process *coco_oci_process_from_json(const char *json, size_t length, GError **error);
Grpc__LinuxResources *coco_oci_resources_from_json(const char *json, size_t length, GError **error);

/* NUL-terminated JSON that an OCI runtime accepts; g_free(). */
char *coco_oci_spec_to_json(const Grpc__Spec *spec);
char *coco_oci_process_to_json(const Grpc__Process *process);
char *coco_oci_resources_to_json(const Grpc__LinuxResources *resources);
