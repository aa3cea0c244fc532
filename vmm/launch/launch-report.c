// SPDX-License-Identifier: Apache-2.0
/*
 * JSON lines of a launch (launch-report.h).
 */
#include "vmm/launch/launch-report.h"

#include "vmm/config/vmm-error.h"

void
coco_launch_report_init(CocoLaunchReport *report, FILE *out)
{
    *report = (CocoLaunchReport){ .out = out, .phase_start = g_get_monotonic_time() };
}

json_object *
coco_launch_report_line(const char *event)
{
    json_object *line = json_object_new_object();

    coco_json_add_string(line, "event", event);
    return line;
}

void
coco_launch_report_write(CocoLaunchReport *report, json_object *line)
{
    const char *text = json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN |
                                                                JSON_C_TO_STRING_NOSLASHESCAPE);

    if (fprintf(report->out, "%s\n", text) < 0 || fflush(report->out) != 0)
        report->broken = true;
    json_object_put(line);
}

void
coco_launch_report_phase(CocoLaunchReport *report, const char *name)
{
    gint64 now = g_get_monotonic_time();
    json_object *line = coco_launch_report_line("phase");
    char ms[32];

    /* json-c prints doubles with 17 digits unless it is given the text. */
    (void) g_ascii_formatd(ms, sizeof ms, "%.1f", (double) (now - report->phase_start) / 1000.0);
    coco_json_add_string(line, "name", name);
    (void) json_object_object_add(
        line, "ms", json_object_new_double_s((double) (now - report->phase_start) / 1000.0, ms));
    coco_launch_report_write(report, line);
    report->phase_start = now;
}

void
coco_launch_report_failure(CocoLaunchReport *report, const GError *error)
{
    json_object *line = coco_launch_report_line("result");
    g_autofree char *message = g_strdup(error->message);
    bool ours = error->domain == COCO_VMM_ERROR;

    /* One line, whatever libvirt or QEMU said. */
    g_strchomp(g_strdelimit(message, "\r\n\t", ' '));
    (void) json_object_object_add(line, "ok", json_object_new_boolean(false));
    coco_json_add_string(
        line, "code",
        coco_vmm_error_name(ours ? (CocoVmmError) error->code : COCO_VMM_ERROR_FAILED));
    coco_json_add_string(line, "message", message);
    coco_launch_report_write(report, line);
}
