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
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/module-archive.h"

#define PARAMETERS_MAX 1024
#define LIST_TIMEOUT_S 120

/* No file: it has been loaded. */
static int
load_file(const char *path, const char *parameters)
{
    g_auto(CocoFd) fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? 0 : errno;
    if (syscall(SYS_finit_module, fd, parameters, 0) < 0 && errno != EEXIST && errno != ENODEV)
        return errno;
    (void) unlink(path);
    return 0;
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

static void
load_line(char *line)
{
    g_autofree char *path = NULL;
    int result;

    if (*g_strstrip(line) == '\0' || line[0] == '#')
        return;
    path = absolute(line);
    result = load_file(path, "");
    if (result != 0)
        g_message("load module '%s': %s", path, g_strerror(result));
}

void
coco_modules_load_list(const char *list_path)
{
    g_auto(GStrv) lines = read_list(list_path);

    for (size_t i = 0; lines != NULL && lines[i] != NULL; i++)
        load_line(lines[i]);
}

/* ---- in a child ---- */

typedef struct {
    const char *list_path;
    void (*func)(void);
} ListLoad;

static char *
load_in_child(void *data, GError **error)
{
    const ListLoad *load = data;

    coco_modules_load_list(load->list_path);
    return g_strdup("");
}

static void
on_list_loaded(const char *text, const GError *error, void *user_data)
{
    g_autofree ListLoad *load = user_data;

    if (error != NULL)
        g_message("%s: %s", load->list_path, error->message);
    if (error == NULL || error->code != COCO_TTRPC_CANCELLED)
        load->func();
}

void
coco_modules_queue_list(CocoChildQueue *queue, const char *list_path, void (*func)(void))
{
    ListLoad *load = g_new(ListLoad, 1);
    const CocoChildWork work = { "load modules", LIST_TIMEOUT_S, load_in_child, load };

    *load = (ListLoad){ list_path, func };
    coco_child_queue_add(queue, &work, on_list_loaded, load);
}

/* ---- by name ---- */

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

/* One that another process has just loaded is there. */
static int
load_packed(const CocoModuleArchive *archive, const char *name, const char *parameters)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) module = coco_module_archive_read(archive, name, &error);

    if (module == NULL)
        return EIO;
    if (syscall(SYS_init_module, g_bytes_get_data(module, NULL), g_bytes_get_size(module),
                parameters) < 0 &&
        errno != EEXIST && errno != ENODEV)
        return errno;
    return 0;
}

/* One that is still being loaded is not: to load it again is to wait for it. */
static bool
is_live(const char *name)
{
    g_autofree char *path = g_strdup_printf("/sys/module/%s/initstate", name);
    g_autofree char *state = NULL;

    return g_file_get_contents(path, &state, NULL, NULL) && g_str_has_prefix(state, "live");
}

static int
load_one(const CocoModuleArchive *archive, const char *name, const char *parameters)
{
    g_autofree char *path = NULL;

    if (is_live(name))
        return 0;
    if (coco_module_archive_is_packed(archive, name))
        return load_packed(archive, name, parameters);
    path = g_strconcat("/lib/modules/", name, ".ko", NULL);
    return load_file(path, parameters);
}

static bool
fail(const char *name, CocoTtrpcCode code, const char *cause, GError **error)
{
    g_autofree char *shown = g_strescape(name, NULL);

    return coco_ttrpc_failed(error, code, "load module '%.64s': %s", shown, cause);
}

/* Its file, or NULL when no list has it. */
static char *
find_named(const char *list_path, const char *wanted)
{
    g_auto(GStrv) lines = read_list(list_path);

    for (size_t i = 0; lines != NULL && lines[i] != NULL; i++) {
        g_autofree char *path = absolute(g_strstrip(lines[i]));
        g_autofree char *found = module_name(path);

        if (strcmp(found, wanted) == 0)
            return g_steal_pointer(&path);
    }
    return NULL;
}

bool
coco_modules_are_demanded(const char *wanted)
{
    g_autoptr(CocoModuleArchive) archive = coco_module_archive_open(COCO_MODULES_DEMAND, NULL);
    g_autoptr(GPtrArray) names =
        archive != NULL ? coco_module_archive_resolve(archive, wanted) : NULL;

    return names != NULL;
}

bool
coco_modules_load_demanded(const char *wanted, const char *parameters, GError **error)
{
    g_autofree char *main_name = g_strdelimit(g_strdup(wanted), "-", '_');
    g_autoptr(CocoModuleArchive) archive = coco_module_archive_open(COCO_MODULES_DEMAND, NULL);
    g_autoptr(GPtrArray) names =
        archive != NULL ? coco_module_archive_resolve(archive, wanted) : NULL;

    if (names == NULL)
        return fail(wanted, COCO_TTRPC_NOT_FOUND, "the guest image does not have it", error);
    for (unsigned int i = 0; i < names->len; i++) {
        const char *name = names->pdata[i];
        int result = load_one(archive, name, strcmp(name, main_name) == 0 ? parameters : "");

        if (result != 0)
            return fail(name, COCO_TTRPC_INTERNAL, g_strerror(result), error);
    }
    return true;
}

bool
coco_modules_load_named(const char *name, char *const *parameters, size_t n_parameters,
                        GError **error)
{
    g_autofree char *wanted = g_strdelimit(g_strdup(name), "-", '_');
    g_autofree char *path = NULL;
    int result;
    g_autoptr(GString) joined = g_string_new(NULL);

    for (size_t i = 0; i < n_parameters && joined->len <= PARAMETERS_MAX; i++)
        g_string_append_printf(joined, "%s%s", i > 0 ? " " : "", parameters[i]);
    if (joined->len > PARAMETERS_MAX)
        return fail(name, COCO_TTRPC_INVALID_ARGUMENT, "parameters are too long", error);
    path = find_named(COCO_MODULES_LIST, wanted);
    if (path == NULL)
        path = find_named(COCO_MODULES_LATER_LIST, wanted);
    if (path == NULL)
        return coco_modules_load_demanded(name, joined->str, error);
    result = load_file(path, joined->str);
    return result == 0 || fail(name, COCO_TTRPC_INTERNAL, g_strerror(result), error);
}
