// SPDX-License-Identifier: Apache-2.0
/*
 * Fuzzes what a host says of an interface: what passes the check is what the kernel is asked for.
 */
#include <net/if.h>
#include <string.h>

#include "guest-protocol/proto/pb.h"
#include "guest/network/interface.h"
#include "guest/network/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    Types__Interface *interface =
        (Types__Interface *) coco_pb_unpack(&types__interface__descriptor, data, size, NULL);
    bool accepted = interface != NULL && coco_interface_check(interface, &error);

    g_assert_true(interface == NULL || accepted == (error == NULL));
    if (accepted) {
        g_autoptr(NlAddr) mac = coco_netlink_mac(interface->hwaddr, NULL);
        g_autofree char *again = coco_netlink_text(mac);

        g_assert_cmpint(g_ascii_strcasecmp(again, interface->hwaddr), ==, 0);
        g_assert_cmpuint(strlen(interface->name), <, IFNAMSIZ);
        g_assert_null(strchr(interface->name, '/'));
        g_assert_cmpstr(interface->name, !=, "lo");
    }
    coco_pb_free((ProtobufCMessage *) interface);
    return 0;
}
