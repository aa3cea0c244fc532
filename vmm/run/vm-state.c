// SPDX-License-Identifier: Apache-2.0
/*
 * State on disk, destroy and list (vm-state.h): what can be done with a VM without libvirt.
 */
#include "vmm/run/vm-state.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "vmm/config/json.h"
#include "vmm/config/vmm-error.h"
#include "vmm/run/process-finder.h"

void
coco_vm_state_clear(CocoVmState *state)
{
    g_free(state->tee);
    g_free(state->accel);
    g_free(state->transport);
    g_free(state->agent);
    (void) json_object_put(state->measurement);
    *state = (CocoVmState){ 0 };
}

bool
coco_vm_state_save(const CocoVmState *state, const CocoRunDir *run_dir, GError **error)
{
    g_autoptr(json_object) object = json_object_new_object();

    coco_json_add_int(object, "pid", state->pid);
    coco_json_add_int(object, "virtiofsd_pid", state->virtiofsd_pid);
    coco_json_add_int(object, "console_pid", state->console_pid);
    coco_json_add_string(object, "tee", state->tee);
    coco_json_add_string(object, "accel", state->accel);
    coco_json_add_string(object, "transport", state->transport);
    coco_json_add_string(object, "agent", state->agent);
    if (state->measurement != NULL)
        (void) json_object_object_add(object, "measurement", json_object_get(state->measurement));
    return coco_run_dir_write(run_dir, "vm/state.json",
                              json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN),
                              error);
}

bool
coco_vm_destroy(const CocoRunDir *run_dir, GError **error)
{
    if (!coco_host_process_end_all(coco_run_dir_path(run_dir), error) ||
        !coco_run_dir_remove(run_dir, error)) {
        g_prefix_error(error, "destroy VM: ");
        return false;
    }
    return true;
}

/* "running", "starting" (a launch is under way), or "gone" (a run directory without its VM). */
static const char *
state_name(const GArray *processes)
{
    if (coco_host_process_first(processes, COCO_PROCESS_LAUNCHER) != 0)
        return "starting";
    return coco_host_process_first(processes, COCO_PROCESS_QEMU) != 0 ? "running" : "gone";
}

static void
add_known(json_object *vm, json_object *saved, const char *key)
{
    const char *value = saved != NULL ? coco_json_string(saved, key) : NULL;

    coco_json_add_string(vm, key, value != NULL ? value : "-");
}

static json_object *
describe(const char *base, const char *name)
{
    g_autofree char *path = g_build_filename(base, name, NULL);
    g_autofree char *file = g_build_filename(path, "vm", "state.json", NULL);
    g_autoptr(json_object) saved = json_object_from_file(file);
    g_autoptr(GArray) processes = coco_host_process_find("/proc", path);
    json_object *vm = json_object_new_object();

    coco_json_add_string(vm, "id", name);
    coco_json_add_int(vm, "pid", coco_host_process_first(processes, COCO_PROCESS_QEMU));
    coco_json_add_string(vm, "state", state_name(processes));
    add_known(vm, saved, "accel");
    add_known(vm, saved, "transport");
    add_known(vm, saved, "tee");
    return vm;
}

static void
print_table(json_object *all, FILE *out)
{
    (void) fprintf(out, "%-24s %8s %-9s %-5s %-9s %s\n", "ID", "PID", "STATE", "ACCEL", "TRANSPORT",
                   "TEE");
    for (size_t i = 0; i < json_object_array_length(all); i++) {
        json_object *vm = json_object_array_get_idx(all, i);

        (void) fprintf(out, "%-24s %8" G_GINT64_FORMAT " %-9s %-5s %-9s %s\n",
                       coco_json_string(vm, "id"), coco_json_int(vm, "pid"),
                       coco_json_string(vm, "state"), coco_json_string(vm, "accel"),
                       coco_json_string(vm, "transport"), coco_json_string(vm, "tee"));
    }
}

bool
coco_vm_list(const char *base, bool json, FILE *out, GError **error)
{
    g_autoptr(json_object) all = json_object_new_array();
    struct dirent **entries = NULL;
    int n = scandir(base, &entries, NULL, alphasort);

    if (n < 0 && errno != ENOENT)
        return coco_vmm_error_errno(error, errno, "list VMs in '%s'", base);
    for (int i = 0; i < n; i++) {
        g_autofree char *root = g_build_filename(base, entries[i]->d_name, "vm", NULL);
        struct stat info;

        if (entries[i]->d_name[0] != '.' && stat(root, &info) == 0 && S_ISDIR(info.st_mode))
            (void) json_object_array_add(all, describe(base, entries[i]->d_name));
        free(entries[i]);
    }
    free(entries);
    if (json)
        (void) fprintf(out, "%s\n", json_object_to_json_string_ext(all, JSON_C_TO_STRING_PLAIN));
    else
        print_table(all, out);
    return true;
}
