// SPDX-License-Identifier: Apache-2.0
/*
 * Statistics of interfaces: the kernel's own file, columns in their places, lines that are none.
 */
#include "guest/system/network.h"

#include <string.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#define TITLES                                                                                     \
    "Inter-|   Receive                                                |  Transmit\n"               \
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "     \
    "drop fifo colls carrier compressed\n"
#define NUMBERS " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"

Test(network, each_column_is_in_its_place)
{
    size_t n = 0;
    Grpc__NetworkStats **stats =
        coco_network_parse(TITLES "    lo:" NUMBERS "  eth0:" NUMBERS
                                  "eth1:18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
                           &n);

    cr_assert(eq(sz, n, 2), "the loopback is not counted");
    cr_expect_str_eq(stats[0]->name, "eth0");
    cr_expect(eq(u64, stats[0]->rx_bytes, 1));
    cr_expect(eq(u64, stats[0]->rx_packets, 2));
    cr_expect(eq(u64, stats[0]->rx_errors, 3));
    cr_expect(eq(u64, stats[0]->rx_dropped, 4));
    cr_expect(eq(u64, stats[0]->tx_bytes, 9));
    cr_expect(eq(u64, stats[0]->tx_packets, 10));
    cr_expect(eq(u64, stats[0]->tx_errors, 11));
    cr_expect(eq(u64, stats[0]->tx_dropped, 12));
    cr_expect_str_eq(stats[1]->name, "eth1");
    cr_expect(eq(u64, stats[1]->rx_bytes, UINT64_MAX));
    coco_network_stats_free(stats, n);
}

Test(network, lines_that_do_not_fit_are_skipped)
{
    size_t n = 1;
    Grpc__NetworkStats **stats =
        coco_network_parse(TITLES "short: 1 2 3\nwords: a b c d e f g h i j k l m n o p\n"
                                  "a-name-that-is-too-long:" NUMBERS ":" NUMBERS "no colon" NUMBERS
                                  "minus: -1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n",
                           &n);

    cr_expect(eq(sz, n, 0));
    coco_network_stats_free(stats, n);
}

Test(network, names_are_valid_in_a_message)
{
    size_t n = 0;
    Grpc__NetworkStats **stats = coco_network_parse("\xff\xfe:" NUMBERS, &n);

    cr_assert(eq(sz, n, 1));
    cr_expect(g_utf8_validate(stats[0]->name, -1, NULL));
    coco_network_stats_free(stats, n);
}

Test(network, their_number_is_bounded)
{
    g_autoptr(GString) text = g_string_new(TITLES);
    Grpc__NetworkStats **stats;
    size_t n = 0;

    for (unsigned int i = 0; i < 10 * COCO_NETWORK_MAX_INTERFACES; i++)
        g_string_append_printf(text, "veth%u:" NUMBERS, i);
    stats = coco_network_parse(text->str, &n);
    cr_expect(eq(sz, n, COCO_NETWORK_MAX_INTERFACES));
    coco_network_stats_free(stats, n);
}

/* Every line of what this kernel prints is understood. */
Test(network, the_kernels_own_file_is_understood)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    Grpc__NetworkStats **stats;
    size_t n = 0;

    cr_assert(g_file_get_contents(COCO_NETWORK_FILE, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    stats = coco_network_stats(COCO_NETWORK_FILE, &n);
    for (size_t i = 0; i < n; i++) {
        g_autofree char *start = g_strconcat(stats[i]->name, ":", NULL);

        cr_expect(strstr(text, start) != NULL);
    }
    cr_expect(eq(sz, n, g_strv_length(lines) - 4),
              "all lines but the titles, the loopback and the empty one");
    coco_network_stats_free(stats, n);
    stats = coco_network_stats("/proc/nonexistent", &n);
    cr_expect(eq(sz, n, 0));
    coco_network_stats_free(stats, n);
}
