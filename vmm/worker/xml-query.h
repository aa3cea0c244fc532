// SPDX-License-Identifier: Apache-2.0
/*
 * One value out of XML that libvirt has written, or that was written for it.
 *
 * Ownership: results belong to the caller.
 * Thread: any.
 */
#pragma once

/* The text of an XPath expression, "string(/domain/os/type/@machine)", "" for nothing; NULL when
 * xml is none (transfer full). */
char *coco_xml_query(const char *xml, const char *expression);
