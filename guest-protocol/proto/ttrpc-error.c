// SPDX-License-Identifier: Apache-2.0
/*
 * The error domain of ttrpc-error.h.
 */
#include "guest-protocol/proto/ttrpc-error.h"

G_DEFINE_QUARK(coco - ttrpc - error - quark, coco_ttrpc_error)
