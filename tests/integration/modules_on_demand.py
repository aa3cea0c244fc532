# SPDX-License-Identifier: Apache-2.0
"""What a container with CAP_NET_ADMIN asks the kernel for is there when it is asked for, as on a host: kinds of interfaces, tables,
rules, queueing disciplines, tunnels. Until then no module of it is loaded. What runc's containers get is for their host to say, so it
is asked first."""
import os
import re
import shutil

from harness import processes
from harness.case import contains, equal

SECONDS = 300
TOOLS = {"ip": "ip", "tc": "tc", "nft": "nft", "iptables": "xtables-nft-multi", "ip6tables": "xtables-nft-multi",
         "iptables-legacy": "xtables-legacy-multi", "ip6tables-legacy": "xtables-legacy-multi"}
LOADER = "ld-linux-x86-64.so.2"
PLUGINS = "/usr/lib/x86_64-linux-gnu/xtables"
PREFIX = f"""set -e
export XTABLES_LIBDIR=/tools/xtables XTABLES_LOCKFILE=/tmp/xtables.lock
t() {{ name=$1; shift; /tools/lib/{LOADER} --library-path /tools/lib /tools/bin/$name "$@"; }}
"""

# In order: some need what others have made. Each is asked of the host alone, in a network namespace, before runc's container gets it.
ASKS = (
    "t ip link add d0 type dummy",
    "t ip link add v0 type veth peer name v1",
    "t ip link add br0 type bridge && t ip link set v1 master br0",
    "brctl addbr br1",
    "t ip link add vx0 type vxlan id 5 dstport 4789 dev v0",
    "t ip link add gn0 type geneve id 5 remote 192.0.2.1",
    "t ip link add link v0 name vlan5 type vlan id 5",
    "t ip link add mv0 link v0 type macvlan mode bridge",
    "t ip link add wg0 type wireguard",
    "t ip link add ipip5 type ipip local 192.0.2.1 remote 192.0.2.2",
    "t ip link add gre5 type gre local 192.0.2.1 remote 192.0.2.2",
    "t ip -6 tunnel add sit5 mode ip6ip6 local 2001:db8::1 remote 2001:db8::2",
    "t nft add table inet one",
    "t nft 'add chain inet one nat { type nat hook postrouting priority 100; }' && t nft add rule inet one nat masquerade",
    "t nft 'add chain inet one input { type filter hook input priority 0; }' && t nft add rule inet one input ct state established accept",
    "t nft add rule inet one input limit rate 5/minute log prefix x",
    "t iptables -t nat -A PREROUTING -p tcp -j REDIRECT --to-ports 15006",  # what a service mesh's init container does
    "t iptables -t nat -A OUTPUT -p tcp -m owner --uid-owner 1337 -j RETURN",
    "t iptables -t mangle -A PREROUTING -p tcp -m conntrack --ctstate INVALID -j DROP",
    "t ip6tables -t nat -A POSTROUTING -j MASQUERADE",
    "t iptables-legacy -t nat -A POSTROUTING -m comment --comment x -j MASQUERADE",
    "t ip6tables-legacy -t filter -A INPUT -p tcp -m multiport --dports 80,443 -j REJECT",
    "t tc qdisc add dev v0 root handle 1: htb && t tc qdisc add dev v0 clsact",
    "t tc filter add dev v0 ingress matchall action mirred egress redirect dev v1",
)
# Of ASKS, what is loaded by then, in the guest.
LOADED = {"bridge", "vxlan", "wireguard", "nf_tables", "nft_masq", "iptable_nat", "nf_nat", "sch_htb", "cls_matchall",
          "act_mirred"}


def libraries(program):
    text = processes.run(["ldd", program]).stdout.decode()
    return re.findall(r"(?:=> |^\s)(/\S+)", text, re.M)


def tools(directory):
    """The programs with all that they need, for a root file system that has none of it."""
    for name in ("bin", "lib"):
        (directory / name).mkdir(parents=True)
    for name, source in TOOLS.items():
        path = shutil.which(source, path="/usr/sbin:/usr/bin:/sbin:/bin")
        assert path, f"{source}: not installed (packaging/install-deps --test)"
        shutil.copy(path, directory / "bin" / name)
        for library in libraries(path):
            shutil.copy(os.path.realpath(library), directory / "lib" / os.path.basename(library))
    shutil.copytree(PLUGINS, directory / "xtables", symlinks=True)
    return directory


def host_can(directory):
    """Those that the host's kernel does for a network namespace."""
    commands = "\n".join(f"({ask}) >/dev/null 2>&1 && echo {number} || :" for number, ask in enumerate(ASKS))
    script = PREFIX.replace("/tools/", f"{directory}/") + commands.replace("brctl", "busybox brctl")
    return {int(word) for word in processes.run(["unshare", "--net", "busybox", "sh", "-c", script]).stdout.split()}


def test_what_a_privileged_container_asks_for(case):
    directory = tools(case.directory / "tools")
    wanted = set(range(len(ASKS))) if case.runtime == "coco" else host_can(directory)
    container = case.container(flags=("--privileged", "--mount", f"type=bind,src={directory},dst=/tools,options=rbind:ro"))
    if case.runtime == "coco":
        before = set(container.out("cut", "-d", " ", "-f", "1", "/proc/modules").split())
        assert not before & LOADED, before & LOADED
    script = PREFIX + "\n".join(f"({ask}) || echo failed: {number}" for number, ask in enumerate(ASKS) if number in wanted)
    result = container.exec("sh", "-c", f"exec 2>&1\n{script}", seconds=200)
    shown = result.stdout.decode()
    assert "failed" not in shown, "\n".join([*(ASKS[int(n)] for n in re.findall(r"failed: (\d+)", shown)), shown])
    unknown = container.exec("sh", "-c", PREFIX + "t ip link add x0 type no-such 2>&1 || :").stdout.decode()
    contains(unknown, "Unknown device type")
    if case.runtime == "coco":
        after = set(container.out("cut", "-d", " ", "-f", "1", "/proc/modules").split())
        equal(LOADED - after, set(), "modules that are not loaded")
