// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/tee/launch-security.c: the three reports on a VM's protection, each when it agrees and when
 * it does not.
 */
#include <string.h>

#include <criterion/criterion.h>

#include "vmm/config/vmm-error.h"
#include "vmm/tee/launch-security.h"
#include "vmm/tee/tee-config.h"

static const CocoLaunchSecurity none = { 0 };
static const CocoLaunchSecurity snp = { "sev-snp", "sev-snp-guest", true, 0x30000 };
static const CocoLaunchSecurity tdx = { "tdx", "tdx-guest", true, 0x10000000 };
static const CocoLaunchSecurity se = { "s390-pv", "s390-pv-guest", false, 0 };

static void
expect(bool done, GError *error, const char *message)
{
    cr_assert_eq(done, message == NULL, "%s", error != NULL ? error->message : "no error");
    if (message != NULL) {
        g_autofree char *whole = g_strconcat("check protection: ", message, NULL);

        cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_NO_TEE));
        cr_assert_str_eq(error->message, whole);
    }
    g_clear_error(&error);
}

#define CAPS(body) "<domainCapabilities><features>" body "</features></domainCapabilities>"
#define LIST(state, value)                                                                         \
    CAPS("<sev supported='yes'/><launchSecurity supported='" state                                 \
         "'><enum name='sectype'><value>sev</value><value>" value                                  \
         "</value></enum></launchSecurity>")

Test(launch_security, capabilities)
{
    static const struct {
        const CocoLaunchSecurity *expected;
        const char *xml;
        bool ok;
    } rows[] = {
        { &none, "", true },
        { &snp, LIST("yes", "sev-snp"), true },
        { &snp, LIST("no", "sev-snp"), false },
        { &snp, LIST("yes", "tdx"), false },
        { &tdx, CAPS("<tdx supported='yes'/>") /* before there was a list */, true },
        { &tdx, CAPS("<tdx supported='no'/>"), false },
        { &tdx, LIST("yes", "sev-snp"), false },
        { &se, CAPS("<s390-pv supported='yes'/>"), true },
        { &snp, "no xml", false },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        cr_assert_eq(coco_launch_security_check_capabilities(rows[i].expected, rows[i].xml, &error),
                     rows[i].ok, "row %zu", i);
        cr_assert_eq(error == NULL, rows[i].ok);
    }
}

#define DOMAIN(body) "<domain><name>coco</name>" body "</domain>"
#define SNP(policy)                                                                                \
    DOMAIN("<launchSecurity type='sev-snp'><policy>" policy "</policy></launchSecurity>")

Test(launch_security, domains)
{
    static const struct {
        const CocoLaunchSecurity *expected;
        const char *xml;
        const char *message;
    } rows[] = {
        { &none, DOMAIN(""), NULL },
        { &none, SNP("0x30000"), "it has launch security 'sev-snp' and not 'none'" },
        { &snp, SNP("0x00030000"), NULL },
        { &snp, SNP("196608"), NULL },
        { &snp, DOMAIN(""), "it has launch security 'none' and not 'sev-snp'" },
        { &snp, SNP("0x000b0000"), "it has policy '0x000b0000' and not 0x30000" },
        { &snp, SNP(""), "it has policy '' and not 0x30000" },
        { &snp, DOMAIN("<launchSecurity type='sev'/>"),
          "it has launch security 'sev' and not 'sev-snp'" },
        { &se, DOMAIN("<launchSecurity type='s390-pv'/>"), NULL },
        { &none, "", "it is no domain" },
        { &snp, "<network/>", "it is no domain" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        GError *error = NULL;
        bool done = coco_launch_security_check_domain(rows[i].expected, "it", rows[i].xml, &error);

        expect(done, error, rows[i].message);
    }
}

Test(launch_security, info)
{
    GError *error = NULL;
    bool done = coco_launch_security_check_info(&snp, true, 0x30000, &error);

    expect(done, error, NULL);
    error = NULL;
    done = coco_launch_security_check_info(&snp, false, 0, &error);
    expect(done, error, "the launch-security info of the started domain has no policy");
    error = NULL;
    done = coco_launch_security_check_info(&snp, true, 0xb0000, &error);
    expect(done, error,
           "the launch-security info of the started domain has policy 0xb0000 and not 0x30000");
    cr_assert(coco_launch_security_check_info(&none, false, 0, NULL));
    cr_assert(coco_launch_security_check_info(&tdx, false, 0, NULL));
}

Test(launch_security, qemu)
{
    static const struct {
        const CocoLaunchSecurity *expected;
        const char *support;
        const char *type;
        const char *message;
    } rows[] = {
        { &none, "{\"return\":\"\"}", NULL, NULL },
        { &none, "{\"return\":\"/objects/lsec0\"}", "{\"return\":\"tdx-guest\"}",
          "QEMU's machine is protected by a 'tdx-guest' and not by a 'nothing'" },
        { &snp, "{\"return\":\"/objects/lsec0\"}", "{\"return\":\"sev-snp-guest\"}", NULL },
        { &snp, "{\"return\":\"\",\"id\":\"x\"}", NULL,
          "QEMU's machine has no confidential guest support" },
        { &snp, "{\"error\":{}}", NULL, "QEMU's machine has no confidential guest support" },
        { &snp, NULL, NULL, "QEMU's machine has no confidential guest support" },
        { &snp, "[1", "{", "QEMU's machine has no confidential guest support" },
        { &snp, "{\"return\":\"/objects/lsec0\"}", "{\"return\":\"sev-guest\"}",
          "QEMU's machine is protected by a 'sev-guest' and not by a 'sev-snp-guest'" },
        { &snp, "{\"return\":\"/objects/lsec0\"}", "{\"return\":7}",
          "QEMU's machine is protected by a 'nothing' and not by a 'sev-snp-guest'" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        GError *error = NULL;
        bool done = coco_launch_security_check_qemu(rows[i].expected, rows[i].support, rows[i].type,
                                                    &error);

        expect(done, error, rows[i].message);
    }
}

static void
expect_of(const char *text, const CocoLaunchSecurity *wanted)
{
    g_autoptr(CocoVmConfig) config =
        coco_tee_config_parse("t.conf", text, strlen(text), NULL, NULL);
    CocoLaunchSecurity expected;

    cr_assert_not_null(config, "%s", text);
    coco_launch_security_of(config, &expected);
    cr_assert_eq(g_strcmp0(expected.type, wanted->type), 0, "%s", text);
    cr_assert_eq(g_strcmp0(expected.object, wanted->object), 0, "%s", text);
    cr_assert_eq(expected.has_policy, wanted->has_policy, "%s", text);
    cr_assert_eq(expected.policy, wanted->policy, "%s", text);
}

Test(launch_security, expectations_are_the_config_s)
{
    expect_of("[vm]\ntee=snp\n", &snp);
    expect_of("[vm]\ntee=se\n[guest]\nkernel=/k\n", &se);
    expect_of("[vm]\ntee=none\n", &none);
}
