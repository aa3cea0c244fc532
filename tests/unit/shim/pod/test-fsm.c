// SPDX-License-Identifier: Apache-2.0
/*
 * All states times all events of the shim's state machines: the state that is none takes nothing,
 * the last state is final and can be reached from everywhere, all have names.
 */
#include "shim/host/fsm.h"

#include <limits.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <glib.h>

#include "shim/pod/process-fsm.h"
#include "shim/sandbox/sandbox-fsm.h"
#include "shim/vm/pod-vm-fsm.h"

static const struct {
    const CocoFsm *fsm;
    unsigned int last;
} machines[] = {
    { &coco_pod_vm_fsm, COCO_POD_VM_GONE },
    { &coco_process_fsm, COCO_PROCESS_STOPPED },
    { &coco_sandbox_fsm, COCO_SANDBOX_STOPPED },
};

static bool
reaches(const CocoFsm *fsm, unsigned int from, unsigned int goal, unsigned int steps)
{
    if (from == goal)
        return true;
    for (unsigned int event = 0; steps > 0 && event < fsm->n_events; event++) {
        unsigned int to = coco_fsm_next(fsm, from, event);

        if (to != COCO_FSM_REFUSED && reaches(fsm, to, goal, steps - 1))
            return true;
    }
    return false;
}

Test(fsm, refuses_what_is_out_of_range)
{
    for (size_t i = 0; i < G_N_ELEMENTS(machines); i++) {
        const CocoFsm *fsm = machines[i].fsm;

        for (unsigned int event = 0; event < fsm->n_events; event++) {
            cr_expect(eq(uint, coco_fsm_next(fsm, COCO_FSM_REFUSED, event), COCO_FSM_REFUSED));
            cr_expect(eq(uint, coco_fsm_next(fsm, fsm->n_states, event), COCO_FSM_REFUSED));
            cr_expect(eq(uint, coco_fsm_next(fsm, UINT_MAX, event), COCO_FSM_REFUSED));
        }
        for (unsigned int from = 0; from < fsm->n_states; from++) {
            cr_expect(eq(uint, coco_fsm_next(fsm, from, fsm->n_events), COCO_FSM_REFUSED));
            cr_expect(eq(uint, coco_fsm_next(fsm, from, UINT_MAX), COCO_FSM_REFUSED));
        }
    }
}

Test(fsm, leads_to_the_end_from_everywhere)
{
    for (size_t i = 0; i < G_N_ELEMENTS(machines); i++) {
        const CocoFsm *fsm = machines[i].fsm;

        cr_expect(eq(uint, machines[i].last, fsm->n_states - 1));
        for (unsigned int event = 0; event < fsm->n_events; event++)
            cr_expect(eq(uint, coco_fsm_next(fsm, machines[i].last, event), COCO_FSM_REFUSED));
        for (unsigned int from = 1; from < fsm->n_states; from++)
            cr_expect(reaches(fsm, from, machines[i].last, fsm->n_states),
                      "%s: state %u cannot reach the end", fsm->name, from);
    }
}

Test(fsm, every_state_and_event_has_a_name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(machines); i++) {
        const CocoFsm *fsm = machines[i].fsm;

        for (unsigned int state = 1; state < fsm->n_states; state++)
            cr_expect(ne(str, (char *) coco_fsm_state_name(fsm, state), "invalid"));
        for (unsigned int event = 0; event < fsm->n_events; event++)
            cr_expect(ne(str, (char *) coco_fsm_event_name(fsm, event), "invalid"));
        cr_expect(eq(str, (char *) coco_fsm_state_name(fsm, fsm->n_states), "invalid"));
        cr_expect(eq(str, (char *) coco_fsm_event_name(fsm, fsm->n_events), "invalid"));
    }
}

Test(fsm, step_is_next)
{
    cr_expect(eq(uint, coco_fsm_step(&coco_pod_vm_fsm, "a", COCO_POD_VM_NEW, COCO_POD_VM_EV_START),
                 COCO_POD_VM_LAUNCHING));
    cr_expect(eq(uint, coco_fsm_step(&coco_pod_vm_fsm, "a", COCO_POD_VM_GONE, COCO_POD_VM_EV_START),
                 COCO_FSM_REFUSED));
}

Test(fsm, exit_before_the_answer_to_start)
{
    const CocoFsm *fsm = &coco_process_fsm;

    cr_expect(eq(uint, coco_fsm_next(fsm, COCO_PROCESS_STARTING, COCO_PROCESS_EV_EXIT),
                 COCO_PROCESS_STOPPED));
    cr_expect(eq(uint, coco_fsm_next(fsm, COCO_PROCESS_STOPPED, COCO_PROCESS_EV_STARTED),
                 COCO_FSM_REFUSED));
    cr_expect(eq(uint, coco_fsm_next(fsm, COCO_PROCESS_RUNNING, COCO_PROCESS_EV_START),
                 COCO_FSM_REFUSED));
}
