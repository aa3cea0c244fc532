// SPDX-License-Identifier: Apache-2.0
/*
 * Measures beside the start (launch-measure.h). The files are opened again by /proc/self/fd, which
 * leads to the same inode whatever has become of their names.
 */
#include "vmm/launch/launch-measure.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/byte-text.h"
#include "vmm/config/json.h"
#include "vmm/config/vmm-error.h"
#include "vmm/launch/id-block-check.h"
#include "vmm/launch/measure-cache.h"
#include "vmm/launch/measure-plan.h"

/* The child's answer is a line of hex digests. */
#define MAX_ANSWER (64 * 1024)

static const struct {
    CocoMeasureFile file;
    CocoBootFile boot;
} images[] = {
    { COCO_MEASURE_FIRMWARE, COCO_BOOT_FIRMWARE },
    { COCO_MEASURE_KERNEL, COCO_BOOT_KERNEL },
    { COCO_MEASURE_INITRD, COCO_BOOT_INITRD },
};

static void
add_digest(json_object *values, const char *key, const CocoDigest *digest)
{
    g_autofree char *hex = coco_hex_of(digest->bytes, digest->len);

    if (digest->len > 0)
        coco_json_add_string(values, key, hex);
}

static json_object *
values_of(const CocoMeasurement *measurement)
{
    json_object *values = json_object_new_object();

    add_digest(values, "launch_digest", &measurement->launch_digest);
    add_digest(values, "mrtd", &measurement->mrtd);
    add_digest(values, "rtmr1", &measurement->rtmr1);
    add_digest(values, "rtmr2", &measurement->rtmr2);
    add_digest(values, "host_data", &measurement->host_data);
    add_digest(values, "mrconfigid", &measurement->mrconfigid);
    add_digest(values, "rim", &measurement->rim);
    add_digest(values, "se_tag", &measurement->se.tag);
    return values;
}

static void
use_descriptors(CocoMeasurePlan *plan, const CocoBootFiles *boot)
{
    for (size_t i = 0; i < G_N_ELEMENTS(images); i++) {
        if (plan->paths[images[i].file] == NULL)
            continue;
        g_free(plan->paths[images[i].file]);
        plan->paths[images[i].file] =
            g_strdup_printf("/proc/self/fd/%d", coco_boot_files_fd(boot, images[i].boot));
    }
}

/* Messages name the file as the config does. */
static void
name_files(const CocoVmConfig *config, const CocoMeasurePlan *plan, GError *error)
{
    g_autoptr(GString) message = g_string_new(error->message);

    for (size_t i = 0; i < G_N_ELEMENTS(images); i++) {
        const char *path = plan->paths[images[i].file];
        g_autofree char *quoted = path != NULL ? g_strdup_printf("'%s'", path) : NULL;
        g_autofree char *name = g_strdup_printf(
            "'%s'", coco_vm_config_string(config, coco_boot_file_key(images[i].boot)));

        if (quoted != NULL)
            (void) g_string_replace(message, quoted, name, 0);
    }
    g_free(error->message);
    error->message = g_strdup_printf("measure: %s", message->str);
}

/* What attestation will show is then not what runs. */
static bool
check_firmware(const CocoVmConfig *config, const CocoMeasurement *measurement, GError **error)
{
    if (!measurement->kernel_is_free ||
        coco_vm_config_bool(config, COCO_KEY_DEBUG_INSECURE_FIRMWARE))
        return true;
    return coco_vm_config_error(
        config, COCO_KEY_GUEST_FIRMWARE, error,
        "'%s' has a place for the hashes of the kernel and does not compare "
        "them, so the host can boot another one; Debian's ovmf-amdsev does; "
        "for a test set [debug] insecure_firmware = true",
        coco_vm_config_string(config, COCO_KEY_GUEST_FIRMWARE));
}

json_object *
coco_launch_measure_values(const CocoVmSpec *spec, const CocoBootFiles *boot,
                           const CocoInitdataBinding *initdata, GError **error)
{
    g_auto(CocoMeasurePlan) plan = { 0 };
    g_autofree CocoMeasurement *measurement = g_new0(CocoMeasurement, 1);
    GError *cause = NULL;

    if (!coco_measure_plan_from_spec(&plan, spec, initdata, error))
        return NULL;
    use_descriptors(&plan, boot);
    if (!coco_measure_plan_run(&plan, NULL, measurement, &cause)) {
        name_files(spec->config, &plan, cause);
        g_propagate_error(error, cause);
        return NULL;
    }
    if (!check_firmware(spec->config, measurement, error) ||
        !coco_id_block_check(spec->config, boot, measurement, error))
        return NULL;
    return values_of(measurement);
}

/* In the child: {"values":{…}} or {"code":…,"message":…}. */
static void
answer(const CocoLaunchPlan *plan, int fd)
{
    g_autoptr(json_object) line = json_object_new_object();
    g_autoptr(GError) error = NULL;
    json_object *values =
        coco_launch_measure_values(&plan->spec, plan->boot, &plan->initdata, &error);
    const char *text;
    size_t length;

    if (values != NULL) {
        (void) json_object_object_add(line, "values", values);
    } else {
        bool ours = error->domain == COCO_VMM_ERROR;

        coco_json_add_string(
            line, "code",
            coco_vmm_error_name(ours ? (CocoVmmError) error->code : COCO_VMM_ERROR_FAILED));
        coco_json_add_string(line, "message", error->message);
    }
    text = json_object_to_json_string_length(line, JSON_C_TO_STRING_PLAIN, &length);
    /* Less than a pipe holds, so it is written at once. */
    _exit(write(fd, text, length) == (ssize_t) length ? 0 : 1);
}

static bool
start_child(CocoLaunchMeasure *measure, const CocoLaunchPlan *plan, GError **error)
{
    g_auto(CocoFd) out = -1;
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return coco_vmm_error_errno(error, errno, "measure: make a pipe");
    measure->fd = ends[0];
    out = ends[1];
    pid = fork();
    if (pid == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        answer(plan, out);
    }
    if (pid < 0)
        return coco_vmm_error_errno(error, errno, "measure: start a process");
    measure->pidfd = pidfd_open(pid, 0);
    if (measure->pidfd < 0)
        return coco_vmm_error_errno(error, errno, "measure: open process %d", (int) pid);
    return true;
}

bool
coco_launch_measure_start(CocoLaunchMeasure *measure, const CocoLaunchPlan *plan, const char *store,
                          GError **error)
{
    if (coco_vm_config_choice(plan->config, COCO_KEY_VM_TEE) == COCO_TEE_NONE)
        return true;
    measure->store = store;
    measure->key = coco_measure_cache_key(plan);
    if (measure->key != NULL)
        measure->known = coco_measure_cache_get(store, measure->key);
    return measure->known != NULL || start_child(measure, plan, error);
}

static bool
read_answer(int fd, gint64 deadline, GString *text, GError **error)
{
    while (text->len < MAX_ANSWER) {
        struct pollfd event = { .fd = fd, .events = POLLIN };
        gint64 left = MAX((deadline - g_get_monotonic_time()) / 1000, 0);
        char chunk[4096];
        ssize_t n;

        if (poll(&event, 1, (int) left) == 0) {
            g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_TIMEOUT,
                        "measure: not done within launch_timeout_s");
            return false;
        }
        n = read(fd, chunk, sizeof chunk);
        if (n == 0)
            return true;
        if (n > 0)
            g_string_append_len(text, chunk, n);
        else if (errno != EINTR)
            break;
    }
    return coco_vmm_error_errno(error, text->len < MAX_ANSWER ? errno : EMSGSIZE,
                                "measure: read the result");
}

bool
coco_launch_measure_finish(CocoLaunchMeasure *measure, gint64 deadline, json_object **out_values,
                           GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(json_object) line = NULL;
    CocoVmmError code = COCO_VMM_ERROR_FAILED;
    json_object *values;
    const char *message;

    *out_values = NULL;
    if (measure->fd < 0) {
        *out_values = json_object_get(measure->known);
        return true;
    }
    if (!read_answer(measure->fd, deadline, text, error))
        return false;
    line = json_tokener_parse(text->str);
    if (line == NULL)
        return coco_vmm_failed(error, "measure: the process that measures died");
    if (json_object_object_get_ex(line, "values", &values)) {
        *out_values = json_object_get(values);
        if (measure->key != NULL)
            coco_measure_cache_put(measure->store, measure->key, values);
        return true;
    }
    message = coco_json_string(line, "message");
    (void) coco_vmm_error_from_name(coco_json_string(line, "code"), &code);
    g_set_error(error, COCO_VMM_ERROR, code, "%s", message != NULL ? message : "measure: failed");
    return false;
}

void
coco_launch_measure_clear(CocoLaunchMeasure *measure)
{
    if (measure->pidfd >= 0)
        (void) pidfd_send_signal(measure->pidfd, SIGKILL, NULL, 0);
    coco_fd_clear(&measure->pidfd);
    coco_fd_clear(&measure->fd);
    g_clear_pointer(&measure->known, json_object_put);
    g_clear_pointer(&measure->key, g_free);
}
