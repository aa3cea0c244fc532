// SPDX-License-Identifier: Apache-2.0
/*
 * What containerd allows as the name of a container, an exec or a namespace. Such a name can be a
 * file's: it has no slash and is neither "." nor "..".
 *
 * Ownership: borrows.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

/* Identifiers of containers, execs and namespaces: ^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$, 1 to 76
 * characters. Source: containerd pkg/identifiers. */
bool coco_identifier_is_valid(const char *identifier);
