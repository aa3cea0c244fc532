// SPDX-License-Identifier: Apache-2.0
#include "guest-protocol/ttrpc/trace.h"

#include <stdbool.h>

#include <glib.h>

#define MAX_LINES 4096 /* kept for an idle loop; more are dropped */

static GQueue lines = G_QUEUE_INIT;

static gboolean
on_idle(void *user_data)
{
    char *line;

    while ((line = g_queue_pop_head(&lines)) != NULL) {
        g_message("trace: %s us", line);
        g_free(line);
    }
    return G_SOURCE_REMOVE;
}

static bool
is_on(void)
{
    static int on = -1;

    if (on < 0)
        on = g_getenv("COCO_TRACE") != NULL;
    return on == 1;
}

int64_t
coco_trace_begin(void)
{
    return is_on() ? g_get_monotonic_time() : 0;
}

void
coco_trace_end(int64_t begin, const char *hop, const char *object)
{
    if (begin == 0 || g_queue_get_length(&lines) >= MAX_LINES)
        return;
    if (g_queue_is_empty(&lines))
        (void) g_idle_add_full(G_PRIORITY_LOW, on_idle, NULL, NULL);
    g_queue_push_tail(&lines, g_strdup_printf("%s %s %" G_GINT64_FORMAT, hop, object,
                                              g_get_monotonic_time() - begin));
}
