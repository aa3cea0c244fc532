// SPDX-License-Identifier: Apache-2.0
/*
 * One function per part of the spec. Memory is protobuf-c's: an element taken out of a list is
 * freed through its descriptor, strings are replaced with replace().
 */
#include "shim/pod/guest-spec.h"

#include <string.h>

#include <gio/gio.h>

#include "shim/storage/share.h"
#include "shim/vm/pod-initdata.h"

static void
replace(char **field, const char *value)
{
    if (*field != (const char *) protobuf_c_empty_string)
        g_free(*field);
    *field = g_strdup(value);
}

/* Drops the elements of a repeated message field for which keep says no. */
static void
filter(void ***items, size_t *n_items, bool (*keep)(const void *item))
{
    size_t kept = 0;

    for (size_t i = 0; i < *n_items; i++) {
        if (keep((*items)[i]))
            (*items)[kept++] = (*items)[i];
        else
            protobuf_c_message_free_unpacked((*items)[i], NULL);
    }
    *n_items = kept;
}

static void
clear_message(void *field)
{
    ProtobufCMessage **message = field;

    coco_pb_free(*message);
    *message = NULL;
}

/* The VM is the network, time and cgroup namespace; pid is the agent's to decide from
 * sandbox_pidns. */
static bool
keep_namespace(const void *item)
{
    static const char *const dropped[] = { "network", "pid", "cgroup", "time", NULL };
    const Grpc__LinuxNamespace *ns = item;

    return !g_strv_contains(dropped, ns->type);
}

static bool
keep_unless_own(const void *item)
{
    const Grpc__LinuxNamespace *ns = item;

    return ns->path[0] != '\0' || (strcmp(ns->type, "ipc") != 0 && strcmp(ns->type, "uts") != 0);
}

static bool
lists_namespace(const Grpc__Spec *spec, const char *type)
{
    for (size_t i = 0; spec->linux != NULL && i < spec->linux->n_namespaces; i++) {
        if (strcmp(spec->linux->namespaces[i]->type, type) == 0)
            return true;
    }
    return false;
}

static void
add_namespace(Grpc__Linux *linux_part, const char *type)
{
    Grpc__LinuxNamespace *ns = g_new(Grpc__LinuxNamespace, 1);

    grpc__linux_namespace__init(ns);
    ns->type = g_strdup(type);
    linux_part->namespaces =
        g_renew(Grpc__LinuxNamespace *, linux_part->namespaces, linux_part->n_namespaces + 1);
    linux_part->namespaces[linux_part->n_namespaces++] = ns;
}

/* One that is not listed is the host's (host network, host ipc): for a pod the VM's stands for it,
 * and has the host's name. */
static void
replace_namespaces_of_host(Grpc__Spec *spec, CocoContainerKind kind)
{
    if (!lists_namespace(spec, "uts") && spec->hostname[0] == '\0')
        replace(&spec->hostname, g_get_host_name());
    if (kind != COCO_KIND_SANDBOX)
        return;
    if (!lists_namespace(spec, "uts"))
        add_namespace(spec->linux, "uts");
    if (!lists_namespace(spec, "ipc"))
        add_namespace(spec->linux, "ipc");
}

/* Any path stands for the pod's namespace. The protocol has no paths: an agent gives a container
 * the pod's ipc and uts namespaces when its spec lists them, so what a further container wants for
 * itself is not listed. */
static void
adapt_namespaces(Grpc__Linux *linux_part, CocoContainerKind kind, bool *out_pidns)
{
    if (kind == COCO_KIND_MEMBER)
        filter((void ***) &linux_part->namespaces, &linux_part->n_namespaces, keep_unless_own);
    for (size_t i = 0; i < linux_part->n_namespaces; i++) {
        Grpc__LinuxNamespace *ns = linux_part->namespaces[i];

        if (strcmp(ns->type, "pid") == 0 && ns->path[0] != '\0')
            *out_pidns = true;
        replace(&ns->path, "");
    }
    filter((void ***) &linux_part->namespaces, &linux_part->n_namespaces, keep_namespace);
}

/* After adapt_namespaces(). */
static bool
shares_ipc(const Grpc__Spec *spec, CocoContainerKind kind)
{
    return kind != COCO_KIND_SINGLE && lists_namespace(spec, "ipc");
}

static bool
keep_nothing(const void *item)
{
    return false;
}

/* "All devices" is how a privileged container is told from others. */
static bool
keep_rule(const void *item)
{
    const Grpc__LinuxDeviceCgroup *rule = item;

    return rule->type[0] == '\0' || strcmp(rule->type, "a") == 0;
}

/* Device and block I/O rules name devices of the host. */
static void
adapt_limits(Grpc__LinuxResources *resources)
{
    clear_message(&resources->blockio);
    clear_message(&resources->network);
    if (resources->cpu != NULL) {
        replace(&resources->cpu->cpus, "");
        replace(&resources->cpu->mems, "");
    }
}

void
coco_guest_resources_adapt(Grpc__LinuxResources *resources)
{
    filter((void ***) &resources->devices, &resources->n_devices, keep_nothing);
    adapt_limits(resources);
}

static void
adapt_resources(Grpc__LinuxResources *resources)
{
    filter((void ***) &resources->devices, &resources->n_devices, keep_rule);
    adapt_limits(resources);
}

static bool
is_guests_own(const char *source)
{
    static const char *const roots[] = { "/proc", "/sys", "/dev" };

    for (size_t i = 0; i < G_N_ELEMENTS(roots); i++) {
        size_t length = strlen(roots[i]);

        if (strncmp(source, roots[i], length) == 0 &&
            (source[length] == '\0' || source[length] == '/'))
            return true;
    }
    return false;
}

static bool
has_option(const Grpc__Mount *mount, const char *option)
{
    for (size_t i = 0; i < mount->n_options; i++) {
        if (strcmp(mount->options[i], option) == 0)
            return true;
    }
    return false;
}

/* Propagation to the host makes no sense across a VM; inside the guest the agent's default holds.
 */
static void
adapt_bind(Grpc__Mount *mount, const char *guest_path)
{
    replace(&mount->source, guest_path);
    replace(&mount->type, "bind");
}

static void
set_options(Grpc__Mount *mount, const char *const *options, size_t n)
{
    for (size_t i = 0; i < mount->n_options; i++)
        g_free(mount->options[i]);
    g_free(mount->options);
    mount->n_options = n;
    mount->options = g_new(char *, n);
    for (size_t i = 0; i < n; i++)
        mount->options[i] = g_strdup(options[i]);
}

static bool
is_bind(const Grpc__Mount *mount)
{
    return has_option(mount, "rbind") || has_option(mount, "bind") ||
           strcmp(mount->type, "bind") == 0;
}

/* Memory of the host cannot be the guest's. Containers that share the pod's ipc namespace share its
 * /dev/shm, however CRI puts it: as a bind of a tmpfs of the host or, with the Sandbox API, as a
 * tmpfs that looks like each one's own. */
static void
adapt_shm(Grpc__Mount *mount, bool shared)
{
    static const char *const own[] = { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" };
    const char *const pods[] = { "rbind",  "rprivate", "nosuid",
                                 "noexec", "nodev",    has_option(mount, "ro") ? "ro" : "rw" };

    if (shared) {
        set_options(mount, pods, G_N_ELEMENTS(pods));
        replace(&mount->type, "bind");
        replace(&mount->source, COCO_SHM_IN_GUEST);
    } else if (is_bind(mount)) {
        set_options(mount, own, G_N_ELEMENTS(own));
        replace(&mount->type, "tmpfs");
        replace(&mount->source, "shm");
    }
}

/* What a container mounts there would have to appear on the host. (What the host mounts below a
 * source later does appear in the container.) */
static bool
check_propagation(const Grpc__Mount *mount, GError **error)
{
    if (!has_option(mount, "shared") && !has_option(mount, "rshared"))
        return true;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                "mount for '%s': bidirectional propagation does not work in a VM",
                mount->destination);
    return false;
}

static bool
adapt_mount(Grpc__Mount *mount, const CocoGuestSpecContext *context, bool *out_shares,
            GError **error)
{
    g_autofree char *source = NULL;
    g_autofree char *guest_path = NULL;

    if (!is_bind(mount) || is_guests_own(mount->source))
        return true;
    if (!check_propagation(mount, error))
        return false;
    source = g_path_is_absolute(mount->source)
                 ? g_strdup(mount->source)
                 : g_build_filename(context->bundle, mount->source, NULL);
    guest_path = coco_volume_plan_add_bind(context->volumes, source, mount->destination,
                                           mount->options, mount->n_options);
    adapt_bind(mount, guest_path);
    *out_shares = true;
    return true;
}

static const Grpc__Mount *
find_mount(const Grpc__Spec *spec, const char *destination)
{
    for (size_t i = 0; i < spec->n_mounts; i++) {
        if (strcmp(spec->mounts[i]->destination, destination) == 0)
            return spec->mounts[i];
    }
    return NULL;
}

static void
add_mount(Grpc__Spec *spec, const char *source, const char *destination)
{
    Grpc__Mount *mount = g_new(Grpc__Mount, 1);
    const char *const options[] = { "rbind", spec->root->readonly ? "ro" : "rw" };

    grpc__mount__init(mount);
    set_options(mount, options, G_N_ELEMENTS(options));
    mount->type = g_strdup("bind");
    mount->source = g_strdup(source);
    mount->destination = g_strdup(destination);
    spec->mounts = g_renew(Grpc__Mount *, spec->mounts, spec->n_mounts + 1);
    spec->mounts[spec->n_mounts++] = mount;
}

/* As CRI binds them for the containers of a pause container. */
static void
add_etc(Grpc__Spec *spec, const char *etc)
{
    static const char *const names[] = { "hosts", "hostname", "resolv.conf" };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *source = g_build_filename(etc, names[i], NULL);
        g_autofree char *destination = g_build_filename("/etc", names[i], NULL);

        if (g_file_test(source, G_FILE_TEST_EXISTS) && find_mount(spec, destination) == NULL)
            add_mount(spec, source, destination);
    }
}

/* Devices that every kernel has, in memory or made by the program that opens them. Any other number
 * would be another device in the guest, or none. */
static bool
is_in_guest(const void *item)
{
    static const struct {
        int64_t major;
        int64_t minor;                                              /* -1: all */
    } known[] = { { 1, -1 }, { 5, -1 }, { 10, 200 }, { 10, 229 } }; /* mem, tty, net/tun, fuse */
    const Grpc__LinuxDevice *device = item;

    if (strcmp(device->type, "p") == 0)
        return true;
    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        if (device->major == known[i].major && strcmp(device->type, "b") != 0 &&
            (known[i].minor == -1 || device->minor == known[i].minor))
            return true;
    }
    return false;
}

static void
adapt_devices(Grpc__Linux *linux_part, const char *id)
{
    size_t n_asked = linux_part->n_devices;

    filter((void ***) &linux_part->devices, &linux_part->n_devices, is_in_guest);
    if (linux_part->n_devices < n_asked)
        g_message("container %s: %zu devices of the host are left out, they are not in the VM", id,
                  n_asked - linux_part->n_devices);
}

static void
add_annotation(Grpc__Spec *spec, const char *key, const char *value)
{
    Grpc__Spec__AnnotationsEntry *entry = g_new(Grpc__Spec__AnnotationsEntry, 1);

    grpc__spec__annotations_entry__init(entry);
    entry->key = g_strdup(key);
    entry->value = g_strdup(value);
    spec->annotations =
        g_renew(Grpc__Spec__AnnotationsEntry *, spec->annotations, spec->n_annotations + 1);
    spec->annotations[spec->n_annotations++] = entry;
}

/* The guest has its initdata on a disk. */
static bool
keep_annotation(const void *item)
{
    const Grpc__Spec__AnnotationsEntry *entry = item;

    return !coco_pod_initdata_is_key(entry->key);
}

static void
adapt_annotations(Grpc__Spec *spec, const CocoGuestSpecContext *context)
{
    static const char *const types[] = {
        [COCO_KIND_SINGLE] = "single_container",
        [COCO_KIND_SANDBOX] = "pod_sandbox",
        [COCO_KIND_MEMBER] = "pod_container",
        [COCO_KIND_PEER] = "pod_container",
    };

    G_STATIC_ASSERT(G_N_ELEMENTS(types) == COCO_N_KINDS);
    filter((void ***) &spec->annotations, &spec->n_annotations, keep_annotation);
    add_annotation(spec, "io.katacontainers.pkg.oci.bundle_path", context->bundle);
    add_annotation(spec, "io.katacontainers.pkg.oci.container_type", types[context->kind]);
}

const char *
coco_guest_spec_annotation(const char *key, void *user_data)
{
    const Grpc__Spec *spec = user_data;

    for (size_t i = 0; i < spec->n_annotations; i++) {
        if (strcmp(spec->annotations[i]->key, key) == 0)
            return spec->annotations[i]->value;
    }
    return NULL;
}

static bool
has_sysctl(const Grpc__Linux *linux_part, const char *key)
{
    for (size_t i = 0; i < linux_part->n_sysctl; i++) {
        if (strcmp(linux_part->sysctl[i]->key, key) == 0)
            return true;
    }
    return false;
}

/* With a pause container they are in its spec. The pod's namespaces are there before its first
 * container, but only a container brings sysctls to the guest; those after the first write the
 * same once more. */
static void
add_sysctls(Grpc__Linux *linux_part, char *const *sysctls)
{
    for (size_t i = 0; sysctls[i] != NULL && sysctls[i + 1] != NULL; i += 2) {
        Grpc__Linux__SysctlEntry *entry;

        if (has_sysctl(linux_part, sysctls[i]))
            continue;
        entry = g_new(Grpc__Linux__SysctlEntry, 1);
        grpc__linux__sysctl_entry__init(entry);
        entry->key = g_strdup(sysctls[i]);
        entry->value = g_strdup(sysctls[i + 1]);
        linux_part->sysctl =
            g_renew(Grpc__Linux__SysctlEntry *, linux_part->sysctl, linux_part->n_sysctl + 1);
        linux_part->sysctl[linux_part->n_sysctl++] = entry;
    }
}

void
coco_guest_process_adapt(Grpc__Process *process)
{
    replace(&process->apparmorprofile, "");
    replace(&process->selinuxlabel, "");
}

bool
coco_guest_spec_adapt(Grpc__Spec *spec, const CocoGuestSpecContext *context, bool *out_pidns,
                      bool *out_shares, GError **error)
{
    *out_pidns = false;
    clear_message(&spec->hooks);
    clear_message(&spec->solaris);
    clear_message(&spec->windows);
    replace(&spec->root->path, context->root);
    coco_guest_process_adapt(spec->process);
    if (spec->linux != NULL) {
        replace_namespaces_of_host(spec, context->kind);
        adapt_namespaces(spec->linux, context->kind, out_pidns);
        adapt_devices(spec->linux, context->id);
        if (context->sysctls != NULL)
            add_sysctls(spec->linux, context->sysctls);
        replace(&spec->linux->mountlabel, "");
        clear_message(&spec->linux->intelrdt);
        if (spec->linux->resources != NULL)
            adapt_resources(spec->linux->resources);
    }
    if (context->etc != NULL)
        add_etc(spec, context->etc);
    for (size_t i = 0; i < spec->n_mounts; i++) {
        if (strcmp(spec->mounts[i]->destination, "/dev/shm") == 0)
            adapt_shm(spec->mounts[i], shares_ipc(spec, context->kind));
        else if (!adapt_mount(spec->mounts[i], context, out_shares, error))
            return false;
    }
    adapt_annotations(spec, context);
    return true;
}
