// SPDX-License-Identifier: Apache-2.0
/*
 * The files that make a guest: kernel, initrd, firmware, and the blobs that go into the domain XML.
 * Each is opened once, and what is measured through its descriptor is what QEMU starts:
 *
 *     boot_files = copy    QEMU opens a copy in a directory of root's, and so do we; the VMs of a
 *                          host share one (boot-store.h)
 *     boot_files = shared  QEMU opens the file itself; a file that was replaced or written between
 *                          our opening it and QEMU's reading it is an error afterwards
 *
 * Ownership: it owns descriptors and blobs; getters lend them for its life.
 * Thread: one.
 */
#pragma once

#include "vmm/config/config.h"

typedef enum {
    COCO_BOOT_KERNEL, /* images: read by QEMU, measured by us */
    COCO_BOOT_INITRD,
    COCO_BOOT_FIRMWARE,
    COCO_BOOT_ID_BLOCK, /* blobs: read by us, raw or base64 */
    COCO_BOOT_ID_AUTH,
    COCO_BOOT_DH_CERT,
    COCO_BOOT_SESSION,
    COCO_N_BOOT_FILES,
} CocoBootFile;

typedef struct _CocoBootFiles CocoBootFiles;

/* Reads the blobs that the config names (transfer full). BAD_CONFIG, with the key's name. */
CocoBootFiles *coco_boot_files_new(const CocoVmConfig *config, GError **error);
void coco_boot_files_free(CocoBootFiles *files); /* nullable */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoBootFiles, coco_boot_files_free)

/* Opens the images, with copies in copy_dir when the config says so; the directory is made. store
 * is nullable: a copy for this VM alone. */
bool coco_boot_files_open(CocoBootFiles *files, const char *copy_dir, const char *store,
                          GError **error);

/* The same for who only reads: no copies, whatever the config says. */
bool coco_boot_files_open_shared(CocoBootFiles *files, GError **error);

/* The key that names the file. */
CocoKey coco_boot_file_key(CocoBootFile file);

/* The path that QEMU opens; NULL for no such file, or before the images were opened. */
const char *coco_boot_files_path(const CocoBootFiles *files, CocoBootFile file);

/* A descriptor of what QEMU opens, or -1. Borrowed; its offset is anybody's, so use pread(). */
int coco_boot_files_fd(const CocoBootFiles *files, CocoBootFile file);

/* The name of the copy in the store, which no other content has; NULL when it is not from there
 * (transfer none). */
const char *coco_boot_files_stored(const CocoBootFiles *files, CocoBootFile file);

/* A blob, decoded; NULL for none. files is nullable. */
GBytes *coco_boot_files_blob(const CocoBootFiles *files, CocoBootFile file);

/* To be asked once QEMU has read them: false when an image is not what was opened any more. */
bool coco_boot_files_check(const CocoBootFiles *files, GError **error);

/* Removes the copies' names; QEMU has read or mapped them. */
void coco_boot_files_drop_copies(CocoBootFiles *files);
