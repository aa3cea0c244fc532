// SPDX-License-Identifier: Apache-2.0
/*
 * What the containers of a pod share besides the network: an ipc and an uts namespace that outlive
 * each of them, as files that a runtime can join; and the guest's resolv.conf.
 *
 * Ownership: freeing takes the files away; containers that joined keep the namespaces.
 * Thread: the calling thread is moved into new namespaces and back, so only the one thread of the
 * agent.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

typedef struct _CocoNamespaces CocoNamespaces;

/* directory: where the files go. hostname: "" keeps the guest's. */
CocoNamespaces *coco_namespaces_new(const char *directory, const char *hostname, GError **error);
void coco_namespaces_free(CocoNamespaces *namespaces);

/* (transfer none); NULL for NULL. */
const char *coco_namespaces_get_ipc(const CocoNamespaces *namespaces);
const char *coco_namespaces_get_uts(const CocoNamespaces *namespaces);

/* As init: makes path the guest's /etc/resolv.conf too. Otherwise does nothing. */
bool coco_namespaces_publish_resolv_conf(const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoNamespaces, coco_namespaces_free)
