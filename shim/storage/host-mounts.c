// SPDX-License-Identifier: Apache-2.0
/*
 * One mount after the other (host-mounts.h).
 */
#include "shim/storage/host-mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"
#include "shim/host/system-error.h"
#include "shim/storage/loop-device.h"
#include "shim/storage/mount-options.h"
#include "shim/storage/mount-template.h"

#define OWN_PREFIX "X-containerd."
#define MKDIR_OPTION "X-containerd.mkdir.path="

/* For all of them: nothing is opened as a device or run from there on the host. */
#define NO_TRUST (MS_NODEV | MS_NOSUID)

typedef struct {
    const char *type;
    char *source;
    char **options;
} Mount;

static void
mount_clear(Mount *mount)
{
    g_free(mount->source);
    g_strfreev(mount->options);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Mount, mount_clear)

/* PATH[:MODE[:UID:GID]]; no snapshotter gives an owner. */
static bool
make_directory(const char *value, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(value, ":", 2);
    guint64 mode = 0700;

    if (parts[0] == NULL || parts[0][0] != '/' ||
        (parts[1] != NULL && !g_ascii_string_to_unsigned(parts[1], 8, 0, 0777, &mode, NULL))) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                    "make directory '%s': want PATH:MODE", value);
        return false;
    }
    return mkdir(parts[0], (mode_t) mode) == 0 || errno == EEXIST ||
           coco_system_error(error, "make directory", parts[0]);
}

static bool
has_loop(const Mount *mount)
{
    return g_strv_contains((const char *const *) mount->options, "loop");
}

/* What is left when options of the kind that only tools understand are done and gone. */
static bool
parse_options(const Mount *mount, CocoMountOptions *out_options, GError **error)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_auto(GStrv) rest = NULL;

    for (size_t i = 0; mount->options[i] != NULL; i++) {
        const char *option = mount->options[i];

        if (g_str_has_prefix(option, MKDIR_OPTION)) {
            if (!make_directory(option + strlen(MKDIR_OPTION), error))
                return false;
        } else if (g_str_has_prefix(option, OWN_PREFIX)) {
            g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                        "mount '%s': option '%s' is not supported", mount->source, option);
            return false;
        } else if (strcmp(option, "loop") != 0) {
            g_strv_builder_add(builder, option);
        }
    }
    rest = g_strv_builder_end(builder);
    coco_mount_options_parse(rest, g_strv_length(rest), out_options);
    if (strcmp(mount->type, "bind") == 0)
        out_options->flags |= MS_BIND;
    return true;
}

static bool
mount_one(const Mount *mount, int point, unsigned long flags, GError **error)
{
    g_auto(CocoMountOptions) options = { 0 };
    g_autofree char *device = NULL;
    g_auto(CocoFd) loop = -1;

    if (!parse_options(mount, &options, error))
        return false;
    options.flags |= flags;
    if (has_loop(mount)) {
        loop = coco_loop_device_attach(mount->source, (options.flags & MS_RDONLY) != 0, &device,
                                       error);
        if (loop < 0)
            return false;
    }
    return coco_mount(mount->type, device != NULL ? device : mount->source, point, &options, error);
}

static char *
fill_in(const char *text, bool plain, const char *const *points, size_t n, GError **error)
{
    return plain ? g_strdup(text) : coco_mount_template_expand(text, points, n, error);
}

/* The mount with its templates filled in and without what they are called by ("format/mkdir/"). */
static bool
expand(const Containerd__Types__Mount *mount, const char *const *points, size_t n, Mount *out,
       GError **error)
{
    const char *slash = strrchr(mount->type, '/');
    bool plain = slash == NULL; /* braces are no template there */

    out->type = slash != NULL ? slash + 1 : mount->type;
    out->source = fill_in(mount->source, plain, points, n, error);
    out->options = g_new0(char *, mount->n_options + 1);
    for (size_t i = 0; i < mount->n_options && out->source != NULL; i++) {
        out->options[i] = fill_in(mount->options[i], plain, points, n, error);
        if (out->options[i] == NULL)
            return false;
    }
    return out->source != NULL;
}

static bool
has_templates(Containerd__Types__Mount *const *mounts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strchr(mounts[i]->type, '/') != NULL)
            return true;
    }
    return false;
}

/* Mounts one of those that the last one is made of. What a guest wrote into its layer, on a host
 * that had it as a disk, may have links where the next mount wants its directories. */
static bool
mount_layer(const Mount *mount, const char *own, GError **error)
{
    g_auto(CocoFd) point = -1;

    if (mkdir(own, 0700) != 0)
        return coco_system_error(error, "make mount point", own);
    point = open(own, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (point < 0)
        return coco_system_error(error, "open mount point", own);
    return mount_one(mount, point, NO_TRUST | MS_NOSYMFOLLOW, error);
}

bool
coco_host_mounts_make(Containerd__Types__Mount *const *mounts, size_t n, const char *layers,
                      int target, GError **error)
{
    bool apart = has_templates(mounts, n);
    g_autoptr(GPtrArray) points = g_ptr_array_new_with_free_func(g_free);

    if (apart && mkdir(layers, 0700) != 0 && errno != EEXIST)
        return coco_system_error(error, "make directory", layers);
    for (size_t i = 0; i < n; i++) {
        g_auto(Mount) mount = { 0 };
        g_autofree char *own = g_strdup_printf("%s/%zu", layers, i);

        if (!expand(mounts[i], (const char *const *) points->pdata, i, &mount, error))
            return false;
        if (!(apart && i + 1 < n ? mount_layer(&mount, own, error)
                                 : mount_one(&mount, target, NO_TRUST, error)))
            return false;
        g_ptr_array_add(points, g_steal_pointer(&own));
    }
    return true;
}

/* Numbered without a gap, so the first that is not there is the end. */
void
coco_host_mounts_undo(const char *layers)
{
    size_t n = 0;

    for (;; n++) {
        g_autofree char *own = g_strdup_printf("%s/%zu", layers, n);

        if (access(own, F_OK) != 0)
            break;
    }
    while (n-- > 0) {
        g_autofree char *own = g_strdup_printf("%s/%zu", layers, n);

        while (umount2(own, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
            ;
        (void) rmdir(own);
    }
    (void) rmdir(layers);
}
