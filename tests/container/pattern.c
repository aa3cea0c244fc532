/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte pattern for stream tests: `pattern SEED BYTES` writes exactly BYTES bytes to stdout that
 * depend on SEED and on every position, so that a lost, doubled or reordered piece changes the
 * checksum. Runs inside the test container and, the same static binary, on the host for the
 * expected checksum. With `pattern -e SEED2 SEED BYTES` a second stream goes to stderr, interleaved
 * block by block.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES 16384

typedef struct {
    uint64_t seed;
    uint64_t offset;
    uint8_t bytes[BLOCK_BYTES];
} Pattern;

static void
pattern_fill(Pattern *pattern)
{
    uint64_t x = (pattern->seed + 1) * 0x9e3779b97f4a7c15U + pattern->offset;

    for (size_t i = 0; i < BLOCK_BYTES; i += sizeof(x)) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(pattern->bytes + i, &x, sizeof(x));
    }
}

static bool
write_all(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, bytes, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        length -= (size_t) n;
    }
    return true;
}

static bool
pattern_write_block(Pattern *pattern, int fd, uint64_t total)
{
    uint64_t left = total - pattern->offset;
    size_t length = left < BLOCK_BYTES ? (size_t) left : BLOCK_BYTES;

    pattern_fill(pattern);
    pattern->offset += length;
    return write_all(fd, pattern->bytes, length);
}

int
main(int argc, char **argv)
{
    bool both = argc == 5 && strcmp(argv[1], "-e") == 0;
    static Pattern out;
    static Pattern err;
    uint64_t total;

    if (!both && argc != 3) {
        fprintf(stderr, "usage: pattern [-e SEED-OF-STDERR] SEED BYTES\n");
        return 2;
    }
    err.seed = both ? strtoull(argv[2], NULL, 10) : 0;
    out.seed = strtoull(argv[argc - 2], NULL, 10);
    total = strtoull(argv[argc - 1], NULL, 10);
    while (out.offset < total) {
        if (!pattern_write_block(&out, STDOUT_FILENO, total))
            return 1;
        if (both && !pattern_write_block(&err, STDERR_FILENO, total))
            return 1;
    }
    return 0;
}
