// SPDX-License-Identifier: Apache-2.0
/*
 * The seam between the table of keys (config.c) and the reader of files (config-load.c).
 *
 * Ownership: see config.h.
 * Thread: a config is filled by one thread before anyone else sees it.
 */
#pragma once

#include "vmm/config/config.h"

typedef enum {
    COCO_KIND_STRING,
    COCO_KIND_WORD, /* a string of [A-Za-z0-9._+,:=-] */
    COCO_KIND_PATH,
    COCO_KIND_OPTIONAL_PATH,
    COCO_KIND_NUMBER,
    COCO_KIND_BOOL, /* true or false */
    COCO_KIND_FLAG, /* yes or no: what a policy allows or demands */
    COCO_KIND_CHOICE,
    COCO_KIND_MASK,  /* 64 bits, such as 0x30000, or empty */
    COCO_KIND_BYTES, /* max bytes, in hex or base64, or empty */
    COCO_KIND_HOOK,  /* an absolute path, an http(s) URL, or empty */
} CocoKeyKind;

typedef struct {
    const char *group;
    const char *name;
    const char *preset; /* NULL: required */
    CocoKeyKind kind;
    unsigned int min;
    unsigned int max;
    const char *const *choices;
} CocoKeyInfo;

/* The table (transfer none). */
const CocoKeyInfo *coco_config_key_info(CocoKey key);

/* A config with every default in place (transfer full); name is the file, for messages. */
CocoVmConfig *coco_vm_config_new(const char *name);

/* Checks and stores; the error says what is wrong with the value and nothing of where it came from.
 */
bool coco_vm_config_set(CocoVmConfig *config, CocoKey key, const char *value, GError **error);

/* Notes where the key was given, such as "config '/x' line 3" (transfer full). */
void coco_vm_config_take_place(CocoVmConfig *config, CocoKey key, char *place);

/* True when the key was set or has a default. */
bool coco_vm_config_has(const CocoVmConfig *config, CocoKey key);

/* Looks a key up; with name NULL only says whether the group exists. */
bool coco_vm_config_find_key(const char *group, const char *name, CocoKey *out_key);
