// SPDX-License-Identifier: Apache-2.0
/*
 * Reads the three reports and compares (launch-security.h).
 */
#include "vmm/tee/launch-security.h"

#include <string.h>

#include <json-c/json.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>

#include "vmm/config/vmm-error.h"
#include "vmm/tee/tee-policy.h"
#include "vmm/tee/tee.h"

void
coco_launch_security_of(const CocoVmConfig *config, CocoLaunchSecurity *out_expected)
{
    const struct CocoTeeOps *ops = coco_tee_of(config);

    *out_expected = (CocoLaunchSecurity){ 0 };
    if (ops->tee == COCO_TEE_NONE)
        return;
    out_expected->type = ops->sec_type;
    out_expected->object = ops->qemu_object;
    out_expected->has_policy = ops->tee != COCO_TEE_SE;
    if (out_expected->has_policy)
        out_expected->policy = coco_tee_policy(config);
}

/* The string of an XPath expression over a document; "" when it is not there or no XML (transfer
 * full). */
static char *
evaluate(const char *xml, const char *expression)
{
    xmlDoc *document = xmlReadMemory(xml, (int) strlen(xml), "xml", NULL,
                                     XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    xmlXPathContext *context = document != NULL ? xmlXPathNewContext(document) : NULL;
    xmlXPathObject *found = NULL;
    char *value = NULL;

    if (context != NULL)
        found = xmlXPathEvalExpression((const xmlChar *) expression, context);
    if (found != NULL && found->type == XPATH_STRING)
        value = g_strdup((const char *) found->stringval);
    else if (found != NULL && found->type == XPATH_BOOLEAN)
        value = g_strdup(found->boolval ? "true" : "");
    xmlXPathFreeObject(found);
    xmlXPathFreeContext(context);
    xmlFreeDoc(document);
    return value != NULL ? value : g_strdup("");
}

static bool disagree(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool
disagree(GError **error, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_NO_TEE, "check protection: %s", message);
    return false;
}

/* libvirt before 10.5.0 has no list of types but an element for each. */
bool
coco_launch_security_check_capabilities(const CocoLaunchSecurity *expected, const char *xml,
                                        GError **error)
{
    g_autofree char *in_list = NULL;
    g_autofree char *element = NULL;
    g_autofree char *has_list =
        evaluate(xml, "boolean(/domainCapabilities/features/launchSecurity/enum[@name='sectype'])");
    g_autofree char *list = NULL;
    g_autofree char *single = NULL;

    if (expected->type == NULL)
        return true;
    list = g_strdup_printf("boolean(/domainCapabilities/features/launchSecurity[@supported='yes']"
                           "/enum[@name='sectype']/value[.='%s'])",
                           expected->type);
    single = g_strdup_printf("boolean(/domainCapabilities/features/%s[@supported='yes'])",
                             expected->type);
    in_list = evaluate(xml, list);
    element = evaluate(xml, single);
    if (has_list[0] != '\0' ? in_list[0] != '\0' : element[0] != '\0')
        return true;
    return disagree(error, "libvirt's capabilities have no launch security '%s' on this host",
                    expected->type);
}

bool
coco_launch_security_check_domain(const CocoLaunchSecurity *expected, const char *what,
                                  const char *xml, GError **error)
{
    g_autofree char *root = evaluate(xml, "string(name(/domain))");
    g_autofree char *type = evaluate(xml, "string(/domain/launchSecurity/@type)");
    g_autofree char *policy = evaluate(xml, "string(/domain/launchSecurity/policy)");
    guint64 value;

    if (root[0] == '\0')
        return disagree(error, "%s is no domain", what);
    if (strcmp(type, expected->type != NULL ? expected->type : "") != 0)
        return disagree(error, "%s has launch security '%s' and not '%s'", what,
                        type[0] != '\0' ? type : "none",
                        expected->type != NULL ? expected->type : "none");
    if (!expected->has_policy)
        return true;
    value = g_ascii_strtoull(policy, NULL, 0);
    if (policy[0] == '\0' || value != expected->policy)
        return disagree(error, "%s has policy '%s' and not 0x%" G_GINT64_MODIFIER "x", what, policy,
                        expected->policy);
    return true;
}

bool
coco_launch_security_check_info(const CocoLaunchSecurity *expected, bool has_policy, guint64 policy,
                                GError **error)
{
    /* libvirt tells the policy of SEV and SNP guests and nothing of the others. */
    if (expected->type == NULL || !g_str_has_prefix(expected->type, "sev"))
        return true;
    if (!has_policy)
        return disagree(error, "the launch-security info of the started domain has no policy");
    if (policy != expected->policy)
        return disagree(error,
                        "the launch-security info of the started domain has policy "
                        "0x%" G_GINT64_MODIFIER "x and not 0x%" G_GINT64_MODIFIER "x",
                        policy, expected->policy);
    return true;
}

char *
coco_launch_security_qom_string(const char *reply)
{
    json_object *object = reply != NULL ? json_tokener_parse(reply) : NULL;
    json_object *value = NULL;
    char *text = NULL;

    if (json_object_is_type(object, json_type_object) &&
        json_object_object_get_ex(object, "return", &value) &&
        json_object_is_type(value, json_type_string) && json_object_get_string_len(value) > 0)
        text = g_strdup(json_object_get_string(value));
    (void) json_object_put(object);
    return text;
}

bool
coco_launch_security_check_qemu(const CocoLaunchSecurity *expected, const char *support_reply,
                                const char *type_reply, GError **error)
{
    g_autofree char *support = coco_launch_security_qom_string(support_reply);
    g_autofree char *type = coco_launch_security_qom_string(type_reply);

    if (expected->type == NULL && support == NULL)
        return true;
    if (support == NULL)
        return disagree(error, "QEMU's machine has no confidential guest support");
    if (expected->object == NULL || g_strcmp0(type, expected->object) != 0)
        return disagree(error, "QEMU's machine is protected by a '%s' and not by a '%s'",
                        type != NULL ? type : "nothing",
                        expected->type != NULL ? expected->object : "nothing");
    return true;
}
