// SPDX-License-Identifier: Apache-2.0
/*
 * See the header. The key comes from the host: it is opened beneath root and nowhere else.
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

static bool
fail(GError **error, int code, const char *key, const char *cause)
{
    g_set_error(error, COCO_TTRPC_ERROR, code, "OCI spec: sysctl '%s': %s", key, cause);
    return false;
}

/* Dots and slashes change places: net.ipv4.conf.eth0/5.forwarding is eth0.5. */
static char *
path_of(const char *key)
{
    char *path = g_strdup(key);

    for (char *c = path; *c != '\0'; c++)
        *c = *c == '.' ? '/' : *c == '/' ? '.' : *c;
    return path;
}

static bool
apply(const char *root, const char *key, const char *value, GError **error)
{
    g_autofree char *path = path_of(key);
    g_auto(CocoFd) top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    g_auto(CocoFd) fd = -1;
    struct open_how how = {
        .flags = O_WRONLY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    };
    size_t length = strlen(value);

    if (top < 0)
        return fail(error, COCO_TTRPC_UNKNOWN, key, g_strerror(errno));
    fd = (int) syscall(SYS_openat2, top, path, &how, sizeof(how));
    if (fd < 0)
        return fail(error, COCO_TTRPC_INVALID_ARGUMENT, key, g_strerror(errno));
    if (write(fd, value, length) != (ssize_t) length)
        return fail(error, COCO_TTRPC_UNKNOWN, key, g_strerror(errno));
    return true;
}

bool
coco_sysctl_apply_network(Grpc__Linux *container, const char *root, GError **error)
{
    size_t kept = 0;
    bool ok = true;

    for (size_t i = 0; i < container->n_sysctl; i++) {
        Grpc__Linux__SysctlEntry *entry = container->sysctl[i];

        if (ok && g_str_has_prefix(entry->key, "net.")) {
            ok = apply(root, entry->key, entry->value, error);
            coco_pb_free(&entry->base);
        } else {
            container->sysctl[kept++] = entry;
        }
    }
    container->n_sysctl = kept;
    return ok;
}
