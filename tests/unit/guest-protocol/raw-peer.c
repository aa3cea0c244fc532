// SPDX-License-Identifier: Apache-2.0
/*
 * A raw end of a connection. Its descriptor is non-blocking; whenever it would block, the main
 * context runs.
 */
#include "tests/unit/guest-protocol/raw-peer.h"

#include <errno.h>
#include <sys/socket.h>

#include <criterion/criterion.h>
#include <glib-unix.h>

#include "guest-protocol/posix/fd.h"

#define PATIENCE_S 10

static gboolean
on_timeout(void *user_data)
{
    *(bool *) user_data = true;
    return G_SOURCE_CONTINUE;
}

static gboolean
on_ready(int fd, GIOCondition condition, void *user_data)
{
    *(bool *) user_data = true;
    return G_SOURCE_CONTINUE;
}

void
run_until(const bool *flag)
{
    bool late = false;
    unsigned int timer = g_timeout_add_seconds(PATIENCE_S, on_timeout, &late);

    while (!*flag && !late)
        g_main_context_iteration(NULL, TRUE);
    g_source_remove(timer);
    cr_assert(*flag, "nothing happened for %d s", PATIENCE_S);
}

void
run_pending(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

void
run_for_ms(unsigned int ms)
{
    bool late = false;
    unsigned int timer = g_timeout_add(ms, on_timeout, &late);

    run_until(&late);
    g_source_remove(timer);
}

static void
wait_for(RawPeer *peer, GIOCondition condition)
{
    bool ready = false;
    unsigned int source = g_unix_fd_add(peer->fd, condition, on_ready, &ready);

    run_until(&ready);
    g_source_remove(source);
}

int
raw_peer_init(RawPeer *peer)
{
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    peer->fd = fds[0];
    peer->decoder = coco_ttrpc_decoder_new();
    return fds[1];
}

void
raw_peer_clear(RawPeer *peer)
{
    coco_fd_clear(&peer->fd);
    g_clear_pointer(&peer->decoder, coco_ttrpc_decoder_free);
}

void
raw_peer_send(RawPeer *peer, const void *data, size_t length)
{
    const uint8_t *at = data;

    while (length > 0) {
        ssize_t n = send(peer->fd, at, length, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            wait_for(peer, G_IO_OUT);
            continue;
        }
        cr_assert_gt(n, 0, "send: %s", g_strerror(errno));
        at += n;
        length -= (size_t) n;
    }
}

void
raw_peer_send_frame(RawPeer *peer, uint32_t stream_id, uint8_t type, uint8_t flags,
                    const void *payload, size_t length)
{
    uint8_t header[10];

    coco_ttrpc_put_header(header, (uint32_t) length, stream_id, type, flags);
    raw_peer_send(peer, header, sizeof header);
    raw_peer_send(peer, payload, length);
}

static ssize_t
receive_some(RawPeer *peer)
{
    for (;;) {
        size_t size;
        uint8_t *space = coco_ttrpc_decoder_get_space(peer->decoder, &size);
        ssize_t n = recv(peer->fd, space, size, 0);

        if (n >= 0 || errno != EAGAIN)
            return n;
        wait_for(peer, G_IO_IN);
    }
}

CocoTtrpcFrame
raw_peer_receive(RawPeer *peer)
{
    CocoTtrpcFrame frame;

    while (!coco_ttrpc_decoder_next(peer->decoder, &frame)) {
        ssize_t n = receive_some(peer);

        cr_assert_gt(n, 0, "the other end has closed");
        coco_ttrpc_decoder_fill(peer->decoder, (size_t) n);
    }
    return frame;
}

bool
raw_peer_is_closed(RawPeer *peer)
{
    ssize_t n = receive_some(peer);

    return n == 0 || (n < 0 && errno == ECONNRESET);
}
