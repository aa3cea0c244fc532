// SPDX-License-Identifier: Apache-2.0
/*
 * What a pod may say of its VM, by Kata's annotations, and what the operator lets it say.
 *
 *     io.katacontainers.config.hypervisor.default_vcpus = 2
 *
 *     [annotations]
 *     allow = default_vcpus=1-8; default_memory=256-4096; kernel_params=quiet;
 * kernel_params=loglevel=?
 *
 * An entry of allow is NAME=VALUES, several of a name add up. VALUES is LOW-HIGH or one number
 * where the key is a number, and a shell pattern elsewhere: of the whole value, and of each word of
 * kernel_params. A path has to be written without detours, and no "*" stands for a "/". What is not
 * allowed, or is no annotation that coco-runtime has, is an error: a VM that is not what its pod
 * asks for is started by nobody.
 *
 * Source: Kata Containers, docs/how-to/how-to-set-sandbox-config-kata.md (names, units).
 * Ownership: nothing is kept.
 * Thread: one.
 */
#pragma once

#include "vmm/config/config.h"

#define COCO_VM_ANNOTATIONS_MAX (64 * 1024)

/* FALSE with BAD_CONFIG where allow itself is not in this form: part of loading a config. */
bool coco_vm_annotations_check_allow(const CocoVmConfig *config, GError **error);

/* text: a JSON object, full names and values. Sets the keys of config that they mean, before the
 * defaults of a TEE are in it. FALSE with BAD_CONFIG, which names the annotation. */
bool coco_vm_annotations_apply(CocoVmConfig *config, const char *text, GError **error);

/* The same from a file; none is as an empty object. file: nullable. */
bool coco_vm_annotations_load(CocoVmConfig *config, const char *file, GError **error);
