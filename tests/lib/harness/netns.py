# SPDX-License-Identifier: Apache-2.0
"""A pod's network as a CNI plugin makes it, without touching the machine's own: one network namespace for the pod, one that stands
for the world outside, a virtual cable between them."""
import json
import pathlib

from . import processes

OUTSIDE4, INSIDE4 = "10.77.0.1", "10.77.0.2"
OUTSIDE6, INSIDE6 = "fd77::1", "fd77::2"


def ip(*arguments, netns=None):
    return processes.run(["ip", *(("-n", netns) if netns else ()), *arguments]).stdout.decode()


class PodNetwork:
    """eth0 of the pod has INSIDE4/24 and INSIDE6/64 and leads to OUTSIDE4 and OUTSIDE6."""

    def __init__(self, case, name, mtu=1500):
        self.pod, self.world = f"{name}-pod", f"{name}-world"
        for netns in (self.pod, self.world):
            ip("netns", "add", netns)
            case.defer(ip, "netns", "delete", netns)
            ip("link", "set", "lo", "up", netns=netns)
        self.path = pathlib.Path("/run/netns") / self.pod
        self.cable("eth0", "outside0", mtu, (f"{INSIDE4}/24", f"{INSIDE6}/64"), (f"{OUTSIDE4}/24", f"{OUTSIDE6}/64"))
        ip("route", "add", "default", "via", OUTSIDE4, netns=self.pod)
        ip("route", "add", "default", "via", OUTSIDE6, netns=self.pod)
        self.flags = ("--with-ns", f"network:{self.path}")

    def cable(self, inside, outside, mtu, addresses_inside, addresses_outside):
        ip("link", "add", inside, "netns", self.pod, "mtu", str(mtu), "type", "veth",
           "peer", "name", outside, "netns", self.world, "mtu", str(mtu))
        for netns, link, addresses in ((self.pod, inside, addresses_inside), (self.world, outside, addresses_outside)):
            for address in addresses:
                ip("address", "add", address, "dev", link, *(("nodad",) if ":" in address else ()), netns=netns)
            ip("link", "set", link, "up", netns=netns)

    def links(self):
        """The names of the links that the pod's namespace has, the loopback aside."""
        return sorted(link["ifname"] for link in json.loads(ip("-json", "link", netns=self.pod)) if link["ifname"] != "lo")

    def mac(self, link="eth0"):
        return json.loads(ip("-json", "link", "show", "dev", link, netns=self.pod))[0]["address"]

    def redirections(self):
        """What takes the place of arriving packets' usual way, on any link."""
        return [qdisc["dev"] for qdisc in json.loads(processes.run(["tc", "-json", "-n", self.pod, "qdisc", "show"]).stdout)
                if qdisc["kind"] == "ingress"]

    def outside(self, *command):
        """The command line of a program that runs in the world outside."""
        return ["ip", "netns", "exec", self.world, *command]
