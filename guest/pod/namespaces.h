// SPDX-License-Identifier: Apache-2.0
/*
 * What the containers of a pod share besides the network: an ipc and an uts namespace that outlive
 * each of them, as files that a runtime can join, a pid namespace where it is asked for; and the
 * guest's resolv.conf.
 *
 * The pid namespace is never the guest's: there, process 1 is the agent, and a signal to it is the
 * end of the VM. It is that of the pod's first container, as with Kata's agent and with any other
 * runtime (the pause container), or of a process that is there for it alone (pid-holder.h): also
 * where the first container has ended, since without a pause container any may be the first.
 *
 * Ownership: freeing takes the files away; containers that joined keep the namespaces.
 * Thread: the calling thread is moved into new namespaces and back, so only the one thread of the
 * agent.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include <glib.h>

typedef struct _CocoNamespaces CocoNamespaces;

/* directory: where the files go. hostname: "" keeps the guest's. */
CocoNamespaces *coco_namespaces_new(const char *directory, const char *hostname, GError **error);
void coco_namespaces_free(CocoNamespaces *namespaces);

/* (transfer none); NULL for NULL. */
const char *coco_namespaces_get_ipc(const CocoNamespaces *namespaces);
const char *coco_namespaces_get_uts(const CocoNamespaces *namespaces);

/* Makes the pid namespace of process pid the pod's, if the pod has none whose process 1 lives. */
bool coco_namespaces_adopt_pid(CocoNamespaces *namespaces, pid_t pid, GError **error);
/* Makes one if the pod has no living one. (transfer none); NULL with error set. namespaces:
 * nullable, which is an error. */
const char *coco_namespaces_get_pid(CocoNamespaces *namespaces, GError **error);

/* As init: makes path the guest's /etc/resolv.conf too. Otherwise does nothing. */
bool coco_namespaces_publish_resolv_conf(const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CocoNamespaces, coco_namespaces_free)
