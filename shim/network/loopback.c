// SPDX-License-Identifier: Apache-2.0
/*
 * The program, instruction by instruction, and how it comes into the kernel (loopback.h). libbpf
 * would be more than all of it.
 */
#include "shim/network/loopback.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

#define OWN_NAMESPACE "/proc/self/ns/net"
#define BACKLOG 16
#define FIRST_OCTET 127
#define LICENSE "Apache-2.0"

enum {
    PLACE_V4, /* of the sockets in the map */
    PLACE_V6,
    N_PLACES,
};

static int
bpf(enum bpf_cmd command, union bpf_attr *attributes)
{
    return (int) syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

static bool
fail(GError **error, const char *what)
{
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_UNKNOWN, "%s: %s", what, g_strerror(errno));
    return false;
}

/* Also while the loopback is down. -1 when there is none, such as without IPv6. */
static int
listen_at(const struct sockaddr *address, socklen_t length)
{
    g_auto(CocoFd) fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_v6 = address->sa_family == AF_INET6;
    int one = 1;

    (void) setsockopt(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? IPV6_FREEBIND : IP_FREEBIND,
                      &one, sizeof one);
    if (fd < 0 || bind(fd, address, length) < 0 || listen(fd, BACKLOG) < 0)
        return -1;
    return coco_fd_steal(&fd);
}

/* A descriptor, or -1. */
static int
make_map(const int sockets[N_PLACES])
{
    union bpf_attr create = { .map_type = BPF_MAP_TYPE_SOCKMAP,
                              .key_size = sizeof(uint32_t),
                              .value_size = sizeof(uint64_t),
                              .max_entries = N_PLACES };
    g_auto(CocoFd) map = bpf(BPF_MAP_CREATE, &create);

    for (uint32_t place = 0; map >= 0 && place < N_PLACES; place++) {
        uint64_t value = (uint64_t) sockets[place];
        union bpf_attr update = { .map_fd = (uint32_t) map,
                                  .key = (uintptr_t) &place,
                                  .value = (uintptr_t) &value };

        if (sockets[place] >= 0 && bpf(BPF_MAP_UPDATE_ELEM, &update) < 0)
            return -1;
    }
    return coco_fd_steal(&map);
}

#define FIELD(name) ((int16_t) offsetof(struct bpf_sk_lookup, name))

/* Jumps count from the next instruction on; the numbers of lines are their targets. */
static int
load_program(int map)
{
    /* clang-format off */
    const struct bpf_insn code[] = {
        /*  0 */ { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 },
        /*  1 */ { .code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = 10, .off = -4, .imm = PLACE_V4 },
        /*  2 */ { .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 6, .off = FIELD(protocol) },
        /*  3 */ { .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 2, .imm = IPPROTO_TCP, .off = 31 - 4 },
        /*  4 */ { .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 6, .off = FIELD(family) },
        /*  5 */ { .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 2, .imm = AF_INET, .off = 9 - 6 },
        /*  6 */ { .code = BPF_LDX | BPF_MEM | BPF_B, .dst_reg = 2, .src_reg = 6, .off = FIELD(local_ip4) },
        /*  7 */ { .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 2, .imm = FIRST_OCTET, .off = 19 - 8 },
        /*  8 */ { .code = BPF_JMP | BPF_JA, .off = 31 - 9 },
        /*  9 */ { .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 2, .imm = AF_INET6, .off = 31 - 10 },
        /* 10 */ { .code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = 10, .off = -4, .imm = PLACE_V6 },
        /* 11 */ { .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 6, .off = FIELD(local_ip6[0]) },
        /* 12 */ { .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 2, .off = 31 - 13 },
        /* 13 */ { .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 6, .off = FIELD(local_ip6[1]) },
        /* 14 */ { .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 2, .off = 31 - 15 },
        /* 15 */ { .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 6, .off = FIELD(local_ip6[2]) },
        /* 16 */ { .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 2, .off = 31 - 17 },
        /* 17 */ { .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 6, .off = FIELD(local_ip6[3]) },
        /* 18 */ { .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 2, .imm = (int32_t) htonl(1), .off = 31 - 19 },
        /* 19 */ { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10 },
        /* 20 */ { .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -4 },
        /* 21 */ { .code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map },
        /* 22 */ { 0 },
        /* 23 */ { .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_lookup_elem },
        /* 24 */ { .code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = 0, .off = 31 - 25 },
        /* 25 */ { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 7, .src_reg = 0 },
        /* 26 */ { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 6 },
        /* 27 */ { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 7 },
        /* 28 */ { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3 },
        /* 29 */ { .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_sk_assign },
        /* 30 */ { .code = BPF_JMP | BPF_JA, .off = 33 - 31 },
        /* 31 */ { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = SK_PASS },
        /* 32 */ { .code = BPF_JMP | BPF_EXIT },
        /* 33 */ { .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 7 },
        /* 34 */ { .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_sk_release },
        /* 35 */ { .code = BPF_JMP | BPF_JA, .off = 31 - 36 },
    };
    /* clang-format on */
    union bpf_attr load = { .prog_type = BPF_PROG_TYPE_SK_LOOKUP,
                            .expected_attach_type = BPF_SK_LOOKUP,
                            .insns = (uintptr_t) code,
                            .insn_cnt = G_N_ELEMENTS(code),
                            .license = (uintptr_t) LICENSE };

    return bpf(BPF_PROG_LOAD, &load);
}

/* The link keeps the program, and that the map; sockets leave a map when they are closed. */
static int
attach(int program)
{
    g_auto(CocoFd) namespace = open(OWN_NAMESPACE, O_RDONLY | O_CLOEXEC);
    union bpf_attr create = { .link_create = { .prog_fd = (uint32_t) program,
                                               .target_fd = (uint32_t) namespace,
                                               .attach_type = BPF_SK_LOOKUP } };

    return bpf(BPF_LINK_CREATE, &create);
}

bool
coco_loopback_listen(int out_fds[COCO_LOOPBACK_FDS_MAX], unsigned int *out_n, GError **error)
{
    const struct sockaddr_in v4_address = { .sin_family = AF_INET,
                                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct sockaddr_in6 v6_address = { .sin6_family = AF_INET6,
                                             .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
    g_auto(CocoFd) v4 = listen_at((const struct sockaddr *) &v4_address, sizeof v4_address);
    g_auto(CocoFd) v6 = -1;
    g_auto(CocoFd) map = -1;
    g_auto(CocoFd) program = -1;
    int link;

    if (v4 < 0)
        return fail(error, "listen on the loopback");
    v6 = listen_at((const struct sockaddr *) &v6_address, sizeof v6_address);
    (void) setrlimit(RLIMIT_MEMLOCK, &unlimited); /* Linux before 5.11 counts maps and programs */
    map = make_map((const int[N_PLACES]){ [PLACE_V4] = v4, [PLACE_V6] = v6 });
    if (map < 0)
        return fail(error, "make a map of sockets");
    program = load_program(map);
    if (program < 0)
        return fail(error, "load a program for socket lookup");
    link = attach(program);
    if (link < 0)
        return fail(error, "attach a program to the network namespace");
    *out_n = 0;
    out_fds[(*out_n)++] = link;
    out_fds[(*out_n)++] = coco_fd_steal(&v4);
    if (v6 >= 0)
        out_fds[(*out_n)++] = coco_fd_steal(&v6);
    return true;
}
