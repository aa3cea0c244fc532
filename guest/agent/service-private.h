// SPDX-License-Identifier: Apache-2.0
/*
 * The handlers behind the method table, by file: service-container.c, service-stdio.c,
 * service-sandbox.c, service-guest.c, service-network.c, service-forward.c. user_data is the
 * CocoService.
 *
 * Ownership: each handler owns the call and ends it once.
 * Thread: that of the server.
 */
#pragma once

#include "guest/agent/gate.h"
#include "guest/agent/service.h"
#include "guest/pod/port-forward.h"

struct _CocoService {
    CocoGate *gate;
    CocoGuestSandbox *sandbox;
    CocoGuestForwards *forwards;
    CocoServiceEndFunc end;
    void *user_data;
    guint end_id;
};

/* A CocoGuestContainerDone that answers the call in user_data with an empty message or the error.
 */
void coco_service_finish(const GError *error, void *user_data);

/* Runs handler with the call and the service when the guest's drivers are there. */
void coco_service_after_modules(CocoService *service, CocoTtrpcCall *call,
                                CocoTtrpcHandler handler);

/* service-container.c */
void coco_handle_create_container(CocoTtrpcCall *call, void *user_data);
void coco_handle_start_container(CocoTtrpcCall *call, void *user_data);
void coco_handle_remove_container(CocoTtrpcCall *call, void *user_data);
void coco_handle_exec_process(CocoTtrpcCall *call, void *user_data);
void coco_handle_signal_process(CocoTtrpcCall *call, void *user_data);
void coco_handle_wait_process(CocoTtrpcCall *call, void *user_data);
void coco_handle_update_container(CocoTtrpcCall *call, void *user_data);
void coco_handle_stats_container(CocoTtrpcCall *call, void *user_data);
void coco_handle_pause_container(CocoTtrpcCall *call, void *user_data);
void coco_handle_resume_container(CocoTtrpcCall *call, void *user_data);
void coco_handle_get_oom_event(CocoTtrpcCall *call, void *user_data);

/* service-stdio.c */
void coco_handle_write_stdin(CocoTtrpcCall *call, void *user_data);
void coco_handle_read_stdout(CocoTtrpcCall *call, void *user_data);
void coco_handle_read_stderr(CocoTtrpcCall *call, void *user_data);
void coco_handle_close_stdin(CocoTtrpcCall *call, void *user_data);
void coco_handle_tty_win_resize(CocoTtrpcCall *call, void *user_data);

/* service-sandbox.c */
void coco_handle_check(CocoTtrpcCall *call, void *user_data);
void coco_handle_version(CocoTtrpcCall *call, void *user_data);
void coco_handle_create_sandbox(CocoTtrpcCall *call, void *user_data);
void coco_handle_destroy_sandbox(CocoTtrpcCall *call, void *user_data);
void coco_handle_update_ephemeral_mounts(CocoTtrpcCall *call, void *user_data);
void coco_handle_remove_stale_mounts(CocoTtrpcCall *call, void *user_data);
void coco_handle_copy_file(CocoTtrpcCall *call, void *user_data);
void coco_handle_get_diagnostic_data(CocoTtrpcCall *call, void *user_data);

/* service-guest.c */
void coco_handle_get_guest_details(CocoTtrpcCall *call, void *user_data);
void coco_handle_online_cpu_mem(CocoTtrpcCall *call, void *user_data);
void coco_handle_mem_hotplug_by_probe(CocoTtrpcCall *call, void *user_data);
void coco_handle_set_guest_date_time(CocoTtrpcCall *call, void *user_data);
void coco_handle_reseed_random_dev(CocoTtrpcCall *call, void *user_data);
void coco_handle_get_metrics(CocoTtrpcCall *call, void *user_data);

/* service-network.c */
void coco_handle_update_interface(CocoTtrpcCall *call, void *user_data);
void coco_handle_update_routes(CocoTtrpcCall *call, void *user_data);
void coco_handle_list_interfaces(CocoTtrpcCall *call, void *user_data);
void coco_handle_list_routes(CocoTtrpcCall *call, void *user_data);
void coco_handle_add_arp_neighbors(CocoTtrpcCall *call, void *user_data);

/* service-forward.c */
void coco_handle_forward_connect(CocoTtrpcCall *call, void *user_data);
void coco_handle_forward_read(CocoTtrpcCall *call, void *user_data);
void coco_handle_forward_write(CocoTtrpcCall *call, void *user_data);
void coco_handle_forward_close(CocoTtrpcCall *call, void *user_data);
