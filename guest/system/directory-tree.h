// SPDX-License-Identifier: Apache-2.0
/*
 * Removes a directory with all that is in it.
 *
 * Ownership: nothing to own.
 * Thread: any; it blocks for as long as the file system takes, so only for our own small trees in
 * memory.
 */
#pragma once

/* Stays on one file system and follows no link. What cannot be removed is left; nothing there is
 * fine. */
void coco_directory_tree_remove(const char *path);
