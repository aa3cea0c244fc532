// SPDX-License-Identifier: Apache-2.0
/*
 * finit_module() on files of the initrd. ENODEV is a driver without its hardware, EEXIST one that
 * is there.
 */
#include "guest/system/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

#define PARAMETERS_MAX 1024

static int
load_file(const char *path, const char *parameters)
{
    g_auto(CocoFd) fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno;
    if (syscall(SYS_finit_module, fd, parameters, 0) == 0 || errno == EEXIST || errno == ENODEV)
        return 0;
    return errno;
}

static char **
read_list(const char *path)
{
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    return g_strsplit(text, "\n", -1);
}

static char *
absolute(const char *line)
{
    return line[0] == '/' ? g_strdup(line) : g_build_filename("/lib/modules", line, NULL);
}

void
coco_modules_load_list(const char *list_path)
{
    g_auto(GStrv) lines = read_list(list_path);

    for (size_t i = 0; lines != NULL && lines[i] != NULL; i++) {
        g_autofree char *path = NULL;
        int result;

        if (*g_strstrip(lines[i]) == '\0' || lines[i][0] == '#')
            continue;
        path = absolute(lines[i]);
        result = load_file(path, "");
        if (result != 0)
            g_message("load module '%s': %s", path, g_strerror(result));
    }
}

/* The file name without ".ko", with '_' for '-' as the kernel has it. */
static char *
module_name(const char *path)
{
    char *name = g_path_get_basename(path);
    char *dot = strchr(name, '.');

    if (dot != NULL)
        *dot = '\0';
    return g_strdelimit(name, "-", '_');
}

static bool
fail(const char *name, CocoTtrpcCode code, const char *cause, GError **error)
{
    g_autofree char *shown = g_strescape(name, NULL);

    g_set_error(error, COCO_TTRPC_ERROR, (int) code, "load module '%.64s': %s", shown, cause);
    return false;
}

bool
coco_modules_load_named(const char *name, char *const *parameters, size_t n_parameters,
                        GError **error)
{
    g_auto(GStrv) lines = read_list(COCO_MODULES_LIST);
    g_autofree char *wanted = g_strdelimit(g_strdup(name), "-", '_');
    g_autoptr(GString) joined = g_string_new(NULL);

    for (size_t i = 0; i < n_parameters && joined->len <= PARAMETERS_MAX; i++)
        g_string_append_printf(joined, "%s%s", i > 0 ? " " : "", parameters[i]);
    if (joined->len > PARAMETERS_MAX)
        return fail(name, COCO_TTRPC_INVALID_ARGUMENT, "parameters are too long", error);
    for (size_t i = 0; lines != NULL && lines[i] != NULL; i++) {
        g_autofree char *path = absolute(g_strstrip(lines[i]));
        g_autofree char *found = module_name(path);
        int result;

        if (strcmp(found, wanted) != 0)
            continue;
        result = load_file(path, joined->str);
        return result == 0 || fail(name, COCO_TTRPC_INTERNAL, g_strerror(result), error);
    }
    return fail(name, COCO_TTRPC_NOT_FOUND, "the guest image does not have it", error);
}
