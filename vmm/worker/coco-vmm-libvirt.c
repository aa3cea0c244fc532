// SPDX-License-Identifier: Apache-2.0
/*
 * coco-vmm-libvirt: the only program that links libvirt. It starts the domain that coco-vmm wrote
 * to RUN/vm/domain.xml with the embedded driver, arms QEMU for a life without libvirt, lets the
 * guest run, and ends. Other jobs take such a VM over for a moment, to change its disks.
 *
 * Its job is one document on standard input (worker-job.h), which names the other descriptors.
 * It writes JSON lines on stdout: {"event":"phase"}…, then {"event":"started"} or
 * {"event":"failed"}. It sets no deadline and undoes nothing: coco-vmm watches it, kills it and
 * cleans up.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/vmm-error.h"
#include "vmm/launch/launch-report.h"
#include "vmm/launch/worker-job.h"
#include "vmm/tee/capability-cache.h"
#include "vmm/tee/launch-security.h"
#include "vmm/tee/dev-directory.h"
#include "vmm/tee/private-device.h"
#include "vmm/tee/qemu-root.h"
#include "vmm/tee/tee.h"
#include "vmm/worker/disk-libvirt.h"
#include "vmm/worker/hotplug-libvirt.h"
#include "vmm/worker/libvirt-error.h"
#include "vmm/worker/nic-libvirt.h"
#include "vmm/worker/qmp-libvirt.h"
#include "vmm/worker/resize-libvirt.h"
#include "vmm/worker/sev-attest-libvirt.h"
#include "vmm/worker/xml-query.h"

/*
 * libvirt runs QEMU with -no-shutdown and expects to end it itself. Nobody of libvirt will be
 * there, so QEMU must end by itself. It hears of a panic on s390x only, where that is part of the
 * machine; elsewhere the guest's kernel reboots (panic=-1), and the console has told.
 */
#define SET_ACTION                                                                                 \
    "{\"execute\":\"set-action\",\"arguments\":{\"reboot\":\"shutdown\","                          \
    "\"shutdown\":\"poweroff\",\"panic\":\"exit-failure\"}}"

/* AMD 55766, "Guest Policy". */
#define SEV_POLICY_ES 4u

typedef struct {
    char *run_dir;
    CocoWorkerOrder order;
    const CocoVmSpec *spec;      /* the order's */
    CocoLaunchSecurity expected; /* what its config asks for */
} Options;

/* QEMU's own word on what protects the guest. */
#define QOM_GET "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"%s\",\"property\":\"%s\"}}"

/* Mounts that only this process and what it starts see; mounts made later by others still arrive.
 */
static bool
enter_namespace(GError **error)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
        return coco_vmm_error_errno(error, errno, "make a mount namespace");
    return true;
}

static void
on_libvirt_error(void *data, virErrorPtr error)
{
    /* Errors are read after each call; libvirt's default prints them on stderr too. */
}

static const char *
config_string(const Options *options, CocoKey key)
{
    return coco_vm_config_string(options->spec->config, key);
}

static bool
is_start(const Options *options)
{
    return options->order.job.verb == COCO_JOB_START;
}

/* Where KVM is not used it is hidden (capability-cache.h). */
static bool
hides_kvm(const Options *options)
{
    return is_start(options) && options->spec->accel == COCO_ACCEL_TCG;
}

/* Of the TEE (private-device.h); or NULL. */
static const char *
private_device(const Options *options)
{
    return is_start(options) && options->spec->accel == COCO_ACCEL_KVM
               ? coco_tee_of(options->spec->config)->device
               : NULL;
}

static bool
has_nodes(const Options *options)
{
    return coco_disks_have_device(&options->spec->disks);
}

/* Who is not root cannot, and has no device that QEMU could open as root. */
static bool
has_namespace(const Options *options)
{
    return geteuid() == 0 || has_nodes(options) || hides_kvm(options) ||
           private_device(options) != NULL;
}

static bool
prepare_namespace(const Options *options, GError **error)
{
    const CocoVmDisks *disks = &options->spec->disks;
    const char *device = private_device(options);
    uid_t owner = (uid_t) options->order.job.qemu_uid;

    if (!has_namespace(options))
        return true;
    return enter_namespace(error) &&
           (device == NULL || coco_private_device_make(options->run_dir, device, owner, error)) &&
           coco_dev_directory_make(options->run_dir, device, !hides_kvm(options), error) &&
           (!has_nodes(options) || coco_disks_make_nodes(options->run_dir, disks, owner, error));
}

static virConnect *
connect_libvirt(const Options *options, GError **error)
{
    g_autofree char *escaped = g_uri_escape_string(options->run_dir, "/", FALSE);
    g_autofree char *embedded = g_strconcat("qemu:///embed?root=", escaped, "/vm", NULL);
    const char *given = config_string(options, COCO_KEY_HOST_URI);
    const char *uri = given[0] != '\0' ? given : embedded;
    g_autofree char *what = g_strdup_printf("connect to libvirt '%s'", uri);
    virConnect *connection;

    virSetErrorFunc(NULL, on_libvirt_error);
    /* The embedded driver refuses to open without one, though QEMU's events have their own thread.
     */
    if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
        return (void) coco_libvirt_error(error, what), NULL;
    connection = virConnectOpen(uri);
    if (connection == NULL)
        (void) coco_libvirt_error(error, what);
    return connection;
}

/* True for what libvirt writes into the log itself: dated notes and its record of the command line.
 */
static bool
is_libvirt_line(const char *line)
{
    return g_ascii_isdigit(line[0]) || line[0] == '-' || line[0] == '/' || line[0] == '\0' ||
           g_str_has_suffix(line, "\\") || strstr(line, "LC_ALL=C") != NULL;
}

/* The last line of a program's log that the program wrote, or NULL. */
static char *
log_tail(const Options *options, const char *name)
{
    g_autofree char *path = g_build_filename(options->run_dir, "vm/log/qemu", name, NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return NULL;
    lines = g_strsplit(text, "\n", -1);
    for (unsigned int i = g_strv_length(lines); i > 0; i--) {
        if (!is_libvirt_line(lines[i - 1]))
            return g_strdup(lines[i - 1]);
    }
    return NULL;
}

/* libvirt quotes the whole command line of a program that failed: 3 KiB in which the cause drowns.
 */
static void
shorten(GError *error)
{
    char *from = strstr(error->message, "Child process (");
    const char *to = from != NULL ? strstr(from, ") unexpected exit status") : NULL;
    g_autofree char *head = NULL;
    g_autofree char *whole = NULL;

    if (to == NULL)
        return;
    head = g_strndup(error->message, (size_t) (from - error->message));
    whole = g_steal_pointer(&error->message);
    error->message =
        g_strconcat(head, "a child process ended with", to + strlen(") unexpected"), NULL);
}

static void
add_log_tail(const Options *options, const char *name, GError **error)
{
    g_autofree char *tail = log_tail(options, name);
    g_autofree char *message = NULL;

    if (tail == NULL || strstr((*error)->message, tail) != NULL)
        return;
    message = g_steal_pointer(&(*error)->message);
    (*error)->message = g_strdup_printf("%s; %s: \"%s\"", message, name, tail);
}

static char *
machine_of(const char *xml)
{
    return coco_xml_query(xml, "string(/domain/os/type/@machine)");
}

/* To a machine type that QEMU does not have, libvirt answers with what it misses in it ("No PCI
 * buses available"). Asked for that machine it says what is wrong. */
static void
explain_machine(const Options *options, virConnect *connection, const char *xml, GError **error)
{
    g_autofree char *machine = machine_of(xml);
    g_autoptr(GError) cause = NULL;
    char *capabilities = NULL;

    if (machine == NULL || machine[0] == '\0')
        return;
    capabilities = virConnectGetDomainCapabilities(
        connection, config_string(options, COCO_KEY_HOST_QEMU), NULL, machine, NULL, 0);
    if (capabilities == NULL) {
        (void) coco_libvirt_error(&cause, "start domain");
        g_clear_error(error);
        g_propagate_error(error, g_steal_pointer(&cause));
    }
    free(capabilities);
}

/* Before anything is started: libvirt knows the TEE, and the domain asks for it. */
static bool
check_before(const Options *options, virConnect *connection, const char *xml, GError **error)
{
    g_autofree char *machine = NULL;
    char *capabilities;
    bool fine;

    if (!coco_launch_security_check_domain(&options->expected, "the domain XML", xml, error))
        return false;
    if (options->expected.type == NULL)
        return true;
    machine = machine_of(xml);
    capabilities = virConnectGetDomainCapabilities(
        connection, config_string(options, COCO_KEY_HOST_QEMU), NULL, machine, "kvm", 0);
    if (capabilities == NULL)
        return coco_libvirt_error(error, "check protection: ask libvirt for its capabilities");
    fine = coco_launch_security_check_capabilities(&options->expected, capabilities, error);
    free(capabilities);
    return fine;
}

static bool
check_info(const Options *options, virDomain *domain, GError **error)
{
    virTypedParameter *parameters = NULL;
    unsigned long long snp = 0;
    unsigned int sev = 0;
    bool has_snp;
    bool has_sev;
    int n = 0;

    if (virDomainGetLaunchSecurityInfo(domain, &parameters, &n, 0) < 0)
        return coco_libvirt_error(error, "check protection: ask for launch-security info");
    has_snp = virTypedParamsGetULLong(parameters, n, "sev-snp-policy", &snp) == 1;
    has_sev = virTypedParamsGetUInt(parameters, n, "sev-policy", &sev) == 1;
    virTypedParamsFree(parameters, n);
    return coco_launch_security_check_info(&options->expected, has_snp || has_sev,
                                           has_snp ? snp : sev, error);
}

/* NULL when QEMU cannot be asked. */
static char *
qom_get(virDomain *domain, const char *path, const char *property)
{
    g_autofree char *command = g_strdup_printf(QOM_GET, path, property);
    g_autofree char *copy = NULL;
    char *reply = NULL;

    if (virDomainQemuMonitorCommand(domain, command, &reply, 0) < 0)
        return NULL;
    copy = g_strdup(reply);
    free(reply);
    return g_steal_pointer(&copy);
}

/* The guest is there and paused: what libvirt and QEMU say they have made. */
static bool
check_started(const Options *options, virDomain *domain, GError **error)
{
    g_autofree char *support = NULL;
    g_autofree char *path = NULL;
    g_autofree char *type = NULL;
    char *xml;
    bool fine;

    if (options->expected.type == NULL)
        return true;
    xml = virDomainGetXMLDesc(domain, 0);
    if (xml == NULL)
        return coco_libvirt_error(error, "check protection: ask for the started domain");
    fine = coco_launch_security_check_domain(&options->expected, "the started domain", xml, error);
    free(xml);
    if (!fine || !check_info(options, domain, error))
        return false;
    support = qom_get(domain, "/machine", "confidential-guest-support");
    path = coco_launch_security_qom_string(support);
    type = path != NULL ? qom_get(domain, path, "type") : NULL;
    return coco_launch_security_check_qemu(&options->expected, support, type, error);
}

/* Descriptors are given to a domain that libvirt knows and that does not run yet. */
static bool
start_defined(const Options *options, virDomain *domain, GError **error)
{
    if (!coco_disks_associate(domain, &options->spec->disks, error))
        return false;
    return virDomainCreateWithFlags(domain, VIR_DOMAIN_START_PAUSED) == 0 ||
           coco_libvirt_error(error, "start domain");
}

static virDomain *
start_domain(const Options *options, virConnect *connection, const char *xml, GError **error)
{
    bool disks = options->spec->disks.n > 0;
    virDomain *domain = !disks ? virDomainCreateXML(connection, xml, VIR_DOMAIN_START_PAUSED)
                               : virDomainDefineXML(connection, xml);

    if (domain == NULL) {
        (void) coco_libvirt_error(error, "start domain");
    } else if (disks && !start_defined(options, domain, error)) {
        g_clear_pointer(&domain, coco_domain_unref);
    }
    if (domain == NULL) {
        explain_machine(options, connection, xml, error);
        shorten(*error);
        add_log_tail(options, "coco.log", error);
        add_log_tail(options, "coco-fs0-virtiofsd.log", error);
    }
    return domain;
}

/* A missing permission is not worth failing a pod for; it costs the next one a second. */
static void
publish_capabilities(const Options *options)
{
    g_autoptr(GError) ignored = NULL;

    (void) coco_capability_cache_publish(options->order.job.cache_dir, options->run_dir,
                                         config_string(options, COCO_KEY_HOST_QEMU), &ignored);
}

/* Asks whoever decides on the measurement of an SEV guest, which is still paused. */
static bool
attest(const Options *options, virDomain *domain, CocoLaunchReport *report, GError **error)
{
    const CocoVmConfig *config = options->spec->config;
    CocoSevAttestOptions attest_options = {
        .tee = (options->expected.policy & SEV_POLICY_ES) != 0 ? COCO_TEE_SEV_ES : COCO_TEE_SEV,
        .policy = (unsigned int) options->expected.policy,
        .hook = config_string(options, COCO_KEY_SEV_ATTEST),
        .timeout_s = coco_vm_config_number(config, COCO_KEY_SEV_ATTEST_TIMEOUT_S),
    };

    if (attest_options.hook[0] == '\0')
        return true;
    if (!coco_sev_attest_run(domain, &attest_options, error))
        return false;
    coco_launch_report_phase(report, "attest");
    return true;
}

static bool
attach_nics(const Options *options, virDomain *domain, CocoLaunchReport *report, GError **error)
{
    const CocoVmSpec *spec = options->spec;
    g_autoptr(CocoDevicePlan) plan = coco_device_plan_new(spec);

    if (spec->nics.n == 0)
        return true;
    if (!coco_nics_attach(domain, &spec->nics, plan, error))
        return false;
    coco_launch_report_phase(report, "network");
    return true;
}

/* All that needs the host is done: QEMU's start, and whoever was asked about it. */
static bool
confine(const Options *options, const char *xml, GError **error)
{
    g_autofree char *quotes =
        coco_xml_query(xml, "string(/domain/launchSecurity/quoteGenerationService/@path)");
    bool any = quotes != NULL && quotes[0] != '\0';

    return !has_namespace(options) ||
           coco_qemu_root_enter(options->run_dir, any ? quotes : NULL, error);
}

static bool
resume(virDomain *domain, GError **error)
{
    return coco_qmp_command(domain, "resume domain: set-action", SET_ACTION, -1, error) &&
           (virDomainResume(domain) == 0 || coco_libvirt_error(error, "resume domain"));
}

/* The context ID that libvirt chose, or 0. */
static unsigned int
vsock_cid(virDomain *domain)
{
    char *xml = virDomainGetXMLDesc(domain, 0);
    g_autofree char *text =
        xml != NULL ? coco_xml_query(xml, "string(/domain/devices/vsock/cid/@address)") : NULL;

    free(xml);
    return text != NULL ? (unsigned int) g_ascii_strtoull(text, NULL, 10) : 0;
}

static pid_t
read_pid(const Options *options, GError **error)
{
    g_autofree char *path = g_build_filename(options->run_dir, "vm/run/qemu/coco.pid", NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, error))
        return 0;
    return (pid_t) g_ascii_strtoll(text, NULL, 10);
}

static bool
run(const Options *options, CocoLaunchReport *report, GError **error)
{
    g_autofree char *path = g_build_filename(options->run_dir, "vm", "domain.xml", NULL);
    g_autofree char *xml = NULL;
    g_auto(CocoFd) cache_lock = -1;
    virConnect *connection;
    virDomain *domain;
    json_object *line;
    pid_t pid;

    if (!prepare_namespace(options, error))
        return false;
    if (!coco_capability_cache_seed(options->order.job.cache_dir, options->run_dir,
                                    config_string(options, COCO_KEY_HOST_QEMU), &cache_lock,
                                    error)) {
        g_prefix_error(error, "seed capability cache: ");
        return false;
    }
    connection = connect_libvirt(options, error);
    if (connection == NULL)
        return false;
    coco_launch_report_phase(report, "connect");
    if (!g_file_get_contents(path, &xml, NULL, error))
        return false;
    coco_launch_report_phase(report, "xml");
    if (!check_before(options, connection, xml, error))
        return false;
    domain = start_domain(options, connection, xml, error);
    publish_capabilities(options);
    coco_fd_clear(&cache_lock);
    if (domain == NULL)
        return false;
    coco_launch_report_phase(report, "start");
    pid = read_pid(options, error);
    if (pid == 0 || !check_started(options, domain, error) ||
        !attach_nics(options, domain, report, error) || !attest(options, domain, report, error) ||
        !confine(options, xml, error) || !resume(domain, error))
        return false;
    coco_launch_report_phase(report, "resume");
    line = coco_launch_report_line("started");
    coco_json_add_int(line, "pid", pid);
    coco_json_add_int(line, "cid", vsock_cid(domain));
    coco_launch_report_write(report, line);
    return true;
}

static virDomain *
find_domain(const Options *options, CocoLaunchReport *report, GError **error)
{
    virConnect *connection = connect_libvirt(options, error);
    virDomain *domain = connection != NULL ? virDomainLookupByName(connection, "coco") : NULL;

    if (connection != NULL && domain == NULL)
        (void) coco_libvirt_error(error, "find the VM");
    if (domain != NULL)
        coco_launch_report_phase(report, "connect");
    return domain;
}

/* Slots of a VM that runs, which this process takes over from the one that started it. */
static bool
change_devices(const Options *options, CocoLaunchReport *report, GError **error)
{
    const CocoWorkerJob *job = &options->order.job;
    const char *run_dir = options->run_dir;
    bool attach = job->verb == COCO_JOB_ATTACH;
    g_autoptr(virDomain) domain = find_domain(options, report, error);

    if (domain == NULL && attach)
        coco_hotplug_free_slots(run_dir, job->slots, job->n_slots);
    if (domain == NULL ||
        !(attach ? coco_hotplug_attach(domain, run_dir, job, error)
                 : coco_hotplug_detach(domain, run_dir, job->slots, job->n_slots, error)))
        return false;
    coco_launch_report_phase(report, attach ? "attach" : "detach");
    coco_launch_report_write(report, coco_launch_report_line("started"));
    return true;
}

/* A VM that runs, which this process takes over from the one that started it. */
static bool
resize(const Options *options, CocoLaunchReport *report, GError **error)
{
    g_autoptr(virDomain) domain = find_domain(options, report, error);

    if (domain == NULL || !coco_resize(domain, &options->order.job, error))
        return false;
    coco_launch_report_phase(report, "resize");
    coco_launch_report_write(report, coco_launch_report_line("started"));
    return true;
}

static bool
do_job(const Options *options, CocoLaunchReport *report, GError **error)
{
    switch (options->order.job.verb) {
    case COCO_JOB_START:
        return run(options, report, error);
    case COCO_JOB_ATTACH:
    case COCO_JOB_DETACH:
        return change_devices(options, report, error);
    case COCO_JOB_RESIZE:
        return resize(options, report, error);
    case COCO_N_JOB_VERBS:
        break;
    }
    return coco_vmm_error_errno(error, ENOSYS, "do the job");
}

static void
tell_failure(CocoLaunchReport *report, const GError *error)
{
    bool ours = error->domain == COCO_VMM_ERROR;
    json_object *line = coco_launch_report_line("failed");

    coco_json_add_string(
        line, "code",
        coco_vmm_error_name(ours ? (CocoVmmError) error->code : COCO_VMM_ERROR_FAILED));
    coco_json_add_string(line, "message", error->message);
    coco_launch_report_write(report, line);
}

/* Read by tee-host.c. */
static int
tell_version(void)
{
    unsigned long version = 0;

    if (virGetVersion(&version, NULL, NULL) < 0)
        return 1;
    return printf("coco-vmm-libvirt %s, libvirt version %lu.%lu.%lu\n", COCO_VERSION,
                  version / 1000000, version / 1000 % 1000, version % 1000) > 0
               ? 0
               : 1;
}

static bool
read_order(Options *options, GError **error)
{
    if (!coco_worker_order_read(STDIN_FILENO, &options->order, error))
        return false;
    options->spec = options->order.job.spec;
    coco_launch_security_of(options->spec->config, &options->expected);
    return true;
}

int
main(int argc, char **argv)
{
    Options options = { 0 };
    const GOptionEntry entries[] = {
        { "run-dir", 0, 0, G_OPTION_ARG_FILENAME, &options.run_dir, "run directory", "DIR" },
        { 0 },
    };
    g_autoptr(GOptionContext) context = g_option_context_new("< JOB (started by coco-vmm)");
    g_autoptr(GError) error = NULL;
    CocoLaunchReport report;
    bool done;

    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return tell_version();
    coco_launch_report_init(&report, stdout);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || options.run_dir == NULL) {
        (void) fprintf(stderr, "coco-vmm-libvirt: %s\n",
                       error != NULL ? error->message : "--run-dir is missing");
        return 2;
    }
    g_clear_pointer(&context, g_option_context_free); /* no scope ends here, see below */
    done = read_order(&options, &error) && do_job(&options, &report, &error);
    if (!done)
        tell_failure(&report, error);
    /* Without exit handlers and without closing the connection: both only take time, and QEMU stays
     * anyway. */
    _exit(done ? 0 : 1);
}
