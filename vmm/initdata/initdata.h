// SPDX-License-Identifier: Apache-2.0
/*
 * Initdata: what a workload's owner gives to the guest and binds to its evidence. A TOML text
 * (version, algorithm, table [data] of named files) whose digest goes into HOST_DATA or MRCONFIGID
 * and which the guest finds, unencrypted, on a read-only disk.
 *
 *   annotation   base64 (standard alphabet, line breaks do not count) of gzip of the text
 *   digest       of the plain bytes of the text, by its own algorithm
 *   disk         "initdata", u64 little-endian length of gzip, gzip, zeros up to a whole sector
 *
 * Facts: CoCo's initdata specification and Kata src/libs/kata-types/src/initdata.rs. The text is
 * hostile to the host: every size has a limit, and one gzip member is all there may be, since
 * readers differ on what follows it.
 *
 * Ownership: an initdata owns its bytes; getters lend them for its life.
 * Thread: immutable once made, so any.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

#define COCO_INITDATA_MAX_TOML (4u << 20)
#define COCO_INITDATA_MAX_GZIP (1u << 20)
#define COCO_INITDATA_MAX_ANNOTATION (COCO_INITDATA_MAX_GZIP / 2 * 3)
#define COCO_INITDATA_MAX_DIGEST 64u
#define COCO_INITDATA_SECTOR 512u

typedef struct _CocoInitdata CocoInitdata;

/* All errors are BAD_CONFIG; they begin with "initdata: " (transfer full). */
CocoInitdata *coco_initdata_from_annotation(const char *value, size_t len, GError **error);
CocoInitdata *coco_initdata_from_toml(const char *text, size_t len, GError **error);

/* The same from a file (transfer full). */
CocoInitdata *coco_initdata_load_annotation(const char *path, GError **error);
CocoInitdata *coco_initdata_load_toml(const char *path, GError **error);

void coco_initdata_free(CocoInitdata *initdata); /* nullable */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoInitdata, coco_initdata_free)

/* "sha256", "sha384" or "sha512" (transfer none). */
const char *coco_initdata_algorithm(const CocoInitdata *initdata);

/* The plain text, NUL-terminated (transfer none). */
const char *coco_initdata_toml(const CocoInitdata *initdata, size_t *out_len);

/* 32, 48 or 64 bytes (transfer none). */
const uint8_t *coco_initdata_digest(const CocoInitdata *initdata, size_t *out_len);

/* The digest as a field of len bytes holds it: cut off, or with zeros at the end. HOST_DATA has 32
 * bytes, MRCONFIGID 48. */
void coco_initdata_bind(const CocoInitdata *initdata, uint8_t *out_field, size_t len);

/* "coco.initdata_digest=sha384:HEX", for a kernel command line that is measured (transfer full). */
char *coco_initdata_cmdline(const CocoInitdata *initdata);

/* A file of [data], such as "policy.rego"; NULL if there is none (transfer none). */
const char *coco_initdata_entry(const CocoInitdata *initdata, const char *name);

/* The names of [data], sorted, NULL-terminated; the array is the caller's, the names are not
 * (transfer container). */
const char **coco_initdata_names(const CocoInitdata *initdata);

/* The value of the annotation (transfer full). */
char *coco_initdata_annotation(const CocoInitdata *initdata);

/* The image of the disk (transfer full). */
GBytes *coco_initdata_image(const CocoInitdata *initdata);
