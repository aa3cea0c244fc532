// SPDX-License-Identifier: Apache-2.0
/*
 * Streams on sockets, fifos, terminals, and on what behaves as a virtio-serial port: the reading
 * end of a fifo, which also reads as end of file and polls as hung up while nobody is at the other
 * end.
 */
#include "guest-protocol/ttrpc/stream.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <criterion/criterion.h>
#include <glib/gstdio.h>

#include "guest-protocol/posix/fd.h"
#include "tests/unit/guest-protocol/raw-peer.h"

typedef struct {
    CocoStream *stream;
    GByteArray *received;
    uint8_t space[4096];
    bool closed;
    bool had_reason;
    bool drained;
    bool got_some;
    bool free_when_received;
    bool free_when_drained;
} Rig;

static uint8_t *
get_space(void *user_data, size_t *out_size)
{
    Rig *rig = user_data;

    *out_size = sizeof rig->space;
    return rig->space;
}

static void
on_received(void *user_data, size_t n)
{
    Rig *rig = user_data;

    g_byte_array_append(rig->received, rig->space, (unsigned int) n);
    rig->got_some = true;
    if (rig->free_when_received)
        g_clear_pointer(&rig->stream, coco_stream_free);
}

static void
on_drained(void *user_data)
{
    Rig *rig = user_data;

    rig->drained = true;
    if (rig->free_when_drained)
        g_clear_pointer(&rig->stream, coco_stream_free);
}

static void
on_closed(void *user_data, const GError *reason)
{
    Rig *rig = user_data;

    cr_assert(!rig->closed);
    rig->closed = true;
    rig->had_reason = reason != NULL;
    g_clear_pointer(&rig->stream, coco_stream_free);
}

static const CocoStreamFuncs funcs = { get_space, on_received, on_drained, on_closed };

static void
start(Rig *rig, int fd, CocoStreamKind kind)
{
    rig->received = g_byte_array_new();
    rig->stream = coco_stream_new(fd, kind, NULL, &funcs, 100000, rig);
}

static void
stop(Rig *rig)
{
    coco_stream_free(rig->stream);
    g_byte_array_unref(rig->received);
    run_pending();
}

static void
start_socket(Rig *rig, int *other)
{
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    *other = fds[0];
    start(rig, fds[1], COCO_STREAM_AUTO);
}

static gboolean
on_tick(void *user_data)
{
    *(bool *) user_data = true;
    return G_SOURCE_REMOVE;
}

/* How often the loop turns in 100 ms. */
static unsigned int
count_turns(void)
{
    bool over = false;
    unsigned int n = 0;

    g_timeout_add(100, on_tick, &over);
    while (!over) {
        g_main_context_iteration(NULL, TRUE);
        n++;
    }
    return n;
}

TestSuite(stream, .timeout = 60);

Test(stream, what_came_before_the_end_is_delivered)
{
    Rig rig = { 0 };
    g_auto(CocoFd) other = -1;

    start_socket(&rig, &other);
    cr_assert_eq(write(other, "hello", 5), 5);
    coco_fd_clear(&other);
    run_until(&rig.closed);
    cr_assert(!rig.had_reason);
    cr_assert_eq(rig.received->len, 5);
    stop(&rig);
}

Test(stream, a_failed_write_delivers_what_came_and_closes)
{
    Rig rig = { 0 };
    g_auto(CocoFd) other = -1;

    start_socket(&rig, &other);
    cr_assert_eq(write(other, "hello", 5), 5);
    coco_fd_clear(&other);
    coco_stream_write(rig.stream, g_malloc0(10), 10);
    cr_assert(!rig.closed);
    run_until(&rig.closed);
    cr_assert(rig.had_reason);
    cr_assert_eq(rig.received->len, 5);
    stop(&rig);
}

Test(stream, a_slow_reader_gets_everything_in_order)
{
    enum {
        CHUNKS = 300,
        CHUNK = 10000
    };
    Rig rig = { 0 };
    g_auto(CocoFd) other = -1;
    unsigned int got = 0;

    start_socket(&rig, &other);
    for (unsigned int i = 0; i < CHUNKS; i++) {
        uint8_t *data = g_malloc(CHUNK);

        memset(data, (int) i, CHUNK);
        coco_stream_write(rig.stream, data, CHUNK);
    }
    cr_assert_gt(coco_stream_get_queued(rig.stream), 1000000);
    run_pending();
    cr_assert(!rig.drained);
    while (got < CHUNKS * CHUNK) {
        uint8_t buffer[7777];
        ssize_t n = read(other, buffer, sizeof buffer);

        for (ssize_t i = 0; i < n; i++, got++)
            cr_assert_eq(buffer[i], (uint8_t) (got / CHUNK));
        run_pending();
    }
    cr_assert(rig.drained);
    cr_assert_eq(coco_stream_get_queued(rig.stream), 0);
    stop(&rig);
}

Test(stream, stopped_reading_reads_nothing_and_resumes)
{
    Rig rig = { 0 };
    g_auto(CocoFd) other = -1;

    start_socket(&rig, &other);
    coco_stream_set_reading(rig.stream, false);
    cr_assert_eq(write(other, "hello", 5), 5);
    run_for_ms(5);
    cr_assert(!rig.got_some);
    coco_stream_set_reading(rig.stream, true);
    run_until(&rig.got_some);
    coco_stream_set_reading(rig.stream, false);
    coco_fd_clear(&other);
    run_until(&rig.closed);
    stop(&rig);
}

Test(stream, may_be_freed_in_its_functions)
{
    Rig rig = { .free_when_received = true };
    Rig slow = { .free_when_drained = true };
    g_auto(CocoFd) other = -1;
    g_auto(CocoFd) slow_other = -1;
    uint8_t buffer[65536];

    start_socket(&rig, &other);
    cr_assert_eq(write(other, "hello", 5), 5);
    run_until(&rig.got_some);
    cr_assert_null(rig.stream);
    stop(&rig);

    start_socket(&slow, &slow_other);
    coco_stream_write(slow.stream, g_malloc0(1000000), 1000000);
    while (!slow.drained) {
        (void) !read(slow_other, buffer, sizeof buffer);
        run_pending();
    }
    cr_assert_null(slow.stream);
    stop(&slow);
}

Test(stream, the_end_of_a_terminal_is_no_error)
{
    Rig rig = { 0 };
    int master, slave;

    cr_assert_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
    start(&rig, master, COCO_STREAM_AUTO);
    cr_assert_eq(write(slave, "x\n", 2), 2);
    run_until(&rig.got_some);
    coco_fd_clear(&slave);
    run_until(&rig.closed);
    cr_assert(!rig.had_reason);
    stop(&rig);
}

Test(stream, a_pipe_without_reader_is_an_error_not_a_signal)
{
    Rig rig = { 0 };
    int fds[2];

    signal(SIGPIPE, SIG_IGN);
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    coco_fd_clear(&fds[0]);
    start(&rig, fds[1], COCO_STREAM_AUTO);
    coco_stream_set_reading(rig.stream, false);
    coco_stream_write(rig.stream, g_malloc0(10), 10);
    run_until(&rig.closed);
    cr_assert(rig.had_reason);
    stop(&rig);
}

Test(stream, a_port_waits_for_its_other_end_without_spinning)
{
    g_autofree char *dir = g_dir_make_tmp("coco-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "port", NULL);
    Rig rig = { 0 };
    g_auto(CocoFd) keep = -1;
    g_auto(CocoFd) other = -1;

    cr_assert_eq(mkfifo(path, 0600), 0);
    keep = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    /* Somebody was there before: from now on the fifo polls as hung up, as a port does. */
    other = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    coco_fd_clear(&other);

    start(&rig, fcntl(keep, F_DUPFD_CLOEXEC, 3), COCO_STREAM_PORT);
    cr_assert_leq(count_turns(), 10);
    cr_assert(!rig.closed);

    other = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    cr_assert_eq(write(other, "hello", 5), 5);
    run_until(&rig.got_some);
    cr_assert_eq(rig.received->len, 5);
    coco_fd_clear(&other);
    run_until(&rig.closed);
    cr_assert(!rig.had_reason);
    stop(&rig);
    g_unlink(path);
    g_rmdir(dir);
}

/* Who comes and goes without a word has been there: else the next one would find two streams on the
 * port. */
Test(stream, a_port_closes_when_its_other_end_leaves_without_a_byte)
{
    g_autofree char *dir = g_dir_make_tmp("coco-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "port", NULL);
    Rig rig = { 0 };
    g_auto(CocoFd) other = -1;
    int fd;

    cr_assert_eq(mkfifo(path, 0600), 0);
    fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    other = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    start(&rig, fd, COCO_STREAM_PORT);
    run_for_ms(5);
    cr_assert(!rig.closed);
    coco_fd_clear(&other);
    run_until(&rig.closed);
    cr_assert(!rig.had_reason);
    stop(&rig);
    g_unlink(path);
    g_rmdir(dir);
}

/* More than one turn's reads, and reading stopped and resumed in the middle: no edge may get lost.
 */
Test(stream, a_port_loses_no_edge)
{
    g_autofree char *dir = g_dir_make_tmp("coco-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "port", NULL);
    g_autofree uint8_t *data = g_malloc0(65536);
    Rig rig = { 0 };
    g_auto(CocoFd) other = -1;

    cr_assert_eq(mkfifo(path, 0600), 0);
    start(&rig, open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), COCO_STREAM_PORT);
    other = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    cr_assert_eq(write(other, data, 65536), 65536);
    while (rig.received->len < 65536)
        g_main_context_iteration(NULL, TRUE);

    coco_stream_set_reading(rig.stream, false);
    cr_assert_eq(write(other, data, 100), 100);
    run_for_ms(5);
    cr_assert_eq(rig.received->len, 65536);
    coco_stream_set_reading(rig.stream, true);
    while (rig.received->len < 65636)
        g_main_context_iteration(NULL, TRUE);
    stop(&rig);
    g_unlink(path);
    g_rmdir(dir);
}

Test(stream_null, free)
{
    coco_stream_free(NULL);
}
