// SPDX-License-Identifier: Apache-2.0
/*
 * Short names for libxml2's writer, which escapes and nests. Writing to memory cannot fail but for
 * want of memory, so nothing is returned.
 *
 * Ownership: everything is borrowed.
 * Thread: one a writer.
 */
#pragma once

#include <glib.h>
#include <libxml/xmlwriter.h>

void coco_xml_open(xmlTextWriter *w, const char *name);
void coco_xml_close(xmlTextWriter *w);
void coco_xml_attribute(xmlTextWriter *w, const char *name, const char *value);

/* Text inside the open element. */
void coco_xml_string(xmlTextWriter *w, const char *value);

/* <name>value</name> */
void coco_xml_text(xmlTextWriter *w, const char *name, const char *value);

/* <name>base64 of bytes</name>; nothing when bytes is NULL. */
void coco_xml_bytes(xmlTextWriter *w, const char *name, GBytes *bytes);

/* <name a1='v1' a2='v2' …/>, closed by a NULL */
void coco_xml_leaf(xmlTextWriter *w, const char *name, ...) G_GNUC_NULL_TERMINATED;
