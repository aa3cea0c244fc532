// SPDX-License-Identifier: Apache-2.0
/*
 * Handlers for the pod's network: interfaces, routes, neighbours.
 */
#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/agent/service-private.h"
#include "guest/network/interface-wait.h"
#include "guest/network/interface.h"
#include "guest/network/routes.h"

/* For an interface that is attached while the guest runs. */
#define INTERFACE_TIMEOUT_MS 5000

static void
on_interface_there(const GError *error, void *user_data)
{
    CocoTtrpcCall *call = user_data;
    const Grpc__UpdateInterfaceRequest *request =
        (const Grpc__UpdateInterfaceRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) failure = NULL;

    if (error != NULL)
        coco_ttrpc_call_fail_error(call, error);
    else if (!coco_interface_update(request->interface, &failure))
        coco_ttrpc_call_fail_error(call, failure);
    else
        coco_ttrpc_call_reply(call, &request->interface->base);
}

static void
update_interface(CocoTtrpcCall *call, void *user_data)
{
    const Grpc__UpdateInterfaceRequest *request =
        (const Grpc__UpdateInterfaceRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;

    if (request->interface == NULL)
        coco_ttrpc_call_fail(call, COCO_TTRPC_INVALID_ARGUMENT, "no interface is named");
    else if (!coco_interface_check(request->interface, &error))
        coco_ttrpc_call_fail_error(call, error);
    else
        coco_interface_wait(request->interface, INTERFACE_TIMEOUT_MS,
                            coco_ttrpc_call_get_cancellable(call), on_interface_there, call);
}

/* Its driver is a module. */
void
coco_handle_update_interface(CocoTtrpcCall *call, void *user_data)
{
    coco_service_after_modules(user_data, call, update_interface);
}

void
coco_handle_list_interfaces(CocoTtrpcCall *call, void *user_data)
{
    Grpc__Interfaces response = GRPC__INTERFACES__INIT;
    g_autoptr(GError) error = NULL;

    response.interfaces = coco_interfaces_list(&response.n_interfaces, &error);
    if (response.interfaces == NULL) {
        coco_ttrpc_call_fail_error(call, error);
        return;
    }
    coco_ttrpc_call_reply(call, &response.base);
    coco_interfaces_free(response.interfaces, response.n_interfaces);
}

static void
reply_with_routes(CocoTtrpcCall *call)
{
    Grpc__Routes response = GRPC__ROUTES__INIT;
    g_autoptr(GError) error = NULL;

    response.routes = coco_routes_list(&response.n_routes, &error);
    if (response.routes == NULL) {
        coco_ttrpc_call_fail_error(call, error);
        return;
    }
    coco_ttrpc_call_reply(call, &response.base);
    coco_routes_free(response.routes, response.n_routes);
}

void
coco_handle_update_routes(CocoTtrpcCall *call, void *user_data)
{
    const Grpc__UpdateRoutesRequest *request =
        (const Grpc__UpdateRoutesRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;

    if (request->routes == NULL)
        coco_ttrpc_call_fail(call, COCO_TTRPC_INVALID_ARGUMENT, "no routes are named");
    else if (!coco_routes_update(request->routes->routes, request->routes->n_routes, &error))
        coco_ttrpc_call_fail_error(call, error);
    else
        reply_with_routes(call);
}

void
coco_handle_list_routes(CocoTtrpcCall *call, void *user_data)
{
    reply_with_routes(call);
}

void
coco_handle_add_arp_neighbors(CocoTtrpcCall *call, void *user_data)
{
    const Grpc__AddARPNeighborsRequest *request =
        (const Grpc__AddARPNeighborsRequest *) coco_ttrpc_call_get_request(call);
    g_autoptr(GError) error = NULL;

    if (request->neighbors != NULL)
        (void) coco_neighbours_add(request->neighbors->arpneighbors,
                                   request->neighbors->n_arpneighbors, &error);
    coco_service_finish(error, call);
}
