// SPDX-License-Identifier: Apache-2.0
/*
 * Look-ups in a machine's tables.
 */
#include "shim/host/fsm.h"

#include <stddef.h>

#include <glib.h>

unsigned int
coco_fsm_next(const CocoFsm *fsm, unsigned int state, unsigned int event)
{
    if (state >= fsm->n_states || event >= fsm->n_events)
        return COCO_FSM_REFUSED;
    return fsm->next[(size_t) state * fsm->n_events + event];
}

unsigned int
coco_fsm_step(const CocoFsm *fsm, const char *id, unsigned int state, unsigned int event)
{
    unsigned int to = coco_fsm_next(fsm, state, event);

    if (to == COCO_FSM_REFUSED)
        g_debug("%s %s: %s refused in state %s", fsm->name, id, coco_fsm_event_name(fsm, event),
                coco_fsm_state_name(fsm, state));
    else
        g_debug("%s %s: %s --%s--> %s", fsm->name, id, coco_fsm_state_name(fsm, state),
                coco_fsm_event_name(fsm, event), coco_fsm_state_name(fsm, to));
    return to;
}

const char *
coco_fsm_state_name(const CocoFsm *fsm, unsigned int state)
{
    return state < fsm->n_states ? fsm->states[state] : "invalid";
}

const char *
coco_fsm_event_name(const CocoFsm *fsm, unsigned int event)
{
    return event < fsm->n_events ? fsm->events[event] : "invalid";
}
