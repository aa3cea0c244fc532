# SPDX-License-Identifier: Apache-2.0
"""A node's network with Debian's CNI plugins, without touching the machine's own: containerd runs in a network namespace that stands
for the node, and a virtual cable leads from there to one that stands for another machine."""
import contextlib
import ctypes
import json
import os
import pathlib
import socket
import subprocess

from . import paths, processes
from .containerd import Node
from .netns import ip

PLUGINS = pathlib.Path("/usr/lib/cni")
CLONE_NEWNET = 0x40000000
# The cable: eth3 of the pods is on it, too.
NODE, FAR, FAR_OF_PODS = "10.84.0.1", "10.84.0.2", "10.83.0.250"


@contextlib.contextmanager
def inside(netns):
    """This thread in the network namespace, by name or path; sockets that are made there stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", encoding="utf-8") as home, open(pathlib.Path("/run/netns") / netns, encoding="utf-8") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"enter {netns}")
        try:
            yield
        finally:
            if libc.setns(home.fileno(), CLONE_NEWNET) != 0:
                os._exit(99)  # nothing may go on in there


def ranges(number):
    """Addresses of the network of eth<number>: 10.8<number>.0.2 and fd8<number>::2 are the first pod's."""
    return {"type": "host-local", "ranges": [[{"subnet": f"10.8{number}.0.0/24"}], [{"subnet": f"fd8{number}::/64"}]]}


class NodeNetwork:
    """eth0: bridge with portmap, bandwidth and tuning, which makes its MTU 1400; eth1: bridge, 9000; eth2: ptp; eth3: macvlan."""

    def __init__(self, case):
        name = case.node.new_id()
        self.node, self.far = f"{name}-node", f"{name}-far"
        for netns in (self.node, self.far):
            ip("netns", "add", netns)
            case.defer(ip, "netns", "delete", netns)
            ip("link", "set", "lo", "up", netns=netns)
        ip("link", "add", "up0", "netns", self.node, "type", "veth", "peer", "name", "far0", "netns", self.far)
        for netns, link, addresses in ((self.node, "up0", (NODE,)), (self.far, "far0", (FAR, FAR_OF_PODS))):
            for address in addresses:
                ip("address", "add", f"{address}/24", "dev", link, netns=netns)
            ip("link", "set", link, "up", netns=netns)

    def plugins(self, base):
        """Where they are. Writes the configuration of the four networks, for the containerd that lives there."""
        def addresses(number):
            return ranges(number) | {"dataDir": str(base / "addresses")}

        def bridge(number, mtu):
            return {"type": "bridge", "bridge": f"br{number}", "isGateway": True, "mtu": mtu, "ipam": addresses(number)}
        first = bridge(0, 1500)
        first["ipam"]["routes"] = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]
        chains = [
            [first, {"type": "tuning", "mtu": 1400}, {"type": "bandwidth", "capabilities": {"bandwidth": True}},
             {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}],
            [bridge(1, 9000)],
            [{"type": "ptp", "ipam": addresses(2)}],
            [{"type": "macvlan", "master": "up0", "mode": "bridge", "ipam": addresses(3)}],
        ]
        (base / "cni").mkdir(exist_ok=True)
        for number, chain in enumerate(chains):
            (base / "cni" / f"{number}.conflist").write_text(
                json.dumps({"cniVersion": "0.4.0", "name": f"{base.name}-{number}", "plugins": chain}))
        return PLUGINS

    def links(self):
        """What pods have left on the node: links, but for those that plugins keep for the next pod."""
        found = json.loads(ip("-json", "link", netns=self.node))
        return sorted(link["ifname"] for link in found if link["ifname"] not in ("lo", "up0", "br0", "br1"))

    def connect(self, address, port, netns=None, seconds=20):
        """A connection from the node, or from another namespace."""
        with inside(netns or self.node):
            connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        connection.settimeout(seconds)
        connection.connect((address, port))
        return connection

    def serve(self, case, port):
        """What gives back what it gets, on all addresses of the node."""
        server = processes.own(subprocess.Popen(["nsenter", f"--net=/run/netns/{self.node}", paths.ECHO_SERVER, "::", str(port)],
                                                stdout=subprocess.PIPE))
        case.defer(processes.disown, server)
        case.defer(server.communicate)
        case.defer(server.kill)
        assert server.stdout.readline() == b"up\n", "the node's server does not start"


class CtrNode(Node):
    """A containerd in such a network whose ctr finds the plugins, and the first of the networks, where it looks for them by default:
    below /etc/cni and /opt/cni, of its own mount namespace."""

    def __init__(self, runtime, network, directory, **options):
        super().__init__(runtime, netns=network.node, **options)
        self.etc, self.opt = directory / "etc", directory / "opt"
        (self.etc / "cni").mkdir(parents=True)
        (self.opt / "cni").mkdir(parents=True)
        (self.opt / "cni" / "bin").symlink_to(network.plugins(directory))
        (self.etc / "cni" / "net.d").symlink_to(directory / "cni")

    def command(self, *arguments):
        script = f"mount --bind {self.etc} /etc && mount --bind {self.opt} /opt && exec \"$@\""
        return ["nsenter", f"--net=/run/netns/{self.netns}", "unshare", "--mount", "sh", "-c", script, "sh",
                *super().command(*arguments)]
