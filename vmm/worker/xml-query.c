// SPDX-License-Identifier: Apache-2.0
/*
 * libxml2's XPath (xml-query.h).
 */
#include "vmm/worker/xml-query.h"

#include <glib.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>

char *
coco_xml_query(const char *xml, const char *expression)
{
    xmlDoc *document = xmlParseDoc((const xmlChar *) xml);
    xmlXPathContext *context = document != NULL ? xmlXPathNewContext(document) : NULL;
    xmlXPathObject *found = NULL;
    char *text = NULL;

    if (context != NULL)
        found = xmlXPathEvalExpression((const xmlChar *) expression, context);
    if (found != NULL)
        text = g_strdup((const char *) found->stringval);
    xmlXPathFreeObject(found);
    xmlXPathFreeContext(context);
    xmlFreeDoc(document);
    return text;
}
