// SPDX-License-Identifier: Apache-2.0
/*
 * How one field of the agent protocol's OCI messages is called in JSON, and when it is written
 * there. Private to oci-json.c; the table has its own file because it is data.
 *
 * Ownership: nothing to own; the name is copied to the caller's buffer.
 * Thread: any.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#define COCO_OCI_NAME_SIZE 48 /* "throttleWriteIOPSDevice" is the longest */

typedef enum {
    COCO_OCI_OMIT_ZERO, /* proto3 cannot tell zero from absent: zero is not written */
    COCO_OCI_ALWAYS,    /* the schema requires it, or zero says something that absence does not */
    COCO_OCI_WILDCARD,  /* absent in JSON is -1 in the message */
    COCO_OCI_NEVER,     /* exists on one side only */
} CocoOciPresence;

/* Writes the JSON name of a field of message to out_name. */
CocoOciPresence coco_oci_names_lookup(const ProtobufCMessageDescriptor *message,
                                      const ProtobufCFieldDescriptor *field,
                                      char out_name[COCO_OCI_NAME_SIZE]);
