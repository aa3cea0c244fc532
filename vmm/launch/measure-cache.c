// SPDX-License-Identifier: Apache-2.0
/*
 * Keys and texts for the store (measure-cache.h). Only what passed every check is kept, so a launch
 * with firmware or an ID block that is refused computes, and tells why, each time.
 */
#include "vmm/launch/measure-cache.h"

#include <sys/stat.h>

#include "vmm/config/json.h"
#include "vmm/tee/boot-store.h"

static void
add_bytes(GString *text, GBytes *bytes)
{
    g_autofree char *digest =
        bytes != NULL ? g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes) : NULL;

    g_string_append_printf(text, "%s\n", digest != NULL ? digest : "");
}

/* Another build measures otherwise, perhaps. */
static bool
add_program(GString *text)
{
    struct stat info;

    if (stat("/proc/self/exe", &info) < 0)
        return false;
    g_string_append_printf(text, "%lx %lx %lx %lx.%lx\n", info.st_dev, info.st_ino,
                           (unsigned long) info.st_size, (unsigned long) info.st_ctim.tv_sec,
                           (unsigned long) info.st_ctim.tv_nsec);
    return true;
}

char *
coco_measure_cache_key(const CocoLaunchPlan *plan)
{
    CocoVmSpec measured = plan->spec;
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree char *decided = NULL;

    measured.share = NULL;
    measured.disks = (CocoVmDisks){ 0 };
    decided = coco_vm_spec_to_json(&measured);
    g_string_append_printf(text, "%s\n", decided);
    for (CocoBootFile i = 0; i < COCO_N_BOOT_FILES; i++) {
        const char *stored = coco_boot_files_stored(plan->boot, i);

        if (stored == NULL && coco_boot_files_fd(plan->boot, i) >= 0)
            return NULL;
        g_string_append_printf(text, "%s\n", stored != NULL ? stored : "");
        add_bytes(text, coco_boot_files_blob(plan->boot, i));
    }
    add_bytes(text, plan->initdata.host_data);
    if (!add_program(text))
        return NULL;
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, text->str, (gssize) text->len);
}

json_object *
coco_measure_cache_get(const char *store, const char *key)
{
    g_auto(CocoFd) lock = coco_boot_store_open(store);
    g_autofree char *text = lock >= 0 ? coco_boot_store_read(lock, key) : NULL;
    json_object *values = text != NULL ? json_tokener_parse(text) : NULL;

    if (values != NULL && !json_object_is_type(values, json_type_object))
        g_clear_pointer(&values, json_object_put);
    return values;
}

void
coco_measure_cache_put(const char *store, const char *key, json_object *values)
{
    g_auto(CocoFd) lock = coco_boot_store_open(store);

    if (lock >= 0)
        (void) coco_boot_store_write(
            lock, key, json_object_to_json_string_ext(values, JSON_C_TO_STRING_PLAIN));
}
