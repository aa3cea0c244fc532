// SPDX-License-Identifier: Apache-2.0
/*
 * See the header. What is dropped and why is at each function; Kata's host side drops most of it
 * already (constrainGRPCSpec), but a guest cannot count on that.
 */
#include "guest/container/spec.h"

#include <string.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/container/spec-devices.h"
#include "guest/system/paths.h"

/* Fields that came without a value point at protobuf-c's shared empty string, which must not be
 * freed. */
static void
set_string(char **field, const char *value)
{
    if (*field != protobuf_c_empty_string)
        g_free(*field);
    *field = *value != '\0' ? g_strdup(value) : (char *) (uintptr_t) protobuf_c_empty_string;
}

static bool
refuse(GError **error, const char *text)
{
    return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT, "OCI spec: %s", text);
}

bool
coco_spec_adapt_process(Grpc__Process *process, GError **error)
{
    if (process == NULL)
        return refuse(error, "no process");
    if (process->n_args == 0 || *process->args[0] == '\0')
        return refuse(error, "process.args is empty");
    if (process->cwd[0] != '/')
        return refuse(error, "process.cwd is not absolute");
    /* The guest has no AppArmor profiles and no SELinux policy; the runtime would fail over the
     * names. */
    set_string(&process->apparmorprofile, "");
    set_string(&process->selinuxlabel, "");
    return true;
}

static void
adapt_limits(Grpc__LinuxResources *resources)
{
    /* Majors, minors and network classes of the host mean nothing here. */
    if (resources->blockio != NULL)
        grpc__linux_block_io__free_unpacked(g_steal_pointer(&resources->blockio), NULL);
    if (resources->network != NULL)
        grpc__linux_network__free_unpacked(g_steal_pointer(&resources->network), NULL);
    if (resources->cpu != NULL) {
        /* Host CPUs and NUMA nodes are not the guest's; cgroup2 has no real-time settings. */
        set_string(&resources->cpu->cpus, "");
        set_string(&resources->cpu->mems, "");
        resources->cpu->realtimeperiod = 0;
        resources->cpu->realtimeruntime = 0;
    }
    if (resources->memory != NULL) {
        /* cgroup2 has none of these, and the runtime fails over them. */
        resources->memory->kernel = 0;
        resources->memory->kerneltcp = 0;
        resources->memory->swappiness = 0;
        resources->memory->disableoomkiller = false;
    }
}

void
coco_spec_adapt_resources(Grpc__LinuxResources *resources)
{
    coco_spec_drop_device_rules(resources);
    adapt_limits(resources);
}

/* The runtime acts on annotations (crun: run.oci.*, module.wasm.*, org.criu.*, krun.*), some of
 * which switch off what the rest of the spec asks for or run other programs; nothing in the guest
 * reads them. */
static void
drop_annotations(Grpc__Spec *spec)
{
    for (size_t i = 0; i < spec->n_annotations; i++)
        protobuf_c_message_free_unpacked(&spec->annotations[i]->base, NULL);
    g_clear_pointer(&spec->annotations, g_free);
    spec->n_annotations = 0;
}

static void
add_namespace(GPtrArray *namespaces, const char *type, const char *path)
{
    Grpc__LinuxNamespace *added = g_new(Grpc__LinuxNamespace, 1);

    grpc__linux_namespace__init(added);
    set_string(&added->type, type);
    set_string(&added->path, path != NULL ? path : "");
    g_ptr_array_add(namespaces, added);
}

static bool
lists(const Grpc__Linux *container, const char *type)
{
    for (size_t i = 0; i < container->n_namespaces; i++) {
        if (strcmp(container->namespaces[i]->type, type) == 0)
            return true;
    }
    return false;
}

/* The host's namespaces are not here. The guest's network is the pod's; ipc and uts are the pod's
 * too where the spec lists them, as Kata's hosts do for every container of a pod (in that protocol
 * they have no path), and new where it does not; mount and cgroup namespaces are always new: with
 * cgroup2 a process then finds its own limits in /sys/fs/cgroup, and callers drop that namespace
 * from the spec as the host's. What the spec may choose is a user namespace. */
static void
set_namespaces(Grpc__Linux *container, const CocoSpecSetting *setting)
{
    GPtrArray *namespaces = g_ptr_array_new();
    /* A process of another user namespace could not set the pod's hostname. */
    bool own = container->n_uidmappings > 0;

    add_namespace(namespaces, "mount", NULL);
    add_namespace(namespaces, "ipc",
                  own || !lists(container, "ipc") ? NULL : setting->ipc_namespace);
    add_namespace(namespaces, "uts",
                  own || !lists(container, "uts") ? NULL : setting->uts_namespace);
    add_namespace(namespaces, "cgroup", NULL);
    add_namespace(namespaces, "pid", setting->pid_namespace);
    for (size_t i = 0; i < container->n_namespaces; i++) {
        const char *type = container->namespaces[i]->type;

        if (strcmp(type, "user") == 0 && own)
            add_namespace(namespaces, type, NULL);
        grpc__linux_namespace__free_unpacked(container->namespaces[i], NULL);
    }
    g_free(container->namespaces);
    container->n_namespaces = namespaces->len;
    container->namespaces = (Grpc__LinuxNamespace **) g_ptr_array_free(namespaces, FALSE);
}

static void
adapt_linux(Grpc__Linux *container, const CocoSpecSetting *setting)
{
    set_string(&container->cgroupspath, setting->cgroup_path);
    set_string(&container->mountlabel, "");
    if (container->intelrdt != NULL)
        grpc__linux_intel_rdt__free_unpacked(g_steal_pointer(&container->intelrdt), NULL);
    coco_spec_set_device_rules(container);
    adapt_limits(container->resources);
    set_namespaces(container, setting);
}

bool
coco_spec_adapt(Grpc__Spec *spec, const CocoSpecSetting *setting, GError **error)
{
    if (spec == NULL)
        return refuse(error, "missing");
    if (!coco_spec_adapt_process(spec->process, error))
        return false;
    if (spec->root == NULL || *spec->root->path == '\0')
        return refuse(error, "no root");
    if (coco_paths_below(setting->base, spec->root->path, error) == NULL) {
        g_prefix_error(error, "OCI spec: root: ");
        return false;
    }
    /* containerd 2 says 1.2, which crun 1.8 refuses; the protocol has nothing that came after 1.0.
     */
    set_string(&spec->version, "1.0.2");
    if (*spec->hostname == '\0' && setting->hostname != NULL)
        set_string(&spec->hostname, setting->hostname);
    /* Programs of the host's choice, most of them outside every container. */
    if (spec->hooks != NULL)
        grpc__hooks__free_unpacked(g_steal_pointer(&spec->hooks), NULL);
    drop_annotations(spec);
    if (spec->linux == NULL) {
        spec->linux = g_new(Grpc__Linux, 1);
        grpc__linux__init(spec->linux);
    }
    adapt_linux(spec->linux, setting);
    return true;
}
