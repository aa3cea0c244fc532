// SPDX-License-Identifier: Apache-2.0
/*
 * The protocol names its fields as Go does ("UIDMappings"), JSON as the OCI runtime specification
 * does
 * ("uidMappings"). One rule serves nearly all; the table holds the rest, and the fields that must
 * be written even when they are zero. Not for values: those are the business of oci-json.c.
 *
 * Source: opencontainers/runtime-spec, schema/ (the "required" lists) and config-linux.md.
 */
#include "guest-protocol/oci/oci-json-names.h"

#include <string.h>

#include <glib.h>

#include "guest-protocol/proto/oci.pb-c.h"

typedef struct {
    const ProtobufCMessageDescriptor *message;
    const char *field;
    const char *json; /* NULL: by the rule */
    CocoOciPresence presence;
} NameException;

/* clang-format off */
static const NameException exceptions[] = {
    { &grpc__spec__descriptor, "Version", "ociVersion", COCO_OCI_ALWAYS },
    { &grpc__spec__descriptor, "Mounts", NULL, COCO_OCI_ALWAYS }, /* crun 1.8 insists on it */
    { &grpc__spec__descriptor, "Solaris", NULL, COCO_OCI_NEVER },
    { &grpc__spec__descriptor, "Windows", NULL, COCO_OCI_NEVER },
    { &grpc__root__descriptor, "Path", NULL, COCO_OCI_ALWAYS },
    { &grpc__mount__descriptor, "destination", NULL, COCO_OCI_ALWAYS },
    { &grpc__hook__descriptor, "Path", NULL, COCO_OCI_ALWAYS },

    { &grpc__process__descriptor, "Args", NULL, COCO_OCI_ALWAYS },
    { &grpc__process__descriptor, "Cwd", NULL, COCO_OCI_ALWAYS },
    /* Absent means "as the parent", and the parent in the guest is an agent which the OOM killer spares. */
    { &grpc__process__descriptor, "OOMScoreAdj", NULL, COCO_OCI_ALWAYS },
    { &grpc__box__descriptor, "Height", NULL, COCO_OCI_ALWAYS },
    { &grpc__box__descriptor, "Width", NULL, COCO_OCI_ALWAYS },
    { &grpc__user__descriptor, "UID", NULL, COCO_OCI_ALWAYS },
    { &grpc__user__descriptor, "GID", NULL, COCO_OCI_ALWAYS },
    { &grpc__posixrlimit__descriptor, "Type", NULL, COCO_OCI_ALWAYS },
    { &grpc__posixrlimit__descriptor, "Hard", NULL, COCO_OCI_ALWAYS },
    { &grpc__posixrlimit__descriptor, "Soft", NULL, COCO_OCI_ALWAYS },

    { &grpc__linux_idmapping__descriptor, "HostID", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_idmapping__descriptor, "ContainerID", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_idmapping__descriptor, "Size", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_namespace__descriptor, "Type", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_device__descriptor, "Path", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_device__descriptor, "Type", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_device__descriptor, "Major", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_device__descriptor, "Minor", NULL, COCO_OCI_ALWAYS },

    { &grpc__linux_device_cgroup__descriptor, "Allow", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_device_cgroup__descriptor, "Major", NULL, COCO_OCI_WILDCARD },
    { &grpc__linux_device_cgroup__descriptor, "Minor", NULL, COCO_OCI_WILDCARD },
    { &grpc__linux_pids__descriptor, "Limit", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_weight_device__descriptor, "Major", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_weight_device__descriptor, "Minor", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_throttle_device__descriptor, "Major", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_throttle_device__descriptor, "Minor", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_throttle_device__descriptor, "Rate", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_hugepage_limit__descriptor, "Pagesize", "pageSize", COCO_OCI_ALWAYS },
    { &grpc__linux_hugepage_limit__descriptor, "Limit", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_interface_priority__descriptor, "Name", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_interface_priority__descriptor, "Priority", NULL, COCO_OCI_ALWAYS },

    { &grpc__linux_seccomp__descriptor, "DefaultAction", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_syscall__descriptor, "Names", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_syscall__descriptor, "Action", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_syscall__descriptor, "errnoret", "errnoRet", COCO_OCI_OMIT_ZERO },
    { &grpc__linux_seccomp_arg__descriptor, "Index", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_seccomp_arg__descriptor, "Value", NULL, COCO_OCI_ALWAYS },
    { &grpc__linux_seccomp_arg__descriptor, "Op", NULL, COCO_OCI_ALWAYS },
};
/* clang-format on */

/* Go to JSON: the first word becomes lower case. The last capital of a run starts the next word
 * ("OOMScoreAdj" -> "oomScoreAdj") unless the run ends the name or a digit follows ("CPU",
 * "L3CacheSchema"). */
static void
lower_first_word(const char *go, char out_name[COCO_OCI_NAME_SIZE])
{
    size_t run = 0;

    while (g_ascii_isupper(go[run]))
        run++;
    if (run > 1 && g_ascii_islower(go[run]))
        run--;
    g_strlcpy(out_name, go, COCO_OCI_NAME_SIZE);
    for (size_t i = 0; i < run && i < COCO_OCI_NAME_SIZE; i++)
        out_name[i] = g_ascii_tolower(out_name[i]);
}

CocoOciPresence
coco_oci_names_lookup(const ProtobufCMessageDescriptor *message,
                      const ProtobufCFieldDescriptor *field, char out_name[COCO_OCI_NAME_SIZE])
{
    const NameException *found = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(exceptions) && found == NULL; i++) {
        if (exceptions[i].message == message && strcmp(exceptions[i].field, field->name) == 0)
            found = &exceptions[i];
    }
    if (found != NULL && found->json != NULL)
        g_strlcpy(out_name, found->json, COCO_OCI_NAME_SIZE);
    else
        lower_first_word(field->name, out_name);
    return found != NULL ? found->presence : COCO_OCI_OMIT_ZERO;
}
