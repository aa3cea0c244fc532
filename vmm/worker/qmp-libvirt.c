// SPDX-License-Identifier: Apache-2.0
/*
 * Asks and reads the answer (qmp-libvirt.h).
 */
#include "vmm/worker/qmp-libvirt.h"

#include <stdlib.h>

#include <json-c/json.h>
#include <libvirt/libvirt-qemu.h>

#include "vmm/config/json.h"
#include "vmm/config/vmm-error.h"
#include "vmm/worker/libvirt-error.h"

static bool
check_reply(const char *what, const char *reply, GError **error)
{
    g_autoptr(json_object) object = json_tokener_parse(reply);
    json_object *failure = NULL;
    const char *description = NULL;

    if (json_object_is_type(object, json_type_object) &&
        !json_object_object_get_ex(object, "error", &failure))
        return true;
    if (json_object_is_type(failure, json_type_object))
        description = coco_json_string(failure, "desc");
    return coco_vmm_failed(error, "%s: QEMU: %s", what, description != NULL ? description : reply);
}

bool
coco_qmp_command(virDomain *domain, const char *what, const char *text, int fd, GError **error)
{
    g_autofree char *copy = NULL;
    char *reply = NULL;
    int done =
        fd < 0 ? virDomainQemuMonitorCommand(domain, text, &reply, 0)
               : virDomainQemuMonitorCommandWithFiles(domain, text, 1, &fd, NULL, NULL, &reply, 0);

    if (done < 0)
        return coco_libvirt_error(error, what);
    copy = g_strdup(reply);
    free(reply);
    return check_reply(what, copy, error);
}
