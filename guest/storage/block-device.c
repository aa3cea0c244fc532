// SPDX-License-Identifier: Apache-2.0
/*
 * The way through sysfs (block-device.h): a directory for each device on the path, in it one for
 * its virtio device, in it "block/vdb".
 */
#include "guest/storage/block-device.h"

#include <glob.h>
#include <stdbool.h>
#include <string.h>

#include "guest-protocol/proto/ttrpc-error.h"

#define BRIDGES_MAX 8
#define SLOT_MAX 0x1f
#define FUNCTION_MAX 7
#define NAME_LETTERS_MAX 3

static char *
refuse(const char *source, CocoTtrpcCode code, const char *cause, GError **error)
{
    g_autofree char *shown = g_strescape(source, NULL);

    g_set_error(error, COCO_TTRPC_ERROR, (int) code, "find disk '%.100s': %s", shown, cause);
    return NULL;
}

/* "SS" or "SS.F", hexadecimal. */
static bool
append_step(GString *pattern, const char *step)
{
    g_auto(GStrv) parts = g_strsplit(step, ".", 2);
    guint64 slot;
    guint64 function = 0;

    if (parts[0] == NULL || !g_ascii_string_to_unsigned(parts[0], 16, 0, SLOT_MAX, &slot, NULL) ||
        (parts[1] != NULL &&
         !g_ascii_string_to_unsigned(parts[1], 16, 0, FUNCTION_MAX, &function, NULL)))
        return false;
    g_string_append_printf(pattern, "/0000:??:%02x.%x", (unsigned int) slot,
                           (unsigned int) function);
    return true;
}

static bool
is_device_name(const char *name)
{
    size_t letters = strspn(name, "abcdefghijklmnopqrstuvwxyz");

    return letters > 2 && letters <= 2 + NAME_LETTERS_MAX && name[letters] == '\0' &&
           g_str_has_prefix(name, "vd");
}

static char *
find_by_pattern(const char *source, const char *pattern, GError **error)
{
    glob_t found = { 0 };
    g_autofree char *name = NULL;

    if (glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc == 1)
        name = g_path_get_basename(found.gl_pathv[0]);
    globfree(&found);
    if (name == NULL)
        return refuse(source, COCO_TTRPC_NOT_FOUND, "the VM has no disk there", error);
    return g_build_filename("/dev", name, NULL);
}

char *
coco_block_device_find(const char *sys, const char *source, GError **error)
{
    g_autoptr(GString) pattern = g_string_new(sys);
    g_auto(GStrv) steps = NULL;

    if (g_str_has_prefix(source, "/dev/")) {
        if (!is_device_name(source + strlen("/dev/")))
            return refuse(source, COCO_TTRPC_INVALID_ARGUMENT, "not a virtio disk", error);
        return g_strdup(source);
    }
    g_string_append(pattern, "/devices/pci0000:00");
    steps = g_strsplit(source, "/", BRIDGES_MAX + 1);
    for (size_t i = 0; steps[i] != NULL; i++) {
        if (i == BRIDGES_MAX || !append_step(pattern, steps[i]))
            return refuse(source, COCO_TTRPC_INVALID_ARGUMENT, "not a PCI path", error);
    }
    if (steps[0] == NULL)
        return refuse(source, COCO_TTRPC_INVALID_ARGUMENT, "not a PCI path", error);
    g_string_append(pattern, "/virtio*/block/vd*");
    return find_by_pattern(source, pattern->str, error);
}
