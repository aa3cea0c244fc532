// SPDX-License-Identifier: Apache-2.0
/*
 * The requirements that several TEEs share, and what is made of the findings (tee-probe.h).
 */
#include "vmm/tee/tee-probe.h"

#include <string.h>
#include <unistd.h>

#include "vmm/config/vmm-error.h"

#define CPU_MAP "/usr/share/libvirt/cpu_map"
#define DOMAIN_SCHEMA "/usr/share/libvirt/schemas/domaincommon.rng"

static void
finding_free(void *data)
{
    CocoFinding *finding = data;

    g_free(finding->what);
    g_free(finding->found);
    g_free(finding->fix);
    g_free(finding);
}

CocoFindings *
coco_findings_new(void)
{
    return g_ptr_array_new_with_free_func(finding_free);
}

void
coco_findings_add(CocoFindings *findings, bool ok, const char *what, const char *fix,
                  const char *format, ...)
{
    CocoFinding *finding = g_new0(CocoFinding, 1);
    va_list args;

    va_start(args, format);
    finding->found = g_strdup_vprintf(format, args);
    va_end(args);
    finding->ok = ok;
    finding->what = g_strdup(what);
    finding->fix = ok ? NULL : g_strdup(fix);
    g_ptr_array_add(findings, finding);
}

static const char *
tee_name(const struct CocoTeeOps *ops)
{
    return coco_vm_config_choice_name(COCO_KEY_VM_TEE, (int) ops->tee);
}

typedef struct {
    const char *what;
    unsigned int needed; /* 0: no release can do it */
    unsigned int found;
    const char *problem; /* why found is 0 */
    const char *mark;    /* what was seen, and only a program that can do it has; NULL: nothing */
} Version;

/* Distributions back-port: a version says what to expect, and what is seen is there. */
static void
probe_version(const struct CocoTeeOps *ops, const Version *version, CocoFindings *findings)
{
    g_autofree char *need = coco_version_text(version->needed);
    g_autofree char *here = version->found != 0 ? coco_version_text(version->found)
                                                : g_strdup_printf("none (%s)", version->problem);
    g_autofree char *fix =
        version->needed != 0
            ? g_strdup_printf("install %s %s or newer", version->what, need)
            : g_strdup_printf("wait for a release of %s that can do it", version->what);

    if (version->needed == 0)
        coco_findings_add(findings, false, version->what, fix,
                          "no release supports tee = %s, %s is here", tee_name(ops), here);
    else if (version->found != 0 && version->found < version->needed && version->mark != NULL)
        coco_findings_add(findings, true, version->what, NULL, "%s is here, with %s of %s", here,
                          version->mark, need);
    else
        coco_findings_add(findings, version->found >= version->needed, version->what, fix,
                          "%s or newer is needed, %s is here", need, here);
}

static bool
has_object(const struct CocoTeeOps *ops, const CocoTeeHost *host)
{
    return ops->qemu_object != NULL && strstr(host->qemu_objects, ops->qemu_object) != NULL;
}

/* What the schema of the installed libvirt has, libvirt reads. */
static bool
has_security_type(const struct CocoTeeOps *ops, const CocoTeeHost *host)
{
    g_autofree char *value = g_strdup_printf("<value>%s</value>", ops->sec_type);
    g_autofree char *schema = coco_tee_host_file(host, DOMAIN_SCHEMA);

    return ops->sec_type != NULL && schema != NULL && strstr(schema, value) != NULL;
}

static bool
has_kernel_mark(const struct CocoTeeOps *ops, const CocoTeeHost *host)
{
    g_autofree char *path =
        ops->kernel_mark != NULL ? g_strconcat(host->root, ops->kernel_mark, NULL) : NULL;

    return path != NULL && access(path, F_OK) == 0;
}

void
coco_tee_probe_versions(const struct CocoTeeOps *ops, const CocoTeeHost *host,
                        CocoFindings *findings)
{
    const Version versions[] = {
        { "libvirt", ops->min_libvirt, host->libvirt, host->libvirt_problem,
          has_security_type(ops, host) ? ops->sec_type : NULL },
        { "QEMU", ops->min_qemu, host->qemu, host->qemu_problem,
          ops->object_is_new && has_object(ops, host) ? ops->qemu_object : NULL },
        { "Linux", ops->min_kernel, host->kernel, NULL,
          has_kernel_mark(ops, host) ? ops->kernel_mark : NULL },
    };
    bool kernel_counts = ops->min_kernel != 0 && host->kernel != 0;

    for (size_t i = 0; i < G_N_ELEMENTS(versions) - !kernel_counts; i++)
        probe_version(ops, &versions[i], findings);
}

/* A distribution can build a QEMU of the right version without the object. */
static void
probe_object(const struct CocoTeeOps *ops, const CocoTeeHost *host, CocoFindings *findings)
{
    bool there = has_object(ops, host);

    if (ops->qemu_object == NULL || (host->qemu < ops->min_qemu && !there))
        return;
    coco_findings_add(findings, there, "QEMU object", "install a QEMU that was built with it",
                      "%s is %s", ops->qemu_object, there ? "there" : "not in this build of QEMU");
}

static void
probe_arch(const struct CocoTeeOps *ops, const CocoTeeHost *host, CocoFindings *findings)
{
    if (ops->arch == NULL)
        return;
    coco_findings_add(findings, strcmp(ops->arch, host->arch) == 0, "architecture",
                      "use a machine of that architecture", "%s is needed, this is %s", ops->arch,
                      host->arch);
}

void
coco_tee_probe(const struct CocoTeeOps *ops, const CocoTeeHost *host, CocoFindings *findings)
{
    coco_tee_probe_versions(ops, host, findings);
    probe_object(ops, host, findings);
    probe_arch(ops, host, findings);
    if (ops->probe != NULL && g_strcmp0(ops->arch, host->arch) == 0)
        ops->probe(host, findings);
}

/* libvirt starts no VM with a model that is not in its own list, whatever QEMU knows. */
static void
probe_cpu_model(const CocoVmConfig *config, const CocoTeeHost *host, CocoFindings *findings)
{
    const char *model = coco_vm_config_string(config, COCO_KEY_VM_CPU);
    g_autofree char *list = g_strconcat(host->root, CPU_MAP, NULL);
    g_autofree char *file = g_strdup_printf("%s/x86_%s.xml", list, model);
    bool known = access(file, F_OK) == 0;

    if (model[0] == '\0' || access(list, F_OK) < 0)
        return;
    coco_findings_add(findings, known, "CPU model",
                      "set [vm] cpu to a model in " CPU_MAP ", or install libvirt 11.0.0 or newer, "
                      "which knows models with a version",
                      "libvirt %s '%s'", known ? "knows" : "does not know", model);
}

void
coco_probe_config(const CocoVmConfig *config, const CocoTeeHost *host, CocoFindings *findings)
{
    probe_cpu_model(config, host, findings);
    if (coco_vm_config_is_set(config, COCO_KEY_SGX_EPC_MIB))
        coco_probe_device(host, "/dev/sgx_vepc",
                          "use a CPU with SGX, enable it in the BIOS, and let the QEMU user open "
                          "the device; or leave [sgx] epc_mib empty",
                          findings);
}

bool
coco_findings_check(const struct CocoTeeOps *ops, const CocoFindings *findings, GError **error)
{
    g_autoptr(GString) missing = g_string_new(NULL);

    for (unsigned int i = 0; i < findings->len; i++) {
        const CocoFinding *finding = g_ptr_array_index(findings, i);

        if (!finding->ok)
            g_string_append_printf(missing, "%s%s: %s", missing->len > 0 ? "; " : "", finding->what,
                                   finding->found);
    }
    if (missing->len == 0)
        return true;
    g_set_error(error, COCO_VMM_ERROR, COCO_VMM_ERROR_NO_TEE,
                "tee = %s cannot run on this host: %s", tee_name(ops), missing->str);
    return false;
}

bool
coco_tee_check_host(const CocoVmConfig *config, GError **error)
{
    const struct CocoTeeOps *ops = coco_tee_of(config);
    g_autoptr(GPtrArray) findings = coco_findings_new();
    g_auto(CocoTeeHost) host = { 0 };

    /* An ordinary VM asks nothing of a host that host-choice.c does not look at, but for SGX. */
    if (ops->tee == COCO_TEE_NONE && !coco_vm_config_is_set(config, COCO_KEY_SGX_EPC_MIB))
        return true;
    coco_tee_host_read(coco_vm_config_string(config, COCO_KEY_HOST_QEMU), &host);
    coco_tee_probe(ops, &host, findings);
    coco_probe_config(config, &host, findings);
    return coco_findings_check(ops, findings, error);
}

void
coco_probe_parameter(const CocoTeeHost *host, const char *module, const char *name,
                     CocoFindings *findings)
{
    g_autofree char *what = g_strdup_printf("%s.%s", module, name);
    g_autofree char *path = g_strdup_printf("/sys/module/%s/parameters/%s", module, name);
    g_autofree char *value = coco_tee_host_file(host, path);
    g_autofree char *fix = g_strdup_printf("load %s with %s=1 (modprobe.d, or %s=1 on the kernel "
                                           "command line), and enable it in the BIOS",
                                           module, name, what);
    bool on = g_strcmp0(value, "Y") == 0 || g_strcmp0(value, "1") == 0;

    if (value == NULL)
        coco_findings_add(findings, false, what, fix, "'%s' is not there", path);
    else
        coco_findings_add(findings, on, what, fix, "'%s' is needed, it is '%s'", "Y", value);
}

void
coco_probe_device(const CocoTeeHost *host, const char *path, const char *fix,
                  CocoFindings *findings)
{
    g_autofree char *problem = NULL;
    bool opens = coco_tee_host_opens(host, path, &problem);

    coco_findings_add(findings, opens, path, fix, "%s", opens ? "opens" : problem);
}

void
coco_probe_cpu_flag(const CocoTeeHost *host, const char *flag, const char *fix,
                    CocoFindings *findings)
{
    g_autofree char *word = g_strdup_printf(" %s ", flag);
    bool there = strstr(host->cpu_flags, word) != NULL;

    coco_findings_add(findings, there, "CPU", fix, "%s is %s", flag, there ? "there" : "missing");
}

/* The number behind "name " at the beginning of a line, or -1. */
static gint64
find_number(const char *text, const char *name)
{
    g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "\n", -1);
    size_t length = strlen(name);

    for (size_t i = 0; lines[i] != NULL; i++) {
        if (strncmp(lines[i], name, length) == 0 && lines[i][length] == ' ')
            return g_ascii_strtoll(lines[i] + length + 1, NULL, 10);
    }
    return -1;
}

void
coco_probe_slots(const CocoTeeHost *host, const char *name, CocoFindings *findings)
{
    g_autofree char *capacity = coco_tee_host_file(host, "/sys/fs/cgroup/misc.capacity");
    g_autofree char *current = coco_tee_host_file(host, "/sys/fs/cgroup/misc.current");
    g_autofree char *what = g_strdup_printf("%s ASIDs", name);
    gint64 all = find_number(capacity, name);
    gint64 used = MAX(find_number(current, name), 0);

    if (all >= 0)
        coco_findings_add(findings, all > used, what,
                          "end another such VM, or give this kind more in the BIOS (SEV-ES ASID "
                          "space limit)",
                          "%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " are free",
                          MAX(all - used, 0), all);
}

void
coco_tee_probe_amd(const CocoTeeHost *host, const char *flag, const char *slots,
                   CocoFindings *findings)
{
    coco_probe_device(host, "/dev/kvm", "load kvm_amd, and let the QEMU user open it", findings);
    coco_probe_cpu_flag(host, flag, "use an AMD EPYC that has it and enable it in the BIOS",
                        findings);
    coco_probe_parameter(host, "kvm_amd", flag, findings);
    coco_probe_device(host, "/dev/sev", "load ccp", findings);
    coco_probe_slots(host, slots, findings);
}
