// SPDX-License-Identifier: Apache-2.0
/*
 * Both forms of the mounts that are ours: erofs layers, and mounts that are made of others. What
 * else it has to prepare, such as making a file system, containerd does before it calls us.
 */
#include "shim/command/runtime-info.h"

#include <stdio.h>

#include <gio/gio.h>

#include "guest-protocol/proto/task-pb.h"

#define ALLOWED_MOUNTS "mkdir/*,format/*,erofs"

static const char *const types[] = { "erofs" };
static const char *const transforms[] = { "mkdir", "format" };

GByteArray *
coco_runtime_info_mounts(void)
{
    Containerd__Types__MountCapabilities mounts = CONTAINERD__TYPES__MOUNT_CAPABILITIES__INIT;
    GByteArray *packed = g_byte_array_new();

    mounts.types = (char **) (void *) types;
    mounts.n_types = G_N_ELEMENTS(types);
    mounts.transforms = (char **) (void *) transforms;
    mounts.n_transforms = G_N_ELEMENTS(transforms);
    g_byte_array_set_size(packed, (guint) protobuf_c_message_get_packed_size(&mounts.base));
    (void) protobuf_c_message_pack(&mounts.base, packed->data);
    return packed;
}

bool
coco_runtime_info_print(GError **error)
{
    Containerd__Types__RuntimeVersion version = CONTAINERD__TYPES__RUNTIME_VERSION__INIT;
    Containerd__Types__RuntimeInfo info = CONTAINERD__TYPES__RUNTIME_INFO__INIT;
    Containerd__Types__RuntimeInfo__AnnotationsEntry mounts =
        CONTAINERD__TYPES__RUNTIME_INFO__ANNOTATIONS_ENTRY__INIT;
    Containerd__Types__RuntimeInfo__AnnotationsEntry *annotations[] = { &mounts };
    g_autofree uint8_t *buffer = NULL;
    size_t length;

    version.version = (char *) COCO_VERSION;
    info.name = (char *) "io.containerd.coco.v2";
    info.version = &version;
    mounts.key = (char *) "containerd.io/runtime-allow-mounts";
    mounts.value = (char *) ALLOWED_MOUNTS;
    info.annotations = annotations;
    info.n_annotations = G_N_ELEMENTS(annotations);
    length = protobuf_c_message_get_packed_size(&info.base);
    buffer = g_malloc(length);
    (void) protobuf_c_message_pack(&info.base, buffer);
    if (fwrite(buffer, 1, length, stdout) == length && fflush(stdout) == 0)
        return true;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "print runtime info");
    return false;
}
