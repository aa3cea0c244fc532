// SPDX-License-Identifier: Apache-2.0
/*
 * The command lines that containerd 1.6 to 2.3 really use, and bad ones.
 */
#include "shim/command/invocation.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static bool
parse(CocoInvocation *invocation, GError **error, const char *const *words)
{
    return coco_invocation_parse((int) g_strv_length((char **) words), (char **) words, invocation,
                                 error);
}

Test(invocation, start_as_containerd_calls_it)
{
    const char *const words[] = { "shim",
                                  "-namespace",
                                  "default",
                                  "-address",
                                  "/run/c.sock",
                                  "-publish-binary",
                                  "/usr/bin/containerd",
                                  "-id",
                                  "a1",
                                  "-debug",
                                  "start",
                                  NULL };
    CocoInvocation invocation;

    cr_assert(parse(&invocation, NULL, words));
    cr_expect(eq(int, invocation.action, COCO_ACTION_START));
    cr_expect(eq(str, (char *) invocation.ns, "default"));
    cr_expect(eq(str, (char *) invocation.id, "a1"));
    cr_expect(eq(str, (char *) invocation.address, "/run/c.sock"));
    cr_expect(invocation.debug);
}

Test(invocation, two_dashes_equals_and_unknown_flags)
{
    const char *const words[] = {
        "shim", "--namespace=k8s.io", "-future", "value", "--id=b-2", "-bundle", "/b", "delete",
        NULL
    };
    CocoInvocation invocation;

    cr_assert(parse(&invocation, NULL, words));
    cr_expect(eq(int, invocation.action, COCO_ACTION_DELETE));
    cr_expect(eq(str, (char *) invocation.ns, "k8s.io"));
    cr_expect(eq(str, (char *) invocation.id, "b-2"));
    cr_expect(eq(str, (char *) invocation.bundle, "/b"));
    cr_expect(not(invocation.debug));
}

Test(invocation, info_and_version_need_no_id)
{
    const char *const info[] = { "shim", "-info", NULL };
    const char *const version[] = { "shim", "--version", NULL };
    CocoInvocation invocation;

    cr_assert(parse(&invocation, NULL, info));
    cr_expect(eq(int, invocation.action, COCO_ACTION_INFO));
    cr_assert(parse(&invocation, NULL, version));
    cr_expect(eq(int, invocation.action, COCO_ACTION_VERSION));
}

static void
expect_refused(const char *const *words, const char *text)
{
    g_autoptr(GError) error = NULL;
    CocoInvocation invocation;

    cr_assert(not(parse(&invocation, &error, words)));
    cr_expect(error->domain == G_OPTION_ERROR);
    cr_expect(g_strrstr(error->message, text) != NULL, "'%s' does not say '%s'", error->message,
              text);
}

Test(invocation, bad_input_is_refused_with_its_name)
{
    expect_refused((const char *const[]){ "shim", "-id", NULL }, "-id");
    expect_refused((const char *const[]){ "shim", "explode", NULL }, "'explode'");
    expect_refused(
        (const char *const[]){ "shim", "-namespace", "n", "-id", "../../etc", "start", NULL },
        "'../../etc'");
    expect_refused((const char *const[]){ "shim", "-namespace", "a/b", "-id", "x", "delete", NULL },
                   "'a/b'");
    expect_refused((const char *const[]){ "shim", "-namespace", "n", "start", NULL }, "-id ''");
}
