// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes the VM config: text up to a NUL byte is the file, the rest is one override. Whatever is
 * accepted must make a domain document that an XML parser reads back.
 */
#include <stdint.h>
#include <string.h>

#include <libxml/parser.h>

#include "vmm/domain/domain-xml.h"
#include "vmm/tee/tee-config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_auto(CocoVmSpec) spec = { 0 };
    const CocoDomainFacts facts = { .spec = &spec, .run_dir = "/run/x" };
    /* libFuzzer may pass NULL for nothing. */
    g_autofree char *text = g_strndup(size > 0 ? (const char *) data : "", size);
    size_t len = strlen(text);
    g_autofree char *override =
        len + 1 < size ? g_strndup((const char *) data + len + 1, size - len - 1) : NULL;
    const char *const overrides[] = { override, NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoVmConfig) config = coco_tee_config_parse("fuzz", text, len, overrides, &error);
    g_autofree char *xml = NULL;
    xmlDoc *document;

    g_assert((config == NULL) == (error != NULL));
    if (config == NULL)
        return 0;
    coco_domain_spec_init(&spec, config, COCO_ACCEL_TCG, COCO_TRANSPORT_CHANNEL);
    xml = coco_domain_xml(&facts);
    document = xmlReadMemory(xml, (int) strlen(xml), "fuzz", NULL, XML_PARSE_NONET);
    g_assert_nonnull(document);
    xmlFreeDoc(document);
    return 0;
}
