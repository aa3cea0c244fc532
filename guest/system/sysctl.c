// SPDX-License-Identifier: Apache-2.0
/*
 * See the header. The key comes from the host: it is opened beneath net and nowhere else.
 */
#include "guest/system/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

#define NETWORK_PREFIX "net."

static bool
fail(GError **error, int code, const char *key, const char *cause)
{
    return coco_ttrpc_failed(error, code, "OCI spec: sysctl '%.200s': %s", key, cause);
}

/* Dots and slashes change places: net.ipv4.conf.eth0/5.forwarding is eth0.5. So "//" is a "..": no
 * key has two separators side by side. The runtime, which writes those that are not net's, knows no
 * better. */
static bool
check_key(const char *key, GError **error)
{
    bool after_separator = true;
    size_t i;

    for (i = 0; key[i] != '\0'; i++) {
        bool separator = key[i] == '.' || key[i] == '/';

        if (separator && after_separator)
            break;
        after_separator = separator;
    }
    if (key[i] == '\0' && !after_separator)
        return true;
    return fail(error, COCO_TTRPC_INVALID_ARGUMENT, key, "a part of the name is empty");
}

static char *
path_of(const char *key)
{
    char *path = g_strdup(key);

    for (char *c = path; *c != '\0'; c++)
        *c = *c == '.' ? '/' : *c == '/' ? '.' : *c;
    return path;
}

static bool
apply(int network, const char *key, const char *value, GError **error)
{
    g_autofree char *path = path_of(key + strlen(NETWORK_PREFIX));
    g_auto(CocoFd) fd = -1;
    struct open_how how = {
        .flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    size_t length = strlen(value);

    fd = (int) syscall(SYS_openat2, network, path, &how, sizeof(how));
    if (fd < 0)
        return fail(error, COCO_TTRPC_INVALID_ARGUMENT, key, g_strerror(errno));
    if (write(fd, value, length) != (ssize_t) length)
        return fail(error, COCO_TTRPC_UNKNOWN, key, g_strerror(errno));
    return true;
}

static bool
apply_entry(const Grpc__Linux__SysctlEntry *entry, const char *root, GError **error)
{
    g_autofree char *directory = g_build_filename(root, "net", NULL);
    g_auto(CocoFd) network = open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (network < 0)
        return fail(error, COCO_TTRPC_UNKNOWN, entry->key, g_strerror(errno));
    return apply(network, entry->key, entry->value, error);
}

bool
coco_sysctl_apply_network(Grpc__Linux *container, const char *root, GError **error)
{
    size_t kept = 0;
    bool ok = true;

    for (size_t i = 0; i < container->n_sysctl; i++) {
        Grpc__Linux__SysctlEntry *entry = container->sysctl[i];

        ok = ok && check_key(entry->key, error);
        if (ok && g_str_has_prefix(entry->key, NETWORK_PREFIX)) {
            ok = apply_entry(entry, root, error);
            coco_pb_free(&entry->base);
        } else {
            container->sysctl[kept++] = entry;
        }
    }
    container->n_sysctl = kept;
    return ok;
}
