# SPDX-License-Identifier: Apache-2.0
"""A container in a network namespace that somebody has made for it has that network: with coco its interfaces are the VM's. What is
seen from inside and from outside is the same with runc."""
import os
import subprocess

from harness import ociconfig, processes, vmconfig
from harness.case import contains, equal, one_line
from harness.container import kill_shim
from harness.netns import INSIDE4, INSIDE6, OUTSIDE4, OUTSIDE6, PodNetwork, ip
from harness.sandbox import Sandbox

SUM = processes.run(["sha256sum", "/bin/busybox"]).stdout.split()[0].decode()  # as large as one needs


SERVER = f"""
import hashlib, socket
server = socket.create_server(("{OUTSIDE4}", 78))
print("up", flush=True)
print(hashlib.sha256(server.accept()[0].makefile("rb").read()).hexdigest())
"""


def sent(case, network, container):
    """A file over IPv4 to the world outside; its checksum there."""
    server = processes.own(subprocess.Popen(network.outside("python3", "-c", SERVER), stdout=subprocess.PIPE, bufsize=0))
    case.defer(processes.disown, server)
    equal(server.stdout.readline(), b"up\n")
    container.exec("sh", "-c", f"nc {OUTSIDE4} 78 < /bin/busybox")
    return server.communicate(timeout=60)[0].decode().strip()


def received(case, network, container):
    """A file over IPv6 from the world outside; its checksum in the container, which answers with it."""
    server = case.node.popen(*container.exec_arguments("nc", "-l", "-p", "77", "-e", "sha256sum", exec_id="server"))
    client = f"until busybox nc {INSIDE6} 77 < /bin/busybox 2>/dev/null; do :; done"
    answer = processes.run(network.outside("sh", "-c", client)).stdout
    equal(case.node.finish(server).returncode, 0)
    return answer.split()[0].decode()


def test_reaches_and_is_reached(case):
    network = PodNetwork(case, case.node.new_id(), mtu=1400)
    links = network.links()
    container = case.container(flags=network.flags)
    equal(os.stat(f"/proc/{container.pid()}/ns/net").st_ino, network.path.stat().st_ino, "namespace of the task's process")
    shown = container.out("ip", "address", "show", "dev", "eth0")
    contains(shown, f"inet {INSIDE4}/24", f"inet6 {INSIDE6}/64", "mtu 1400", f"link/ether {network.mac()}")
    contains(container.out("ip", "route"), f"default via {OUTSIDE4} dev eth0")
    contains(container.out("ip", "-6", "route"), f"default via {OUTSIDE6} dev eth0")
    for address in (INSIDE4, INSIDE6):  # at once: nobody looks for duplicates first
        contains(processes.run(network.outside("busybox", "ping", "-c", "1", "-W", "5", address)).stdout, "1 packets received")
    for address in (OUTSIDE4, OUTSIDE6):
        contains(container.out("ping", "-c", "1", "-W", "5", address), "1 packets received")
    equal(sent(case, network, container), SUM)
    equal(received(case, network, container), SUM)
    if case.runtime == "coco":  # runc's shim tells nothing of the network
        equal([entry["name"] for entry in container.metrics()["network"]], ["eth0"], "interfaces in the statistics")
    container.remove()
    equal(network.links(), links, "links in the pod's namespace")
    equal(network.redirections(), [])


def loses(case, kill, topic):
    """Nothing is left in the namespace: neither a tap nor what leads to it."""
    network = PodNetwork(case, case.node.new_id())
    links = network.links()
    container = case.container(flags=network.flags)
    equal(len(network.links()), len(links) + 1, "the tap")
    assert "eth0" in network.redirections(), network.redirections()
    watch = case.events()
    kill(container)
    watch.wait(topic, container.id, seconds=30)
    container.remove()
    equal(network.links(), links, "links in the pod's namespace")
    equal(network.redirections(), [])
    ip("link", "delete", "eth0", netns=network.pod)  # as a CNI plugin does


def test_shim_is_killed(case):
    loses(case, lambda container: kill_shim(case.node, container.id), "/tasks/delete")  # after containerd has run `delete`


test_shim_is_killed.runtimes = ("coco",)


def test_vm_is_killed(case):
    loses(case, lambda container: processes.kill(case.node.qemu_pid(container.id)), "/tasks/exit")


test_vm_is_killed.runtimes = ("coco",)


def test_new_namespace(case):
    """One of the task's own, where nothing is but the loopback: whoever makes a network for the task's process does not meet the
    host's."""
    container = case.container()
    assert os.stat(f"/proc/{container.pid()}/ns/net").st_ino != os.stat("/proc/self/ns/net").st_ino, "the host's"
    links = processes.run(["nsenter", f"--net=/proc/{container.pid()}/ns/net", "ip", "-brief", "link"]).stdout.decode()
    equal([line.split()[0] for line in links.splitlines() if "@NONE" not in line], ["lo"])
    container.exec("sh", "-c", "echo-server 127.0.0.1 7 > /dev/null 2>&1 & until echo | nc 127.0.0.1 7; do :; done")
    talk = "ip link set lo up; echo through-the-loopback | timeout 20 busybox nc 127.0.0.1 7"
    answer = processes.run(["nsenter", f"--net=/proc/{container.pid()}/ns/net", "sh", "-c", talk]).stdout
    equal(answer, b"through-the-loopback\n")


def test_host_network(case):
    """A container that is to have the host's network is one clear error."""
    spec = ociconfig.base(ociconfig.root_file_system(case.directory), "true")
    spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] != "network"]
    result = case.node.ctr(*case.node.run_arguments(case.node.new_id(), flags=("--rm",),
                                                    config=ociconfig.write(case.directory / "config.json", spec)), check=False)
    assert result.returncode != 0
    contains(one_line(result.stderr), "the pod is to have the host's network, which a VM cannot share")


test_host_network.runtimes = ("coco",)


def test_model_user(case):
    """QEMU's own network needs no namespace; its router is the host."""
    node = case.private_node(config=vmconfig.write(case.directory / "user.conf", network={"model": "user"}))
    container = case.container_on(node)
    contains(container.out("ip", "address", "show", "dev", "eth0"), "inet 10.0.2.15/24")
    contains(container.out("ping", "-c", "1", "-W", "5", "10.0.2.2"), "1 packets received")


test_model_user.runtimes = ("coco",)


def test_two_interfaces(case):
    """With a queue for each CPU that the VM has for its pod, large packets, and a route of its own."""
    network = PodNetwork(case, case.node.new_id())
    network.cable("net1", "outside1", 9000, ("10.78.0.2/24",), ("10.78.0.1/24",))
    ip("route", "add", "10.79.0.0/16", "via", "10.78.0.1", "metric", "77", netns=network.pod)
    ip("address", "add", "10.79.0.1/32", "dev", "lo", netns=network.world)
    container = case.container(flags=(*network.flags, "--cpus", "1"))
    contains(container.out("ip", "route"), f"default via {OUTSIDE4} dev eth0", "10.79.0.0/16 via 10.78.0.1 dev net1  metric 77")
    contains(container.out("ip", "link", "show", "dev", "net1"), "mtu 9000", network.mac("net1"))
    if case.runtime == "coco":
        equal(container.out("ls", "/sys/class/net/net1/queues").split(), ["rx-0", "rx-1", "tx-0", "tx-1"])
    for address in (OUTSIDE4, "10.78.0.1", "10.79.0.1"):
        contains(container.out("ping", "-c", "1", "-W", "5", "-s", "1400", address), "1 packets received")
    contains(container.out("ping", "-c", "1", "-W", "5", "-s", "8900", "10.79.0.1"), "1 packets received")


def test_sandbox(case):
    """The Sandbox API names the namespace itself; a pod without a pause container has its network all the same."""
    network = PodNetwork(case, case.node.new_id())
    links = network.links()
    sandbox = Sandbox(case)
    sandbox.start(config=case.node.config)
    sandbox.good("CreateSandbox", f5=str(network.path))
    sandbox.good("StartSandbox")
    for address in (INSIDE4, INSIDE6):
        contains(processes.run(network.outside("busybox", "ping", "-c", "1", "-W", "5", address)).stdout, "1 packets received")
    status, text = sandbox.member("ip address show dev eth0; ip route").start().end()
    equal(status, 0)
    contains(text, f"inet {INSIDE4}/24", f"default via {OUTSIDE4} dev eth0")
    sandbox.good("StopSandbox")
    equal(network.links(), links, "links in the pod's namespace")
    equal(network.redirections(), [])
    sandbox.good("ShutdownSandbox")


test_sandbox.runtimes = ("coco",)
