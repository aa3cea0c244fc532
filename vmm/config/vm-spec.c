// SPDX-License-Identifier: Apache-2.0
/*
 * A spec as text (vm-spec.h). It is root's own file, and still nothing in it is believed that a
 * config file could not say.
 */
#include "vmm/config/vm-spec.h"

#include <string.h>

#include "vmm/config/config-private.h"
#include "vmm/config/json.h"
#include "vmm/config/vmm-error.h"

/* "vm.tee", as an override has it (transfer full). */
static char *
full_name(CocoKey key)
{
    return g_strdup_printf("%s.%s", coco_vm_config_key_group(key), coco_vm_config_key_name(key));
}

static void
add_config(json_object *object, const CocoVmConfig *config)
{
    json_object *values = json_object_new_object();
    json_object *given = json_object_new_array();

    for (CocoKey key = 0; key < COCO_N_KEYS; key++) {
        g_autofree char *name = full_name(key);

        coco_json_add_string(values, name, coco_vm_config_string(config, key));
        if (coco_vm_config_is_set(config, key))
            (void) json_object_array_add(given, json_object_new_string(name));
    }
    coco_json_add_string(object, "config_name", coco_vm_config_name(config));
    (void) json_object_object_add(object, "config", values);
    (void) json_object_object_add(object, "config_given", given);
}

static void
add_disks(json_object *object, const CocoVmDisks *disks)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < disks->n; i++) {
        json_object *disk = json_object_new_object();

        coco_json_add_string(disk, "path", disks->items[i].path);
        (void) json_object_object_add(disk, "readonly",
                                      json_object_new_boolean(disks->items[i].readonly));
        (void) json_object_object_add(disk, "device",
                                      json_object_new_boolean(disks->items[i].is_device));
        (void) json_object_array_add(list, disk);
    }
    (void) json_object_object_add(object, "disks", list);
}

static void
add_nics(json_object *object, const CocoVmNics *nics)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < nics->n; i++) {
        json_object *nic = json_object_new_object();

        coco_json_add_string(nic, "mac", nics->items[i].mac);
        coco_json_add_int(nic, "mtu", nics->items[i].mtu);
        coco_json_add_int(nic, "queues", nics->items[i].queues);
        (void) json_object_object_add(nic, "user", json_object_new_boolean(nics->items[i].user));
        (void) json_object_array_add(list, nic);
    }
    (void) json_object_object_add(object, "nics", list);
}

json_object *
coco_vm_spec_to_object(const CocoVmSpec *spec)
{
    json_object *object = json_object_new_object();

    add_config(object, spec->config);
    coco_json_add_string(object, "accel",
                         coco_vm_config_choice_name(COCO_KEY_VM_ACCEL, (int) spec->accel));
    coco_json_add_string(object, "transport",
                         coco_vm_config_choice_name(COCO_KEY_VM_TRANSPORT, (int) spec->transport));
    coco_json_add_int(object, "vcpus", spec->vcpus);
    coco_json_add_int(object, "memory_mib", spec->memory_mib);
    coco_json_add_int(object, "max_vcpus", spec->max_vcpus);
    coco_json_add_int(object, "max_memory_mib", spec->max_memory_mib);
    coco_json_add_string(object, "cmdline", spec->cmdline);
    if (spec->share != NULL)
        coco_json_add_string(object, "share", spec->share);
    (void) json_object_object_add(object, "hotplug", json_object_new_boolean(spec->hotplug));
    add_disks(object, &spec->disks);
    add_nics(object, &spec->nics);
    return object;
}

char *
coco_vm_spec_to_json(const CocoVmSpec *spec)
{
    g_autoptr(json_object) object = coco_vm_spec_to_object(spec);

    return g_strdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
                                                               JSON_C_TO_STRING_NOSLASHESCAPE));
}

static bool
is_listed(json_object *list, const char *name)
{
    size_t n = list != NULL ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < n; i++) {
        if (strcmp(json_object_get_string(json_object_array_get_idx(list, i)), name) == 0)
            return true;
    }
    return false;
}

/* A key that this text has not is one that a newer version brought: it has its default. */
static CocoVmConfig *
parse_config(json_object *object, GError **error)
{
    const char *name;
    json_object *values;
    json_object *given;
    g_autoptr(CocoVmConfig) config = NULL;

    if (!coco_json_need_string(object, "config_name", &name, error) ||
        !coco_json_need_object(object, "config", &values, error) ||
        !coco_json_need_list(object, "config_given", COCO_N_KEYS, &given, error))
        return NULL;
    config = coco_vm_config_new(name);
    for (CocoKey key = 0; key < COCO_N_KEYS; key++) {
        g_autofree char *full = full_name(key);
        const char *value = coco_json_string(values, full);

        if (value != NULL && !coco_vm_config_set(config, key, value, error)) {
            g_prefix_error(error, "%s: ", full);
            return NULL;
        }
        if (!coco_vm_config_has(config, key)) {
            g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED,
                        "%s: it has no default and is missing", full);
            return NULL;
        }
        if (is_listed(given, full))
            coco_vm_config_take_place(config, key, g_strdup("the VM's spec"));
    }
    return g_steal_pointer(&config);
}

/* As config-keys.c has the words, but for auto, which nothing is once it is decided. */
static bool
parse_choice(json_object *object, const char *name, CocoKey key, int *out, GError **error)
{
    if (!coco_json_need_word(object, name, coco_config_key_info(key)->choices + 1, out, error))
        return false;
    *out += 1;
    return true;
}

/* A spec that an older version saved lacks what came later. */
static bool
has(json_object *object, const char *key)
{
    return json_object_object_get_ex(object, key, NULL);
}

static bool
parse_disk(json_object *object, CocoVmDisks *disks, GError **error)
{
    const char *path;
    bool readonly;
    bool device = false;

    if (!coco_json_need_string(object, "path", &path, error) ||
        !coco_json_need_bool(object, "readonly", &readonly, error) ||
        (has(object, "device") && !coco_json_need_bool(object, "device", &device, error)))
        return false;
    coco_vm_disks_add(disks, path, readonly);
    disks->items[disks->n - 1].is_device = device;
    return true;
}

static bool
parse_nic(json_object *object, CocoVmNics *nics, GError **error)
{
    const char *mac;
    unsigned int mtu;
    unsigned int queues;
    bool user;

    if (!coco_json_need_string(object, "mac", &mac, error) ||
        !coco_json_need_uint(object, "mtu", COCO_VM_NIC_MTU_MIN, COCO_VM_NIC_MTU_MAX, &mtu,
                             error) ||
        !coco_json_need_bool(object, "user", &user, error) ||
        !coco_json_need_uint(object, "queues", user ? 0 : 1, user ? 0 : COCO_VM_NIC_QUEUES_MAX,
                             &queues, error))
        return false;
    if (!coco_vm_nic_is_mac(mac)) {
        g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_FAILED, "mac: not that of one interface");
        return false;
    }
    coco_vm_nics_add(nics, mac, mtu, queues, user);
    return true;
}

static bool
parse_disks(json_object *object, CocoVmDisks *disks, GError **error)
{
    json_object *list;

    if (!coco_json_need_list(object, "disks", COCO_VM_DISKS_MAX, &list, error))
        return false;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        if (!parse_disk(json_object_array_get_idx(list, i), disks, error)) {
            g_prefix_error(error, "disks[%zu].", i);
            return false;
        }
    }
    return true;
}

static bool
parse_nics(json_object *object, CocoVmNics *nics, GError **error)
{
    json_object *list;

    if (!has(object, "nics"))
        return true;
    if (!coco_json_need_list(object, "nics", COCO_VM_NICS_MAX, &list, error))
        return false;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        if (!parse_nic(json_object_array_get_idx(list, i), nics, error)) {
            g_prefix_error(error, "nics[%zu].", i);
            return false;
        }
    }
    return true;
}

static bool
parse_fields(json_object *object, CocoVmSpec *spec, GError **error)
{
    const char *cmdline;
    const char *share = NULL;
    int accel;
    int transport;

    if (!parse_choice(object, "accel", COCO_KEY_VM_ACCEL, &accel, error) ||
        !parse_choice(object, "transport", COCO_KEY_VM_TRANSPORT, &transport, error) ||
        !coco_json_need_uint(object, "vcpus", 1, G_MAXINT, &spec->vcpus, error) ||
        !coco_json_need_uint(object, "memory_mib", 1, G_MAXINT, &spec->memory_mib, error) ||
        (has(object, "max_vcpus") &&
         !coco_json_need_uint(object, "max_vcpus", 0, G_MAXINT, &spec->max_vcpus, error)) ||
        (has(object, "max_memory_mib") &&
         !coco_json_need_uint(object, "max_memory_mib", 0, G_MAXINT, &spec->max_memory_mib,
                              error)) ||
        !coco_json_need_string(object, "cmdline", &cmdline, error) ||
        (has(object, "share") && !coco_json_need_string(object, "share", &share, error)) ||
        !coco_json_need_bool(object, "hotplug", &spec->hotplug, error) ||
        !parse_disks(object, &spec->disks, error) || !parse_nics(object, &spec->nics, error))
        return false;
    spec->accel = (CocoAccel) accel;
    spec->transport = (CocoTransport) transport;
    spec->cmdline = g_strdup(cmdline);
    spec->share = g_strdup(share);
    return true;
}

bool
coco_vm_spec_from_json(json_object *object, CocoVmSpec *out_spec, CocoVmConfig **out_config,
                       GError **error)
{
    g_autoptr(CocoVmConfig) config = parse_config(object, error);
    g_auto(CocoVmSpec) spec = { .config = config };

    if (config == NULL || !parse_fields(object, &spec, error))
        return false;
    *out_config = g_steal_pointer(&config);
    *out_spec = spec;
    spec = (CocoVmSpec){ 0 };
    return true;
}

bool
coco_vm_spec_parse(const char *path, const char *text, CocoVmSpec *out_spec,
                   CocoVmConfig **out_config, GError **error)
{
    g_autoptr(json_object) object = coco_json_parse(text, strlen(text), error);

    if (object != NULL && coco_vm_spec_from_json(object, out_spec, out_config, error))
        return true;
    g_prefix_error(error, "read VM spec '%s': ", path);
    return false;
}

void
coco_vm_spec_clear(CocoVmSpec *spec)
{
    g_clear_pointer(&spec->cmdline, g_free);
    g_clear_pointer(&spec->share, g_free);
    coco_vm_disks_clear(&spec->disks);
    coco_vm_nics_clear(&spec->nics);
    spec->config = NULL;
}
