// SPDX-License-Identifier: Apache-2.0
/*
 * See the header. Where the container writes is Kubernetes' to say; its runtimes tell the guest by
 * an annotation.
 */
#include "guest/pod/termination-log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/paths.h"

#define PATH_ANNOTATION "io.kubernetes.container.terminationMessagePath"
#define DEFAULT_PATH "/dev/termination-log"
#define LENGTH_MAX 4096

char *
coco_termination_log_find(const Grpc__Spec *spec)
{
    const char *destination = DEFAULT_PATH;

    if (spec == NULL)
        return NULL;
    for (size_t i = 0; i < spec->n_annotations; i++) {
        if (strcmp(spec->annotations[i]->key, PATH_ANNOTATION) == 0)
            destination = spec->annotations[i]->value;
    }
    for (size_t i = 0; i < spec->n_mounts; i++) {
        if (strcmp(spec->mounts[i]->destination, destination) == 0)
            return g_strdup(spec->mounts[i]->source);
    }
    return NULL;
}

char *
coco_termination_log_read(const char *shared, const char *path, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_auto(CocoFd) fd = -1;
    char buffer[LENGTH_MAX];
    struct stat status;
    ssize_t got = -1;

    if (path == NULL)
        return g_strdup("");
    fd = coco_paths_open(shared, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, &cause);
    if (fd < 0 && cause->code == COCO_TTRPC_NOT_FOUND)
        return g_strdup("");
    if (fd < 0) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return NULL;
    }
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        got = read(fd, buffer, sizeof buffer);
    if (got >= 0)
        return g_utf8_make_valid(buffer, got);
    g_set_error_literal(error, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT,
                        "the termination log is no file that can be read");
    return NULL;
}
