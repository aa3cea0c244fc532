// SPDX-License-Identifier: Apache-2.0
/*
 * Effects of the states of sev-attest.h, one function each.
 *
 * Not shown without hardware: virDomainGetLaunchSecurityInfo() gives a measurement and
 * virDomainSetLaunchSecurityState() takes a secret only for a real SEV guest. What goes into and
 * comes out of them is made and read by code that is tested with recorded values.
 */
#include "vmm/worker/sev-attest-libvirt.h"

#include <string.h>

#include "vmm/config/vmm-error.h"
#include "vmm/owner/attest-hook.h"
#include "vmm/owner/sev-attest.h"
#include "vmm/worker/libvirt-error.h"

typedef struct {
    virDomain *domain;
    const CocoSevAttestOptions *options;
    CocoSevAttestState state;
    char *question;
    CocoSevAnswer answer;
} Attest;

static void
attest_clear(Attest *attest)
{
    g_clear_pointer(&attest->question, g_free);
    coco_sev_answer_clear(&attest->answer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Attest, attest_clear)

static void
take_report(virTypedParameter *params, int n, CocoSevReport *out_report)
{
    (void) virTypedParamsGetString(params, n, VIR_DOMAIN_LAUNCH_SECURITY_SEV_MEASUREMENT,
                                   &out_report->measurement);
    (void) virTypedParamsGetUInt(params, n, VIR_DOMAIN_LAUNCH_SECURITY_SEV_API_MAJOR,
                                 &out_report->api_major);
    (void) virTypedParamsGetUInt(params, n, VIR_DOMAIN_LAUNCH_SECURITY_SEV_API_MINOR,
                                 &out_report->api_minor);
    (void) virTypedParamsGetUInt(params, n, VIR_DOMAIN_LAUNCH_SECURITY_SEV_BUILD_ID,
                                 &out_report->build_id);
    (void) virTypedParamsGetUInt(params, n, VIR_DOMAIN_LAUNCH_SECURITY_SEV_POLICY,
                                 &out_report->policy);
}

static bool
enter_paused(Attest *attest, CocoSevAttestEvent *out_event, GError **error)
{
    virTypedParameter *params = NULL;
    CocoSevReport report = { 0 };
    int n = 0;

    if (virDomainGetLaunchSecurityInfo(attest->domain, &params, &n, 0) < 0)
        return coco_libvirt_error(error, "read the measurement");
    take_report(params, n, &report);
    attest->question =
        coco_sev_attest_request(&report, attest->options->tee, attest->options->policy, error);
    virTypedParamsFree(params, n);
    *out_event = COCO_SEV_ATTEST_EV_REPORT;
    return attest->question != NULL;
}

static bool
enter_measured(Attest *attest, CocoSevAttestEvent *out_event, GError **error)
{
    const char *hook = attest->options->hook;
    GString *text = coco_attest_hook_ask(hook, attest->question, attest->options->timeout_s,
                                         COCO_SEV_MAX_ANSWER, error);
    bool accepted;

    if (text == NULL)
        return false;
    accepted = coco_sev_answer_parse(text->str, text->len, &attest->answer, error);
    (void) g_string_free(text, TRUE);
    if (!accepted) {
        g_prefix_error(error, "'%s': ", hook);
        return false;
    }
    *out_event =
        attest->answer.secret != NULL ? COCO_SEV_ATTEST_EV_SECRET : COCO_SEV_ATTEST_EV_ACCEPT;
    return true;
}

static bool
enter_injecting(Attest *attest, CocoSevAttestEvent *out_event, GError **error)
{
    const CocoSevAnswer *answer = &attest->answer;
    virTypedParameter *params = NULL;
    int room = 0;
    int n = 0;
    bool done;

    done = virTypedParamsAddString(&params, &n, &room, VIR_DOMAIN_LAUNCH_SECURITY_SEV_SECRET_HEADER,
                                   answer->header) == 0 &&
           virTypedParamsAddString(&params, &n, &room, VIR_DOMAIN_LAUNCH_SECURITY_SEV_SECRET,
                                   answer->secret) == 0 &&
           (!answer->has_address ||
            virTypedParamsAddULLong(&params, &n, &room,
                                    VIR_DOMAIN_LAUNCH_SECURITY_SEV_SECRET_SET_ADDRESS,
                                    answer->address) == 0) &&
           virDomainSetLaunchSecurityState(attest->domain, params, n, 0) == 0;
    virTypedParamsFree(params, n);
    *out_event = COCO_SEV_ATTEST_EV_INJECTED;
    return done || coco_libvirt_error(error, "inject the secret");
}

static bool
enter(Attest *attest, CocoSevAttestEvent *out_event, GError **error)
{
    switch (attest->state) {
    case COCO_SEV_ATTEST_PAUSED:
        return enter_paused(attest, out_event, error);
    case COCO_SEV_ATTEST_MEASURED:
        return enter_measured(attest, out_event, error);
    case COCO_SEV_ATTEST_INJECTING:
        return enter_injecting(attest, out_event, error);
    case COCO_SEV_ATTEST_INVALID:
    case COCO_SEV_ATTEST_CLEARED:
    case COCO_SEV_ATTEST_RUNNING:
    case COCO_SEV_ATTEST_REFUSED:
    case COCO_N_SEV_ATTEST_STATES:
        break;
    }
    return coco_vmm_failed(error, "nothing to do when %s",
                           coco_sev_attest_state_name(attest->state));
}

bool
coco_sev_attest_run(virDomain *domain, const CocoSevAttestOptions *options, GError **error)
{
    g_auto(Attest) attest = {
        .domain = domain,
        .options = options,
        .state = COCO_SEV_ATTEST_PAUSED,
    };

    while (attest.state != COCO_SEV_ATTEST_CLEARED) {
        CocoSevAttestEvent event = COCO_SEV_ATTEST_EV_FAILED;
        CocoSevAttestState from = attest.state;

        if (!enter(&attest, &event, error)) {
            g_prefix_error(error, "pre-attestation: ");
            return false;
        }
        if (!coco_sev_attest_next(from, event, &attest.state))
            return coco_vmm_failed(error, "pre-attestation: %s cannot be when %s",
                                   coco_sev_attest_event_name(event),
                                   coco_sev_attest_state_name(from));
        g_debug("pre-attestation: %s --%s--> %s", coco_sev_attest_state_name(from),
                coco_sev_attest_event_name(event), coco_sev_attest_state_name(attest.state));
    }
    return true;
}
