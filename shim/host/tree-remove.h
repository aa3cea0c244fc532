// SPDX-License-Identifier: Apache-2.0
/*
 * The end of a directory that may have anything in it: mounts, links, directories nested as deep as
 * a guest liked.
 *
 * Ownership: paths are borrowed.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

/* Unmounts what this mount namespace shows below path, then removes path by descriptors: no link is
 * followed, no mount entered, and neither depth nor length of a path matters. False with errno
 * (EBUSY: something stays mounted). Gone already is success. */
bool coco_tree_remove(const char *path);
