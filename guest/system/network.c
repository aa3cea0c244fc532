// SPDX-License-Identifier: Apache-2.0
/*
 * Parsing of /proc/net/dev: two lines of titles, then "NAME: 8 numbers received, 8 sent". The
 * columns have been the same since Linux 2.2 (dev_seq_printf_stats). A line that does not fit is
 * skipped rather than believed; no name has a colon or a space in it (dev_valid_name).
 */
#include "guest/system/network.h"

#include <net/if.h>
#include <string.h>

#define LOOPBACK "lo"

enum {
    RX_BYTES,
    RX_PACKETS,
    RX_ERRORS,
    RX_DROPPED,
    TX_BYTES = 8,
    TX_PACKETS,
    TX_ERRORS,
    TX_DROPPED,
    N_COLUMNS = 16,
};

static bool
parse_columns(const char *text, uint64_t *columns)
{
    for (unsigned int i = 0; i < N_COLUMNS; i++) {
        char *end = NULL;

        text += strspn(text, " ");
        if (!g_ascii_isdigit(*text))
            return false;
        columns[i] = g_ascii_strtoull(text, &end, 10);
        text = end;
    }
    return true;
}

/* NULL: not the line of an interface, or of the loopback. */
static Grpc__NetworkStats *
parse_line(char *line)
{
    char *colon = strchr(line, ':');
    uint64_t columns[N_COLUMNS];
    Grpc__NetworkStats *stats;
    const char *name;

    if (colon == NULL || !parse_columns(colon + 1, columns))
        return NULL;
    *colon = '\0';
    name = g_strstrip(line);
    if (*name == '\0' || strlen(name) >= IFNAMSIZ || strcmp(name, LOOPBACK) == 0)
        return NULL;
    stats = g_new(Grpc__NetworkStats, 1);
    grpc__network_stats__init(stats);
    stats->name = g_utf8_make_valid(name, -1); /* the kernel takes any bytes, a message does not */
    stats->rx_bytes = columns[RX_BYTES];
    stats->rx_packets = columns[RX_PACKETS];
    stats->rx_errors = columns[RX_ERRORS];
    stats->rx_dropped = columns[RX_DROPPED];
    stats->tx_bytes = columns[TX_BYTES];
    stats->tx_packets = columns[TX_PACKETS];
    stats->tx_errors = columns[TX_ERRORS];
    stats->tx_dropped = columns[TX_DROPPED];
    return stats;
}

Grpc__NetworkStats **
coco_network_parse(const char *text, size_t *out_n)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    Grpc__NetworkStats **found = g_new0(Grpc__NetworkStats *, COCO_NETWORK_MAX_INTERFACES);
    size_t n = 0;

    for (size_t i = 0; lines[i] != NULL && n < COCO_NETWORK_MAX_INTERFACES; i++) {
        found[n] = parse_line(lines[i]);
        n += found[n] != NULL ? 1 : 0;
    }
    *out_n = n;
    return found;
}

Grpc__NetworkStats **
coco_network_stats(const char *path, size_t *out_n)
{
    g_autofree char *text = NULL;

    (void) g_file_get_contents(path, &text, NULL, NULL);
    return coco_network_parse(text != NULL ? text : "", out_n);
}

void
coco_network_stats_free(Grpc__NetworkStats **stats, size_t n)
{
    for (size_t i = 0; i < n; i++)
        grpc__network_stats__free_unpacked(stats[i], NULL);
    g_free(stats);
}
