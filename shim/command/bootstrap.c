// SPDX-License-Identifier: Apache-2.0
/*
 * The forms of containerd's word to `start`, and of the answer.
 */
#include "shim/command/bootstrap.h"

#include <string.h>

#include "guest-protocol/proto/task-pb.h"
#include "shim/command/runtime-info.h"

#define OPTIONS_TYPE "runtimeoptions.v1.Options"
#define MOUNTS_TYPE "containerd.types.MountCapabilities"
#define RESULT_VERSION 3

typedef Containerd__Runtime__Bootstrap__V1__BootstrapParams BootstrapParams;
typedef Containerd__Runtime__Bootstrap__V1__BootstrapResult BootstrapResult;

static char *
config_path_of(const Google__Protobuf__Any *any)
{
    const char *type = any->type_url;
    g_autoptr(Runtimeoptions__V1__Options) options = NULL;
    const char *slash = strrchr(type, '/');

    if (strcmp(slash != NULL ? slash + 1 : type, OPTIONS_TYPE) != 0)
        return NULL;
    options = runtimeoptions__v1__options__unpack(NULL, any->value.len, any->value.data);
    if (options == NULL || options->config_path[0] == '\0')
        return NULL;
    return g_strdup(options->config_path);
}

static void
take_params(const BootstrapParams *params, CocoBootstrap *bootstrap)
{
    bootstrap->form = COCO_BOOTSTRAP_PROTOBUF;
    bootstrap->debug =
        (int) params->log_level <= CONTAINERD__RUNTIME__BOOTSTRAP__V1__LOG_LEVEL__LOG_LEVEL_DEBUG;
    if (params->socket_dir[0] == '/')
        bootstrap->socket_dir = g_strdup(params->socket_dir);
    for (size_t i = 0; i < params->n_extensions && bootstrap->config_path == NULL; i++) {
        if (params->extensions[i]->value != NULL)
            bootstrap->config_path = config_path_of(params->extensions[i]->value);
    }
}

void
coco_bootstrap_parse(const uint8_t *input, size_t length, const char *id, const char *ns,
                     CocoBootstrapForm form, CocoBootstrap *out_bootstrap)
{
    g_autoptr(Containerd__Runtime__Bootstrap__V1__BootstrapParams) params = NULL;
    g_autoptr(Google__Protobuf__Any) any = NULL;

    *out_bootstrap = (CocoBootstrap){ .form = form };
    if (length == 0)
        return;
    params = containerd__runtime__bootstrap__v1__bootstrap_params__unpack(NULL, length, input);
    if (params != NULL && strcmp(params->instance_id, id) == 0 &&
        strcmp(params->namespace_, ns) == 0) {
        take_params(params, out_bootstrap);
        return;
    }
    any = google__protobuf__any__unpack(NULL, length, input);
    if (any != NULL)
        out_bootstrap->config_path = config_path_of(any);
}

void
coco_bootstrap_clear(CocoBootstrap *bootstrap)
{
    g_clear_pointer(&bootstrap->config_path, g_free);
    g_clear_pointer(&bootstrap->socket_dir, g_free);
}

static GBytes *
pack_result(const char *address)
{
    BootstrapResult result = CONTAINERD__RUNTIME__BOOTSTRAP__V1__BOOTSTRAP_RESULT__INIT;
    Containerd__Runtime__Bootstrap__V1__Extension mounts =
        CONTAINERD__RUNTIME__BOOTSTRAP__V1__EXTENSION__INIT;
    Containerd__Runtime__Bootstrap__V1__Extension *extensions[] = { &mounts };
    Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
    g_autoptr(GByteArray) packed = coco_runtime_info_mounts();
    uint8_t *bytes;
    size_t length;

    any.type_url = (char *) MOUNTS_TYPE;
    any.value.data = packed->data;
    any.value.len = packed->len;
    mounts.value = &any;

    result.version = RESULT_VERSION;
    result.address = (char *) address;
    result.protocol = (char *) "ttrpc";
    result.extensions = extensions;
    result.n_extensions = G_N_ELEMENTS(extensions);
    length = protobuf_c_message_get_packed_size(&result.base);
    bytes = g_malloc(length);
    (void) protobuf_c_message_pack(&result.base, bytes);
    return g_bytes_new_take(bytes, length);
}

static char *
to_json(int version, const char *address)
{
    return g_strdup_printf("{\"version\":%d,\"address\":\"%s\",\"protocol\":\"ttrpc\"}", version,
                           address);
}

GBytes *
coco_bootstrap_answer(CocoBootstrapForm form, const char *address)
{
    char *text = NULL;

    switch (form) {
    case COCO_BOOTSTRAP_PLAIN:
        text = g_strdup(address);
        break;
    case COCO_BOOTSTRAP_JSON_2:
        text = to_json(2, address);
        break;
    case COCO_BOOTSTRAP_JSON_3:
        text = to_json(RESULT_VERSION, address);
        break;
    case COCO_BOOTSTRAP_PROTOBUF:
        return pack_result(address);
    }
    return g_bytes_new_take(text, strlen(text));
}
