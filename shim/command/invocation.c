// SPDX-License-Identifier: Apache-2.0
/*
 * The shim's command line. GOption is not used: it knows "--name" only, and containerd writes Go's
 * "-name".
 */
#include "shim/command/invocation.h"

#include <stddef.h>
#include <string.h>

#include "shim/host/identifier.h"

typedef struct {
    const char *name;
    size_t offset; /* of a const char * in CocoInvocation */
} StringFlag;

static const StringFlag string_flags[] = {
    { "namespace", offsetof(CocoInvocation, ns) },
    { "id", offsetof(CocoInvocation, id) },
    { "address", offsetof(CocoInvocation, address) },
    { "base", offsetof(CocoInvocation, base) },
    { "bundle", offsetof(CocoInvocation, bundle) },
    { "publish-binary", offsetof(CocoInvocation, binary) },
    { "socket", offsetof(CocoInvocation, socket) },
    { "config", offsetof(CocoInvocation, config) },
    { "tee", offsetof(CocoInvocation, tee) },
};

static const struct {
    const char *name;
    CocoAction action;
} switches[] = {
    { "info", COCO_ACTION_INFO }, { "v", COCO_ACTION_VERSION }, { "version", COCO_ACTION_VERSION },
    { "h", COCO_ACTION_HELP },    { "help", COCO_ACTION_HELP },
};

static bool
set_boolean(const char *name, const char *value, CocoInvocation *invocation)
{
    bool on = value == NULL || (strcmp(value, "false") != 0 && strcmp(value, "0") != 0);

    if (strcmp(name, "debug") == 0) {
        invocation->debug = on;
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++) {
        if (strcmp(name, switches[i].name) == 0) {
            invocation->action = switches[i].action;
            return true;
        }
    }
    return false;
}

static void
set_string(const char *name, const char *value, CocoInvocation *invocation)
{
    for (size_t i = 0; i < G_N_ELEMENTS(string_flags); i++) {
        if (strcmp(name, string_flags[i].name) == 0)
            G_STRUCT_MEMBER(const char *, invocation, string_flags[i].offset) = value;
    }
}

static bool
set_action(const char *word, CocoInvocation *invocation, GError **error)
{
    if (strcmp(word, "start") == 0) {
        invocation->action = COCO_ACTION_START;
    } else if (strcmp(word, "delete") == 0) {
        invocation->action = COCO_ACTION_DELETE;
    } else if (strcmp(word, "gc") == 0) {
        invocation->action = COCO_ACTION_GC;
    } else {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "unknown action '%s'", word);
        return false;
    }
    return true;
}

static bool
check(const CocoInvocation *invocation, GError **error)
{
    if (invocation->action > COCO_ACTION_DELETE)
        return true;
    if (!coco_identifier_is_valid(invocation->id)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "-id '%s' is not a valid identifier", invocation->id);
        return false;
    }
    if (!coco_identifier_is_valid(invocation->ns)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "-namespace '%s' is not a valid identifier", invocation->ns);
        return false;
    }
    return true;
}

bool
coco_invocation_parse(int argc, char **argv, CocoInvocation *out_invocation, GError **error)
{
    const char *ttrpc = g_getenv("TTRPC_ADDRESS");
    CocoInvocation invocation = {
        .program = argc > 0 ? argv[0] : "",
        .ns = "",
        .id = "",
        .address = "",
        .bundle = "",
        .base = "",
        .binary = "",
        .socket = "",
        .config = "",
        .ttrpc = "",
    };

    if (ttrpc != NULL)
        invocation.ttrpc = g_str_has_prefix(ttrpc, "unix://") ? ttrpc + strlen("unix://") : ttrpc;
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i] + strspn(argv[i], "-");
        const char *value = strchr(name, '=');
        g_autofree char *key =
            value != NULL ? g_strndup(name, (size_t) (value - name)) : g_strdup(name);

        if (argv[i][0] != '-') {
            if (!set_action(argv[i], &invocation, error))
                return false;
            continue;
        }
        value = value != NULL ? value + 1 : NULL;
        if (set_boolean(key, value, &invocation))
            continue;
        if (value == NULL && ++i >= argc) {
            g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "flag -%s needs a value",
                        key);
            return false;
        }
        set_string(key, value != NULL ? value : argv[i], &invocation);
    }
    if (!check(&invocation, error))
        return false;
    *out_invocation = invocation;
    return true;
}
