// SPDX-License-Identifier: Apache-2.0
/*
 * One connection of a ttrpc server and the calls that came over it; what ttrpc-server.c is made of.
 * The functions of CocoTtrpcCall that handlers use are declared in ttrpc-call.h and live here
 * too.
 *
 * Ownership: the server owns its connections; a connection owns its descriptor. Calls belong to
 * their handlers and may outlive it. Thread: that of the context it was created for.
 */
#pragma once

#include <stdbool.h>

#include <gio/gio.h>

#include "guest-protocol/ttrpc/ttrpc-call.h"

typedef struct _CocoTtrpcConnection CocoTtrpcConnection;

typedef struct {
    /* The method of that name. NULL if there is none: out_service_known says what was missing. */
    const CocoTtrpcMethod *(*find)(void *user_data, const char *service, const char *method,
                                   bool *out_service_known, void **out_service_data);

    /* Handles a call of that method, (transfer full). */
    void (*handle)(void *user_data, CocoTtrpcCall *call, const CocoTtrpcMethod *method,
                   void *service_data);

    /* The connection is dead and its calls were cancelled; frees it. */
    void (*on_closed)(void *user_data, CocoTtrpcConnection *connection);
} CocoTtrpcConnectionFuncs;

/* fd (takes). */
CocoTtrpcConnection *coco_ttrpc_connection_new(int fd, GMainContext *context,
                                               const CocoTtrpcConnectionFuncs *funcs,
                                               void *user_data);

/* Closes and cancels the calls; on_closed does not run. NULL is fine. */
void coco_ttrpc_connection_free(CocoTtrpcConnection *connection);
