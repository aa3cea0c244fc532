// SPDX-License-Identifier: Apache-2.0
/*
 * What a host asks of the files below the shared directory. They may be the host's, whose file
 * server need not answer: each errand is a child's, one after the other in the order in which they
 * came, and has its time.
 *
 * Ownership: the requests are borrowed until done has run.
 * Thread: that of the reaper.
 */
#pragma once

#include "guest-protocol/proto/agent-pb.h"
#include "guest/system/child-work.h"

typedef struct _CocoSharedFiles CocoSharedFiles;

/* Both borrowed. */
CocoSharedFiles *coco_shared_files_new(const char *directory, CocoReaper *reaper);
/* Those who wait are told CANCELLED. NULL is fine. */
void coco_shared_files_free(CocoSharedFiles *files);

/* coco_copy_file(): pieces of a file come in order. The text is "". */
void coco_shared_files_copy(CocoSharedFiles *files, const Grpc__CopyFileRequest *request,
                            CocoChildWorkDone done, void *user_data);

/* coco_termination_log_read(): the text. path: nullable, copied. */
void coco_shared_files_read_log(CocoSharedFiles *files, const char *path, CocoChildWorkDone done,
                                void *user_data);

/* Looks up what is in the directory: what the host has taken away goes. The text is "". */
void coco_shared_files_refresh(CocoSharedFiles *files, CocoChildWorkDone done, void *user_data);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoSharedFiles, coco_shared_files_free)
