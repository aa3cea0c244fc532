// SPDX-License-Identifier: Apache-2.0
/*
 * Wrappers of libxml2's writer (xml-writer.h).
 */
#include "vmm/xml/xml-writer.h"

#include <stdarg.h>

static const xmlChar *
x(const char *text)
{
    return (const xmlChar *) text;
}

void
coco_xml_open(xmlTextWriter *w, const char *name)
{
    (void) xmlTextWriterStartElement(w, x(name));
}

void
coco_xml_close(xmlTextWriter *w)
{
    (void) xmlTextWriterEndElement(w);
}

void
coco_xml_attribute(xmlTextWriter *w, const char *name, const char *value)
{
    (void) xmlTextWriterWriteAttribute(w, x(name), x(value));
}

void
coco_xml_string(xmlTextWriter *w, const char *value)
{
    (void) xmlTextWriterWriteString(w, x(value));
}

void
coco_xml_text(xmlTextWriter *w, const char *name, const char *value)
{
    (void) xmlTextWriterWriteElement(w, x(name), x(value));
}

void
coco_xml_bytes(xmlTextWriter *w, const char *name, GBytes *bytes)
{
    gsize size = 0;
    const guchar *data = bytes != NULL ? g_bytes_get_data(bytes, &size) : NULL;
    g_autofree char *text = data != NULL ? g_base64_encode(data, size) : NULL;

    if (text != NULL)
        coco_xml_text(w, name, text);
}

void
coco_xml_leaf(xmlTextWriter *w, const char *name, ...)
{
    va_list args;
    const char *key;

    coco_xml_open(w, name);
    va_start(args, name);
    while ((key = va_arg(args, const char *)) != NULL)
        coco_xml_attribute(w, key, va_arg(args, const char *));
    va_end(args);
    coco_xml_close(w);
}
