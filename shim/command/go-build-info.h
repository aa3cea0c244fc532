// SPDX-License-Identifier: Apache-2.0
/*
 * What a Go program was built of. containerd 1.7 and 2.0 to 2.2 call `start` with the same command
 * line, environment and input, and take different answers; what tells them apart is the program
 * that runs us, and Go writes into each program of which modules it is.
 *
 * Source: Go, src/debug/buildinfo/buildinfo.go (Go 1.18 and later).
 * Ownership: nothing to own.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

/* program: path of an ELF file of this machine's kind. Whether it is, or contains, that module
 * ("github.com/containerd/containerd/v2"). False when that cannot be told. */
bool coco_go_build_info_has(const char *program, const char *module);
