// SPDX-License-Identifier: Apache-2.0
/*
 * Holds on to what a spec names, the root file system and the sources of bind mounts, between the
 * check and the runtime, which would look the path up again: each is opened below an allowed place,
 * and what was opened is mounted inside the bundle, which is what the spec then names. A link that
 * the host, or another container on a shared volume, puts there later leads nowhere.
 *
 * Ownership: the mounts are the bundle's; the spec is changed in place, its parts from malloc.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

#include "guest-protocol/proto/agent-pb.h"

/* base: where hosts may name things; besides, sources may be parts of the guest's /sys and /dev,
 * and of /proc what is no process. Kinds of mounts that could name others are refused. bundle: an
 * existing directory. False with INVALID_ARGUMENT or NOT_FOUND; what was mounted by then is taken
 * away by coco_pins_remove(). */
bool coco_pins_make(Grpc__Spec *spec, const char *base, const char *bundle, GError **error);

/* None is fine. */
void coco_pins_remove(const char *bundle);
