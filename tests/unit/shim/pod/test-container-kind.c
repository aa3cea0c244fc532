// SPDX-License-Identifier: Apache-2.0
/*
 * Single, sandbox or member, from the annotations of each manager, and from a bundle on disk.
 */
#include "shim/pod/container-kind.h"

#include <string.h>

#include <glib/gstdio.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static const char *
get(const char *key, void *user_data)
{
    for (const char *const *pair = user_data; *pair != NULL; pair += 2) {
        if (strcmp(pair[0], key) == 0)
            return pair[1];
    }
    return NULL;
}

static void
expect_kind(const char *const *annotations, CocoContainerKind kind, const char *pod_id)
{
    CocoContainerKind found;
    const char *found_pod;

    cr_assert(
        coco_container_kind_detect("me", get, (void *) annotations, &found, &found_pod, NULL));
    cr_expect(eq(int, found, kind));
    cr_expect(eq(str, (char *) found_pod, (char *) pod_id));
}

Test(container_kind, by_annotation)
{
    expect_kind((const char *const[]){ NULL }, COCO_KIND_SINGLE, "me");
    expect_kind((const char *const[]){ "io.kubernetes.cri.container-type", "sandbox",
                                       "io.kubernetes.cri.sandbox-id", "me", NULL },
                COCO_KIND_SANDBOX, "me");
    expect_kind((const char *const[]){ "io.kubernetes.cri.container-type", "container",
                                       "io.kubernetes.cri.sandbox-id", "pod", NULL },
                COCO_KIND_MEMBER, "pod");
    expect_kind((const char *const[]){ "io.kubernetes.cri-o.ContainerType", "container",
                                       "io.kubernetes.cri-o.SandboxID", "pod", NULL },
                COCO_KIND_MEMBER, "pod");
    expect_kind((const char *const[]){ "io.kubernetes.docker.type", "podsandbox", NULL },
                COCO_KIND_SANDBOX, "me");
    expect_kind((const char *const[]){ "io.containerd.runc.v2.group", "pod", NULL }, COCO_KIND_PEER,
                "pod");
    expect_kind((const char *const[]){ "io.containerd.runc.v2.group", "me", NULL },
                COCO_KIND_SANDBOX, "me");
}

Test(container_kind, unknown_type_is_an_error)
{
    const char *const annotations[] = { "io.kubernetes.cri.container-type", "surprise", NULL };
    g_autoptr(GError) error = NULL;
    CocoContainerKind kind;
    const char *pod_id;

    cr_assert(
        not(coco_container_kind_detect("me", get, (void *) annotations, &kind, &pod_id, &error)));
    cr_expect(strstr(error->message, "'surprise'") != NULL);
}

static bool
kind_of_config(const char *text, CocoContainerKind *out_kind, char **out_pod, GError **error)
{
    g_autofree char *bundle = g_dir_make_tmp("coco-kind-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(bundle, "config.json", NULL);
    bool ok;

    if (text != NULL)
        cr_assert(g_file_set_contents(path, text, -1, NULL));
    ok = coco_container_kind_of_bundle(bundle, "me", out_kind, out_pod, error);
    (void) g_remove(path);
    (void) g_rmdir(bundle);
    return ok;
}

Test(container_kind, of_a_bundle)
{
    CocoContainerKind kind;
    g_autofree char *pod = NULL;
    g_autofree char *other = NULL;
    g_autofree char *third = NULL;

    cr_assert(kind_of_config("{\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\","
                             "\"io.kubernetes.cri.sandbox-id\":\"pod\"}}",
                             &kind, &pod, NULL));
    cr_expect(eq(int, kind, COCO_KIND_MEMBER));
    cr_expect(eq(str, pod, "pod"));
    cr_assert(kind_of_config("{}", &kind, &other, NULL));
    cr_expect(eq(int, kind, COCO_KIND_SINGLE));
    cr_assert(kind_of_config(NULL, &kind, &third, NULL));
    cr_expect(eq(int, kind, COCO_KIND_SANDBOX),
              "the Sandbox API starts a shim before there is a spec");
}

Test(container_kind, broken_config_is_an_error)
{
    static const char *const texts[] = { "", "[]", "{", "{\"annotations\":", "\xff\xfe" };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *pod = NULL;
        CocoContainerKind kind;

        cr_expect(not(kind_of_config(texts[i], &kind, &pod, &error)));
        cr_expect(error != NULL && strstr(error->message, "config.json") != NULL);
    }
}
