// SPDX-License-Identifier: Apache-2.0
/*
 * What a guest makes of a host's spec: host things gone, guest things set, nonsense refused.
 */
#include "guest/container/spec.h"

#include <string.h>

#include <criterion/criterion.h>

#include "guest-protocol/oci/oci-json.h"
#include "guest-protocol/proto/ttrpc-error.h"

#define SPEC                                                                                       \
    "{\"ociVersion\":\"1.0.2\",\"process\":{\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],"     \
    "\"cwd\":\"/\",\"apparmorProfile\":\"cri-containerd.apparmor.d\",\"selinuxLabel\":\"x\"},"     \
    "\"root\":{\"path\":\"/run/kata-containers/shared/containers/c/rootfs\"},"                     \
    "\"hooks\":{\"prestart\":[{\"path\":\"/bin/evil\"}],\"startContainer\":[{\"path\":\"/ok\"}]}," \
    "\"linux\":{\"cgroupsPath\":\"/kubepods/x\",\"resources\":{\"memory\":{\"limit\":1000,"        \
    "\"swappiness\":3,\"kernel\":5},\"cpu\":{\"cpus\":\"0-3\",\"quota\":5},\"blockIO\":"           \
    "{\"weight\":10},\"pids\":{\"limit\":7}},\"namespaces\":[{\"type\":\"pid\",\"path\":\"/p\"},"  \
    "{\"type\":\"network\",\"path\":\"/n\"},{\"type\":\"cgroup\"},{\"type\":\"mount\"},"           \
    "{\"type\":\"ipc\"},{\"type\":\"uts\"}]}}"

static CocoSpecSetting
setting(void)
{
    return (CocoSpecSetting){ .base = "/run/kata-containers",
                              .cgroup_path = "/pod/ctr-c",
                              .hostname = "pod1",
                              .ipc_namespace = "/ns/ipc",
                              .uts_namespace = "/ns/uts" };
}

static const char *
namespace_path(const Grpc__Linux *container, const char *type)
{
    for (size_t i = 0; i < container->n_namespaces; i++) {
        if (strcmp(container->namespaces[i]->type, type) == 0)
            return container->namespaces[i]->path;
    }
    return NULL;
}

Test(spec, host_things_are_dropped)
{
    g_autoptr(Grpc__Spec) spec = coco_oci_spec_from_json(SPEC, strlen(SPEC), NULL);
    CocoSpecSetting s = setting();

    cr_assert(coco_spec_adapt(spec, &s, NULL));
    cr_assert_str_empty(spec->process->apparmorprofile);
    cr_assert_str_empty(spec->process->selinuxlabel);
    cr_assert_null(spec->linux->resources->blockio);
    cr_assert_str_empty(spec->linux->resources->cpu->cpus);
    cr_assert_eq(spec->linux->resources->cpu->quota, 5);
    cr_assert_eq(spec->linux->resources->memory->limit, 1000);
    cr_assert_eq(spec->linux->resources->memory->swappiness, 0);
    cr_assert_eq(spec->linux->resources->memory->kernel, 0);
    cr_assert_eq(spec->linux->resources->pids->limit, 7);
    cr_assert_str_eq(spec->linux->cgroupspath, "/pod/ctr-c");
    cr_assert_str_eq(spec->hostname, "pod1");
}

Test(spec, what_the_runtime_would_act_on_is_dropped)
{
    static const char json[] =
        "{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"},"
        "\"root\":{\"path\":\"/run/kata-containers/c/rootfs\"},"
        "\"annotations\":{\"run.oci.seccomp_bpf_data\":\"x\",\"run.oci.handler\":\"krun\","
        "\"module.wasm.image/variant\":\"compat\",\"org.criu.config\":\"/c\",\"other\":\"y\"},"
        "\"hooks\":{\"prestart\":[{\"path\":\"/a\"}],\"poststart\":[{\"path\":\"/a\"}],"
        "\"poststop\":[{\"path\":\"/a\"}],\"createRuntime\":[{\"path\":\"/a\"}],"
        "\"createContainer\":[{\"path\":\"/a\"}],\"startContainer\":[{\"path\":\"/a\"}]}}";
    g_autoptr(Grpc__Spec) spec = coco_oci_spec_from_json(json, strlen(json), NULL);
    CocoSpecSetting s = setting();
    g_autofree char *made = NULL;

    cr_assert_eq(spec->n_annotations, 5);
    cr_assert_not_null(spec->hooks);
    cr_assert(coco_spec_adapt(spec, &s, NULL));
    made = coco_oci_spec_to_json(spec);
    cr_assert_null(strstr(made, "annotations"), "%s", made);
    cr_assert_null(strstr(made, "hooks"), "%s", made);
}

Test(spec, namespaces_are_the_guests)
{
    g_autoptr(Grpc__Spec) spec = coco_oci_spec_from_json(SPEC, strlen(SPEC), NULL);
    CocoSpecSetting s = setting();

    cr_assert(coco_spec_adapt(spec, &s, NULL));
    cr_assert_null(namespace_path(spec->linux, "network"));
    cr_assert_str_empty(namespace_path(spec->linux, "pid"));
    cr_assert_str_empty(namespace_path(spec->linux, "mount"));
    cr_assert_str_empty(namespace_path(spec->linux, "cgroup"));
    cr_assert_str_eq(namespace_path(spec->linux, "ipc"), "/ns/ipc");
    cr_assert_str_eq(namespace_path(spec->linux, "uts"), "/ns/uts");
    s.pid_namespace = "/ns/pid";
    cr_assert(coco_spec_adapt(spec, &s, NULL));
    cr_assert_str_eq(namespace_path(spec->linux, "pid"), "/ns/pid", "never the guest's");
}

Test(spec, a_spec_without_linux_gets_one)
{
    static const char json[] =
        "{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"},"
        "\"root\":{\"path\":\"/run/kata-containers/c/rootfs\"}}";
    g_autoptr(Grpc__Spec) spec = coco_oci_spec_from_json(json, strlen(json), NULL);
    CocoSpecSetting s = setting();

    cr_assert(coco_spec_adapt(spec, &s, NULL));
    cr_assert_str_eq(spec->linux->cgroupspath, "/pod/ctr-c");
    cr_assert_str_empty(namespace_path(spec->linux, "ipc"), "what is not listed is its own");
    cr_assert_str_empty(namespace_path(spec->linux, "uts"));
}

Test(spec, nonsense_is_refused)
{
    static const struct {
        const char *json;
        const char *text;
    } cases[] = {
        { "{\"root\":{\"path\":\"/run/kata-containers/c\"}}", "OCI spec: no process" },
        { "{\"process\":{\"args\":[],\"cwd\":\"/\"}}", "OCI spec: process.args is empty" },
        { "{\"process\":{\"args\":[\"\"],\"cwd\":\"/\"}}", "OCI spec: process.args is empty" },
        { "{\"process\":{\"args\":[\"a\"],\"cwd\":\"x\"}}",
          "OCI spec: process.cwd is not absolute" },
        { "{\"process\":{\"args\":[\"a\"],\"cwd\":\"/\"}}", "OCI spec: no root" },
        { "{\"process\":{\"args\":[\"a\"],\"cwd\":\"/\"},\"root\":{\"path\":\"/etc\"}}",
          "OCI spec: root: path '/etc' is not below '/run/kata-containers'" },
    };
    CocoSpecSetting s = setting();

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Grpc__Spec) spec =
            coco_oci_spec_from_json(cases[i].json, strlen(cases[i].json), NULL);
        g_autoptr(GError) error = NULL;

        cr_assert_not_null(spec);
        cr_assert_not(coco_spec_adapt(spec, &s, &error));
        cr_assert(g_error_matches(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT));
        cr_assert_str_eq(error->message, cases[i].text);
    }
    cr_assert_not(coco_spec_adapt(NULL, &s, NULL));
}
