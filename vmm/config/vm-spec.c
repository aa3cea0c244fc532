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

static bool
bad(GError **error, const char *path, const char *what)
{
    return coco_vmm_failed(error, "read VM spec '%s': %s", path, what);
}

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

char *
coco_vm_spec_to_json(const CocoVmSpec *spec)
{
    g_autoptr(json_object) object = json_object_new_object();

    add_config(object, spec->config);
    coco_json_add_string(object, "accel",
                         coco_vm_config_choice_name(COCO_KEY_VM_ACCEL, (int) spec->accel));
    coco_json_add_string(object, "transport",
                         coco_vm_config_choice_name(COCO_KEY_VM_TRANSPORT, (int) spec->transport));
    coco_json_add_int(object, "vcpus", spec->vcpus);
    coco_json_add_int(object, "memory_mib", spec->memory_mib);
    coco_json_add_string(object, "cmdline", spec->cmdline);
    if (spec->share != NULL)
        coco_json_add_string(object, "share", spec->share);
    (void) json_object_object_add(object, "hotplug", json_object_new_boolean(spec->hotplug));
    add_disks(object, &spec->disks);
    add_nics(object, &spec->nics);
    return g_strdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY |
                                                               JSON_C_TO_STRING_NOSLASHESCAPE));
}

static json_object *
member(json_object *object, const char *name, json_type type)
{
    json_object *value = NULL;

    return json_object_is_type(object, json_type_object) &&
                   json_object_object_get_ex(object, name, &value) &&
                   json_object_is_type(value, type)
               ? value
               : NULL;
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

/* A key that this file has not is one that a newer version brought: it has its default. */
static CocoVmConfig *
parse_config(const char *path, json_object *object, GError **error)
{
    const char *name = coco_json_string(object, "config_name");
    json_object *values = member(object, "config", json_type_object);
    json_object *given = member(object, "config_given", json_type_array);
    g_autoptr(CocoVmConfig) config = coco_vm_config_new(name != NULL ? name : path);

    for (CocoKey key = 0; key < COCO_N_KEYS; key++) {
        g_autofree char *full = full_name(key);
        const char *value = values != NULL ? coco_json_string(values, full) : NULL;

        if (value != NULL && !coco_vm_config_set(config, key, value, error)) {
            g_prefix_error(error, "read VM spec '%s': %s: ", path, full);
            return NULL;
        }
        if (!coco_vm_config_has(config, key))
            return (void) bad(error, path, "a key without a default is missing"), NULL;
        if (is_listed(given, full))
            coco_vm_config_take_place(config, key, g_strdup_printf("VM spec '%s'", path));
    }
    return g_steal_pointer(&config);
}

/* As config-keys.c has the words; false for auto, too, which nothing is once it is decided. */
static bool
parse_choice(json_object *object, const char *name, CocoKey key, int *out)
{
    const char *word = coco_json_string(object, name);
    const char *const *words = coco_config_key_info(key)->choices;

    for (int i = 1; word != NULL && words[i] != NULL; i++) {
        if (strcmp(word, words[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool
parse_disks(json_object *object, CocoVmDisks *disks)
{
    json_object *list = member(object, "disks", json_type_array);
    size_t n = list != NULL ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < n && i < COCO_VM_DISKS_MAX; i++) {
        json_object *disk = json_object_array_get_idx(list, i);
        json_object *readonly = member(disk, "readonly", json_type_boolean);
        json_object *path = member(disk, "path", json_type_string);

        if (readonly == NULL || path == NULL)
            return false;
        coco_vm_disks_add(disks, json_object_get_string(path), json_object_get_boolean(readonly));
    }
    return list != NULL && n <= COCO_VM_DISKS_MAX;
}

/* A spec of a version before there were any has none. */
static bool
parse_nics(json_object *object, CocoVmNics *nics)
{
    json_object *list = member(object, "nics", json_type_array);
    size_t n = list != NULL ? json_object_array_length(list) : 0;

    for (size_t i = 0; i < n && i < COCO_VM_NICS_MAX; i++) {
        json_object *nic = json_object_array_get_idx(list, i);
        json_object *user = member(nic, "user", json_type_boolean);
        json_object *mac = member(nic, "mac", json_type_string);

        if (user == NULL || mac == NULL || !coco_vm_nic_is_mac(json_object_get_string(mac)))
            return false;
        coco_vm_nics_add(
            nics, json_object_get_string(mac),
            (unsigned int) CLAMP(coco_json_int(nic, "mtu"), COCO_VM_NIC_MTU_MIN,
                                 COCO_VM_NIC_MTU_MAX),
            (unsigned int) CLAMP(coco_json_int(nic, "queues"), 0, COCO_VM_NIC_QUEUES_MAX),
            json_object_get_boolean(user));
    }
    return n <= COCO_VM_NICS_MAX;
}

static bool
parse_fields(json_object *object, CocoVmSpec *spec)
{
    json_object *hotplug = member(object, "hotplug", json_type_boolean);
    int accel = 0;
    int transport = 0;

    if (!parse_choice(object, "accel", COCO_KEY_VM_ACCEL, &accel) ||
        !parse_choice(object, "transport", COCO_KEY_VM_TRANSPORT, &transport) || hotplug == NULL ||
        !parse_disks(object, &spec->disks) || !parse_nics(object, &spec->nics))
        return false;
    spec->accel = (CocoAccel) accel;
    spec->transport = (CocoTransport) transport;
    spec->vcpus = (unsigned int) CLAMP(coco_json_int(object, "vcpus"), 0, G_MAXINT);
    spec->memory_mib = (unsigned int) CLAMP(coco_json_int(object, "memory_mib"), 0, G_MAXINT);
    spec->cmdline = g_strdup(coco_json_string(object, "cmdline"));
    spec->share = g_strdup(coco_json_string(object, "share"));
    spec->hotplug = json_object_get_boolean(hotplug);
    return spec->vcpus > 0 && spec->memory_mib > 0 && spec->cmdline != NULL;
}

bool
coco_vm_spec_parse(const char *path, const char *text, CocoVmSpec *out_spec,
                   CocoVmConfig **out_config, GError **error)
{
    g_autoptr(json_object) object = json_tokener_parse(text);
    g_autoptr(CocoVmConfig) config = NULL;
    g_auto(CocoVmSpec) spec = { 0 };

    if (!json_object_is_type(object, json_type_object))
        return bad(error, path, "it is not a JSON object");
    config = parse_config(path, object, error);
    if (config == NULL)
        return false;
    if (!parse_fields(object, &spec))
        return bad(error, path, "a field is missing or of another type");
    spec.config = config;
    *out_config = g_steal_pointer(&config);
    *out_spec = spec;
    spec = (CocoVmSpec){ 0 };
    return true;
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
