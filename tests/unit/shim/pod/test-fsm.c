// SPDX-License-Identifier: Apache-2.0
/*
 * All states times all events of the shim's state machines: refused events change nothing, the
 * last state is final and can be reached from everywhere.
 */
#include "shim/pod/process-fsm.h"
#include "shim/sandbox/sandbox-fsm.h"
#include "shim/vm/pod-vm-fsm.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

typedef bool (*NextFunc)(unsigned int from, unsigned int event, unsigned int *out_to);

static bool
next_vm(unsigned int from, unsigned int event, unsigned int *out_to)
{
    CocoPodVmState to = COCO_N_POD_VM_STATES;
    bool taken = coco_pod_vm_fsm_next((CocoPodVmState) from, (CocoPodVmEvent) event, &to);

    cr_expect(taken || to == COCO_N_POD_VM_STATES, "a refused event must not write");
    *out_to = to;
    return taken;
}

static bool
next_process(unsigned int from, unsigned int event, unsigned int *out_to)
{
    CocoProcessState to = COCO_N_PROCESS_STATES;
    bool taken = coco_process_fsm_next((CocoProcessState) from, (CocoProcessEvent) event, &to);

    cr_expect(taken || to == COCO_N_PROCESS_STATES, "a refused event must not write");
    *out_to = to;
    return taken;
}

static bool
next_sandbox(unsigned int from, unsigned int event, unsigned int *out_to)
{
    CocoSandboxState to = COCO_N_SANDBOX_STATES;
    bool taken = coco_sandbox_fsm_next((CocoSandboxState) from, (CocoSandboxEvent) event, &to);

    cr_expect(taken || to == COCO_N_SANDBOX_STATES, "a refused event must not write");
    *out_to = to;
    return taken;
}

static bool
reaches(NextFunc next, unsigned int from, unsigned int goal, unsigned int n_events,
        unsigned int steps)
{
    if (from == goal)
        return true;
    for (unsigned int event = 0; steps > 0 && event < n_events; event++) {
        unsigned int to;

        if (next(from, event, &to) && reaches(next, to, goal, n_events, steps - 1))
            return true;
    }
    return false;
}

static void
check(NextFunc next, unsigned int n_states, unsigned int n_events, unsigned int last)
{
    unsigned int to;

    for (unsigned int event = 0; event < n_events; event++) {
        cr_expect(not(next(0, event, &to)), "the invalid state takes nothing");
        cr_expect(not(next(last, event, &to)), "the last state is final");
        cr_expect(not(next(n_states, event, &to)), "a state out of range takes nothing");
    }
    for (unsigned int from = 1; from < n_states; from++) {
        cr_expect(not(next(from, n_events, &to)));
        cr_expect(reaches(next, from, last, n_events, n_states), "state %u cannot reach the end",
                  from);
    }
}

Test(fsm, pod_vm)
{
    check(next_vm, COCO_N_POD_VM_STATES, COCO_N_POD_VM_EVENTS, COCO_POD_VM_GONE);
}

Test(fsm, process)
{
    check(next_process, COCO_N_PROCESS_STATES, COCO_N_PROCESS_EVENTS, COCO_PROCESS_STOPPED);
}

Test(fsm, sandbox)
{
    check(next_sandbox, COCO_N_SANDBOX_STATES, COCO_N_SANDBOX_EVENTS, COCO_SANDBOX_STOPPED);
}

Test(fsm, exit_before_the_answer_to_start)
{
    CocoProcessState to;

    cr_assert(coco_process_fsm_next(COCO_PROCESS_STARTING, COCO_PROCESS_EV_EXIT, &to));
    cr_expect(eq(int, to, COCO_PROCESS_STOPPED));
    cr_expect(not(coco_process_fsm_next(COCO_PROCESS_STOPPED, COCO_PROCESS_EV_STARTED, &to)));
    cr_expect(not(coco_process_fsm_next(COCO_PROCESS_RUNNING, COCO_PROCESS_EV_START, &to)));
}

Test(fsm, every_state_and_event_has_a_name)
{
    for (unsigned int i = 0; i < COCO_N_POD_VM_STATES; i++)
        cr_expect(coco_pod_vm_state_name((CocoPodVmState) i) != NULL);
    for (unsigned int i = 0; i < COCO_N_POD_VM_EVENTS; i++)
        cr_expect(coco_pod_vm_event_name((CocoPodVmEvent) i) != NULL);
    for (unsigned int i = 0; i < COCO_N_PROCESS_STATES; i++)
        cr_expect(coco_process_state_name((CocoProcessState) i) != NULL);
    for (unsigned int i = 0; i < COCO_N_PROCESS_EVENTS; i++)
        cr_expect(coco_process_event_name((CocoProcessEvent) i) != NULL);
    for (unsigned int i = 0; i < COCO_N_SANDBOX_STATES; i++)
        cr_expect(coco_sandbox_state_name((CocoSandboxState) i) != NULL);
    for (unsigned int i = 0; i < COCO_N_SANDBOX_EVENTS; i++)
        cr_expect(coco_sandbox_event_name((CocoSandboxEvent) i) != NULL);
}
