// SPDX-License-Identifier: Apache-2.0
/*
 * The event publisher against a containerd made of our ttrpc server: order, what an event looks
 * like on the wire, and a containerd that is late, restarts, hangs or refuses.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <string.h>

#include <glib/gstdio.h>

#include "guest-protocol/proto/task-pb.h"
#include "guest-protocol/ttrpc/transport.h"
#include "guest-protocol/ttrpc/ttrpc-server.h"
#include "shim/pod/event-publisher.h"

#define WATCHDOG_S 20

typedef struct {
    char *dir;
    char *path;
    char *address;
    CocoTtrpcServer *server;
    GArray *pids;         /* of the events received, in order */
    GPtrArray *held;      /* calls that were not answered */
    char *last;           /* "namespace topic type_url container_id" */
    int64_t last_seconds; /* its timestamp */
    int n_to_fail;        /* the next calls fail with fail_code */
    CocoTtrpcCode fail_code;
    bool hold;
} Containerd;

static void
on_forward(CocoTtrpcCall *call, void *user_data)
{
    Containerd *self = user_data;
    const Containerd__Services__Events__Ttrpc__V1__ForwardRequest *request =
        (const void *) coco_ttrpc_call_get_request(call);
    const Containerd__Services__Events__Ttrpc__V1__Envelope *envelope = request->envelope;
    g_autoptr(Containerd__Events__TaskExit) event = containerd__events__task_exit__unpack(
        NULL, envelope->event->value.len, envelope->event->value.data);

    cr_assert_not_null(event);
    if (self->hold) {
        g_ptr_array_add(self->held, call);
        return;
    }
    if (self->n_to_fail > 0) {
        self->n_to_fail--;
        coco_ttrpc_call_fail(call, self->fail_code, "not now");
        return;
    }
    g_array_append_val(self->pids, event->pid);
    g_free(self->last);
    self->last = g_strdup_printf("%s %s %s %s", envelope->namespace_, envelope->topic,
                                 envelope->event->type_url, event->container_id);
    self->last_seconds = envelope->timestamp->seconds;
    coco_ttrpc_call_reply(call, NULL);
}

static const CocoTtrpcMethod methods[] = {
    { "Forward", &containerd__services__events__ttrpc__v1__forward_request__descriptor,
      on_forward },
};
static const CocoTtrpcService service = { "containerd.services.events.ttrpc.v1.Events", methods,
                                          G_N_ELEMENTS(methods) };

static void
containerd_start(Containerd *self)
{
    g_autoptr(GError) error = NULL;
    int fd = coco_transport_listen(self->address, &error);

    cr_assert_geq(fd, 0, "%s", error != NULL ? error->message : "");
    self->server = coco_ttrpc_server_new();
    coco_ttrpc_server_add_service(self->server, &service, self);
    coco_ttrpc_server_listen(self->server, fd, true);
}

static void
containerd_stop(Containerd *self)
{
    g_clear_pointer(&self->server, coco_ttrpc_server_free);
    for (size_t i = 0; i < self->held->len; i++)
        coco_ttrpc_call_reply(self->held->pdata[i], NULL);
    g_ptr_array_set_size(self->held, 0);
    (void) g_unlink(self->path);
}

static Containerd
containerd_new(void)
{
    Containerd self = { .dir = g_dir_make_tmp("coco-events-XXXXXX", NULL) };

    self.path = g_build_filename(self.dir, "c.ttrpc", NULL);
    self.address = g_strconcat("unix://", self.path, NULL);
    self.pids = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    self.held = g_ptr_array_new();
    return self;
}

static void
containerd_clear(Containerd *self)
{
    containerd_stop(self);
    (void) g_rmdir(self->dir);
    g_array_free(self->pids, TRUE);
    g_ptr_array_free(self->held, TRUE);
    g_free(self->last);
    g_free(self->address);
    g_free(self->path);
    g_free(self->dir);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Containerd, containerd_clear)

static gboolean
on_watchdog(void *user_data)
{
    cr_assert_fail("nothing happened for %d s", WATCHDOG_S);
    return G_SOURCE_REMOVE;
}

/* Runs the main loop until condition holds. */
#define RUN_UNTIL(condition)                                                                       \
    {                                                                                              \
        guint watchdog_ = g_timeout_add_seconds(WATCHDOG_S, on_watchdog, NULL);                    \
        while (!(condition))                                                                       \
            g_main_context_iteration(NULL, TRUE);                                                  \
        g_source_remove(watchdog_);                                                                \
    }

static gboolean
on_time_over(void *user_data)
{
    *(bool *) user_data = true;
    return G_SOURCE_REMOVE;
}

static void
run_for_ms(guint ms)
{
    bool is_over = false;

    g_timeout_add(ms, on_time_over, &is_over);
    RUN_UNTIL(is_over)
}

static void
publish(CocoEventPublisher *publisher, uint32_t pid)
{
    char id[] = "c1";
    Containerd__Events__TaskExit event = CONTAINERD__EVENTS__TASK_EXIT__INIT;

    event.container_id = id;
    event.pid = pid;
    coco_event_publisher_publish(publisher, "/tasks/exit", &event.base);
}

static void
publish_range(CocoEventPublisher *publisher, uint32_t first, uint32_t last)
{
    for (uint32_t pid = first; pid <= last; pid++)
        publish(publisher, pid);
}

static void
assert_received(const Containerd *self, uint32_t first, uint32_t last)
{
    cr_assert_eq(self->pids->len, last - first + 1, "%u received", self->pids->len);
    for (uint32_t i = 0; i < self->pids->len; i++)
        cr_assert_eq(g_array_index(self->pids, uint32_t, i), first + i);
}

static void
on_flushed(void *user_data)
{
    *(bool *) user_data = true;
}

Test(event_publisher, in_order_and_complete)
{
    g_auto(Containerd) containerd = containerd_new();
    g_autoptr(CocoEventPublisher) publisher = NULL;

    containerd_start(&containerd);
    publisher = coco_event_publisher_new(containerd.address, "k8s.io");
    publish_range(publisher, 1, 200);
    cr_assert_eq(coco_event_publisher_get_n_pending(publisher), 200);
    RUN_UNTIL(coco_event_publisher_get_n_pending(publisher) == 0)
    assert_received(&containerd, 1, 200);
    cr_assert_str_eq(containerd.last, "k8s.io /tasks/exit containerd.events.TaskExit c1");
    cr_assert_lt(llabs(containerd.last_seconds - g_get_real_time() / G_USEC_PER_SEC), 5);
    cr_assert_eq(coco_event_publisher_get_n_dropped(publisher), 0);
}

/* As TTRPC_ADDRESS has it. */
Test(event_publisher, address_may_be_a_path)
{
    g_auto(Containerd) containerd = containerd_new();
    g_autoptr(CocoEventPublisher) publisher = NULL;

    containerd_start(&containerd);
    publisher = coco_event_publisher_new(containerd.path, "default");
    publish(publisher, 1);
    RUN_UNTIL(coco_event_publisher_get_n_pending(publisher) == 0)
    assert_received(&containerd, 1, 1);
}

Test(event_publisher, containerd_comes_late)
{
    g_auto(Containerd) containerd = containerd_new();
    g_autoptr(CocoEventPublisher) publisher =
        coco_event_publisher_new(containerd.address, "default");

    publish_range(publisher, 1, 3);
    run_for_ms(300);
    cr_assert_eq(coco_event_publisher_get_n_pending(publisher), 3);
    containerd_start(&containerd);
    RUN_UNTIL(coco_event_publisher_get_n_pending(publisher) == 0)
    assert_received(&containerd, 1, 3);
}

Test(event_publisher, containerd_restarts)
{
    g_auto(Containerd) containerd = containerd_new();
    g_autoptr(CocoEventPublisher) publisher =
        coco_event_publisher_new(containerd.address, "default");

    for (uint32_t round = 0; round < 3; round++) {
        containerd_start(&containerd);
        publish_range(publisher, round * 10 + 1, round * 10 + 5);
        RUN_UNTIL(coco_event_publisher_get_n_pending(publisher) == 0)
        containerd_stop(&containerd);
        publish_range(publisher, round * 10 + 6, round * 10 + 10);
        run_for_ms(100);
    }
    containerd_start(&containerd);
    RUN_UNTIL(coco_event_publisher_get_n_pending(publisher) == 0)
    assert_received(&containerd, 1, 30);
}

Test(event_publisher, unanswered_event_is_sent_again)
{
    g_auto(Containerd) containerd = containerd_new();
    g_autoptr(CocoEventPublisher) publisher = NULL;

    containerd_start(&containerd);
    containerd.hold = true;
    publisher = coco_event_publisher_new(containerd.address, "default");
    publish_range(publisher, 1, 3);
    RUN_UNTIL(containerd.held->len == 1)
    containerd_stop(&containerd);
    containerd.hold = false;
    containerd_start(&containerd);
    RUN_UNTIL(coco_event_publisher_get_n_pending(publisher) == 0)
    assert_received(&containerd, 1, 3);
}

/* Alive and silent: 5 s, then a new connection. */
Test(event_publisher, hanging_containerd)
{
    g_auto(Containerd) containerd = containerd_new();
    g_autoptr(CocoEventPublisher) publisher = NULL;
    int64_t start = g_get_monotonic_time();

    containerd_start(&containerd);
    containerd.hold = true;
    publisher = coco_event_publisher_new(containerd.address, "default");
    publish_range(publisher, 1, 2);
    RUN_UNTIL(containerd.held->len == 1)
    containerd.hold = false;
    RUN_UNTIL(coco_event_publisher_get_n_pending(publisher) == 0)
    assert_received(&containerd, 1, 2);
    cr_assert_geq(g_get_monotonic_time() - start, 5 * G_USEC_PER_SEC);
}

Test(event_publisher, refused_event_does_not_block_others)
{
    g_auto(Containerd) containerd = containerd_new();
    g_autoptr(CocoEventPublisher) publisher = NULL;

    containerd_start(&containerd);
    containerd.n_to_fail = 1;
    containerd.fail_code = COCO_TTRPC_INVALID_ARGUMENT;
    publisher = coco_event_publisher_new(containerd.address, "default");
    publish_range(publisher, 1, 3);
    RUN_UNTIL(coco_event_publisher_get_n_pending(publisher) == 0)
    assert_received(&containerd, 2, 3);
    cr_assert_eq(coco_event_publisher_get_n_dropped(publisher), 1);
}

Test(event_publisher, other_failures_are_tried_again)
{
    static const CocoTtrpcCode codes[] = { COCO_TTRPC_UNKNOWN, COCO_TTRPC_UNAVAILABLE,
                                           COCO_TTRPC_INTERNAL };

    for (size_t i = 0; i < G_N_ELEMENTS(codes); i++) {
        g_auto(Containerd) containerd = containerd_new();
        g_autoptr(CocoEventPublisher) publisher = NULL;

        containerd_start(&containerd);
        containerd.n_to_fail = 2;
        containerd.fail_code = codes[i];
        publisher = coco_event_publisher_new(containerd.address, "default");
        publish_range(publisher, 1, 2);
        RUN_UNTIL(coco_event_publisher_get_n_pending(publisher) == 0)
        assert_received(&containerd, 1, 2);
        cr_assert_eq(coco_event_publisher_get_n_dropped(publisher), 0);
    }
}

Test(event_publisher, oldest_go_when_the_queue_is_full)
{
    g_auto(Containerd) containerd = containerd_new();
    g_autoptr(CocoEventPublisher) publisher =
        coco_event_publisher_new(containerd.address, "default");

    publish_range(publisher, 1, COCO_EVENT_QUEUE_MAX + 10);
    cr_assert_eq(coco_event_publisher_get_n_pending(publisher), COCO_EVENT_QUEUE_MAX);
    cr_assert_eq(coco_event_publisher_get_n_dropped(publisher), 10);
    containerd_start(&containerd);
    RUN_UNTIL(coco_event_publisher_get_n_pending(publisher) == 0)
    assert_received(&containerd, 11, COCO_EVENT_QUEUE_MAX + 10);
}

/* What is under way must not be pulled from under the call. */
Test(event_publisher, full_queue_keeps_the_one_under_way)
{
    g_auto(Containerd) containerd = containerd_new();
    g_autoptr(CocoEventPublisher) publisher = NULL;

    containerd_start(&containerd);
    containerd.hold = true;
    publisher = coco_event_publisher_new(containerd.address, "default");
    publish(publisher, 1);
    RUN_UNTIL(containerd.held->len == 1)
    publish_range(publisher, 2, COCO_EVENT_QUEUE_MAX + 1);
    cr_assert_eq(coco_event_publisher_get_n_dropped(publisher), 1);
    containerd.hold = false;
    coco_ttrpc_call_reply(containerd.held->pdata[0], NULL);
    g_ptr_array_set_size(containerd.held, 0);
    RUN_UNTIL(coco_event_publisher_get_n_pending(publisher) == 0)
    assert_received(&containerd, 3, COCO_EVENT_QUEUE_MAX + 1);
}

Test(event_publisher, no_address_discards)
{
    static const char *const addresses[] = { NULL, "" };

    for (size_t i = 0; i < G_N_ELEMENTS(addresses); i++) {
        g_autoptr(CocoEventPublisher) publisher = coco_event_publisher_new(addresses[i], "default");
        bool is_flushed = false;

        publish(publisher, 1);
        cr_assert_eq(coco_event_publisher_get_n_pending(publisher), 0);
        coco_event_publisher_flush_async(publisher, G_USEC_PER_SEC, on_flushed, &is_flushed);
        cr_assert_not(is_flushed, "called back inside the call");
        RUN_UNTIL(is_flushed)
    }
    coco_event_publisher_free(NULL);
}

Test(event_publisher, flush_waits_for_the_last_answer)
{
    g_auto(Containerd) containerd = containerd_new();
    g_autoptr(CocoEventPublisher) publisher = NULL;
    bool is_flushed = false;

    containerd_start(&containerd);
    publisher = coco_event_publisher_new(containerd.address, "default");
    publish_range(publisher, 1, 50);
    coco_event_publisher_flush_async(publisher, 10 * G_USEC_PER_SEC, on_flushed, &is_flushed);
    publish(publisher, 51);
    RUN_UNTIL(is_flushed)
    assert_received(&containerd, 1, 51);
    cr_assert_eq(coco_event_publisher_get_n_pending(publisher), 0);
}

static void
on_flushed_free(void *user_data)
{
    CocoEventPublisher **publisher = user_data;

    g_clear_pointer(publisher, coco_event_publisher_free);
}

Test(event_publisher, flush_gives_up_in_time)
{
    g_auto(Containerd) containerd = containerd_new();
    CocoEventPublisher *publisher = coco_event_publisher_new(containerd.address, "default");
    int64_t start = g_get_monotonic_time();

    /* A socket that nobody listens at: one may again. */
    cr_assert(g_file_set_contents(containerd.address + strlen("unix://"), "", 0, NULL));
    publish(publisher, 1);
    coco_event_publisher_flush_async(publisher, 300 * 1000, on_flushed_free, &publisher);
    RUN_UNTIL(publisher == NULL)
    cr_assert_geq(g_get_monotonic_time() - start, 300 * 1000);
    cr_assert_lt(g_get_monotonic_time() - start, 2 * G_USEC_PER_SEC);
    run_for_ms(50);
}

Test(event_publisher, flush_does_not_wait_for_nobody)
{
    g_auto(Containerd) containerd = containerd_new();
    CocoEventPublisher *publisher = coco_event_publisher_new(containerd.address, "default");

    publish(publisher, 1);
    coco_event_publisher_flush_async(publisher, 600 * G_USEC_PER_SEC, on_flushed_free, &publisher);
    cr_assert_not_null(publisher, "called back inside the call");
    RUN_UNTIL(publisher == NULL)
    run_for_ms(50);
}

/* Freed in every state: connecting, waiting to try again, with a call under way, idle. */
Test(event_publisher, free_at_any_time)
{
    for (guint ms = 0; ms < 120; ms += 20) {
        g_auto(Containerd) containerd = containerd_new();
        CocoEventPublisher *publisher = coco_event_publisher_new(containerd.address, "default");

        publish(publisher, 1);
        if (ms > 0)
            run_for_ms(ms);
        coco_event_publisher_free(publisher);
        run_for_ms(20);
    }
    for (int answered = 0; answered < 2; answered++) {
        g_auto(Containerd) containerd = containerd_new();
        CocoEventPublisher *publisher = coco_event_publisher_new(containerd.address, "default");

        containerd_start(&containerd);
        containerd.hold = true;
        publish(publisher, 1);
        RUN_UNTIL(containerd.held->len == 1)
        if (answered) {
            coco_ttrpc_call_reply(containerd.held->pdata[0], NULL);
            g_ptr_array_set_size(containerd.held, 0);
            RUN_UNTIL(coco_event_publisher_get_n_pending(publisher) == 0)
        }
        coco_event_publisher_free(publisher);
        run_for_ms(20);
    }
}
