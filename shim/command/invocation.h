// SPDX-License-Identifier: Apache-2.0
/*
 * How containerd invoked the shim: flags and action of its command line, and what matters of its
 * environment.
 *
 * Flags follow Go's `flag` package, because that is what every caller writes for: one or two
 * dashes, "-k v" or
 * "-k=v", "-debug" is a boolean. A flag that we do not know is skipped together with its value, so
 * that a newer containerd can add one. Source: containerd pkg/shim (v1.6 to v2.3), command lines
 * traced.
 *
 * Ownership: strings point into argv and the environment.
 * Thread: any.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

typedef enum {
    COCO_ACTION_SERVE, /* no action word: the server that `start` leaves behind */
    COCO_ACTION_START,
    COCO_ACTION_DELETE,
    COCO_ACTION_GC,
    COCO_ACTION_INFO,
    COCO_ACTION_VERSION,
    COCO_ACTION_HELP,
} CocoAction;

typedef struct {
    CocoAction action;
    bool debug;
    const char *program; /* as it was called: a link's name, not what it leads to */
    const char *ns;      /* containerd namespace; -namespace */
    const char *id;      /* -id */
    const char *address; /* containerd's gRPC socket; -address */
    const char *bundle;  /* -bundle, delete only; "" otherwise */
    const char *base;    /* -base, gc only; "" otherwise */
    const char *binary;  /* -publish-binary */
    const char *socket;  /* -socket: our own socket, given to the server by `start` */
    const char
        *config; /* -config: path of the config file, given to the server by `start`; may be "" */
    const char *tee;   /* -tee: that is insisted on, given to the server by `start`; nullable */
    const char *ttrpc; /* $TTRPC_ADDRESS without unix://, "" when there is none */
} CocoInvocation;

/* FALSE with error set (G_OPTION_ERROR) when a flag lacks its value, the action is unknown, or the
 * action needs an id or a namespace and did not get a valid one. */
bool coco_invocation_parse(int argc, char **argv, CocoInvocation *out_invocation, GError **error);
