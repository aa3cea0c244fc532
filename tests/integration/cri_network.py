# SPDX-License-Identifier: Apache-2.0
"""Pods with the networks that Debian's CNI plugins make, through CRI: they reach each other, the node and other machines, and are
reached, as runc's."""
import hashlib
import http.client
import signal
import socket
import threading

from harness import cri, paths, processes
from harness.case import contains, equal
from harness.cni import FAR_OF_PODS, NODE, NodeNetwork, inside

SUITE = "cri"
SECONDS = 400
BULK = 100 << 20
SERVER = "mkdir /www; echo alive > /www/index.html; httpd -p 80 -h /www; " \
    "nc -ll -p 70 -e sha256sum & echo-server 127.0.0.1 17 & exec echo-server :: 7"


def bulk_through(connection, size):
    """Sends so many bytes and takes them back; what was sent and what came, as checksums."""
    data = processes.run([paths.PATTERN, "1", str(size)]).stdout
    connection.settimeout(120)

    def send():
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    sender = threading.Thread(target=send)
    sender.start()
    got = hashlib.sha256()
    while piece := connection.recv(1 << 20):
        got.update(piece)
    sender.join()
    return hashlib.sha256(data).hexdigest(), got.hexdigest()


def echo(connection, text=b"hello"):
    connection.sendall(text)
    equal(connection.recv(100), text)


def ask(network, address, text=b"datagram"):
    """One datagram from the node, and back."""
    with inside(network.node):
        client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(20)
    client.sendto(text, (address, 7))
    equal(client.recv(10000), text)
    client.close()


def probe(network, address):
    """As the kubelet's HTTP probe."""
    client = http.client.HTTPConnection(address)
    client.sock = network.connect(address, 80)
    client.request("GET", "/index.html")
    equal(client.getresponse().read(), b"alive\n")
    client.close()


def node_asks(network):
    """Everything that the first pod serves, on each of its interfaces."""
    for address in ("10.80.0.2", "fd80::2"):
        probe(network, address)
    for address in ("10.80.0.2", "fd80::2", "10.81.0.2", "fd81::2", "10.82.0.2", "fd82::2"):
        connection = network.connect(address, 7)
        echo(connection)
        connection.close()
        ask(network, address)
    ask(network, "10.81.0.2", b"x" * 8900)
    for address, size in (("10.80.0.2", BULK), ("fd81::2", BULK // 10)):
        sent, received = bulk_through(network.connect(address, 7), size)
        equal(received, sent, f"{size} bytes by {address}")
    connection = network.connect("10.83.0.2", 7, netns=network.far)  # a macvlan does not reach its own node
    echo(connection)
    connection.close()


def pods_ask(second):
    """The second pod asks the first one, the node and the other machine, by datagrams and by streams."""
    places = [(address, 7) for address in ("10.80.0.2", "fd80::2", "10.81.0.2", "fd81::2", "10.83.0.2")]
    places += [(address, 99) for address in ("10.80.0.1", "fd80::1", "10.82.0.1")]
    script = [f"echo-server -c {address} {port} to-{address}; echo by-stream | nc {address} {port}" for address, port in places]
    script += [f"pattern 2 {BULK // 50} | nc {address} 70" for address in ("10.80.0.2", "fd81::2", "10.83.0.2")]
    script += [f"ping -c 1 -W 5 {FAR_OF_PODS} | grep -o '1 packets received'"]
    out, code = second.exec("sh", "-c", "set -e; " + "; ".join(script))
    wanted = [line for address, _ in places for line in (f"to-{address}", "by-stream")]
    wanted += [hashlib.sha256(processes.run([paths.PATTERN, "2", str(BULK // 50)]).stdout).hexdigest() + "  -"] * 3
    equal((out.splitlines(), code), (wanted + ["1 packets received"], 0))


def forwards(network, pod):
    """What containerd does for port-forward: to a listener on all addresses, and to one on the loopback alone."""
    for port in (7, 17):
        stream = pod.forward(port)
        stream.send(b"forwarded")
        equal(stream.receive(), (0, b"forwarded"))
        stream.close()
    for address in ("127.0.0.1", "::1", "127.9.9.9"):
        connection = network.connect(address, 7, netns=pod.netns())
        echo(connection)
        connection.close()
    sent, received = bulk_through(network.connect("127.0.0.1", 17, netns=pod.netns()), BULK // 10)
    equal(received, sent, "10 MB through a forwarded port")
    try:  # coco can only reset what the kernel has connected
        network.connect("127.0.0.1", 18, netns=pod.netns()).recv(10)
        raise AssertionError("somebody listens on port 18")
    except (ConnectionRefusedError, ConnectionResetError):
        pass
    many = [network.connect("127.0.0.1", 7, netns=pod.netns()) for _ in range(20)]
    for connection in many:
        echo(connection)
        connection.close()


def looks_right(container, number):
    out = container.exec("sh", "-c", "ip -o address; ip route; cat /etc/resolv.conf")[0]
    for network in range(4):
        contains(out, f"inet 10.8{network}.0.{number}/24", f"inet6 fd8{network}::{number}/64")
    contains(out, "default via 10.80.0.1 dev eth0", "nameserver 10.0.0.1", "search a.example")
    links = {line.split(":")[1].strip().split("@")[0]: line for line in container.exec("ip", "-o", "link")[0].splitlines()}
    for name, mtu in (("eth0", 1400), ("eth1", 9000), ("eth2", 1500), ("eth3", 1500)):
        contains(links[name], f"mtu {mtu} ")


def test_two_pods(case):
    network = NodeNetwork(case)
    network.serve(case, 99)
    kubelet = cri.Kubelet(case, network=network)
    verify = case.clean(kubelet.node)
    first = cri.Pod(kubelet, ports=((7, 7777),))
    second = cri.Pod(kubelet, annotations={"kubernetes.io/ingress-bandwidth": "1G", "kubernetes.io/egress-bandwidth": "1G"})
    equal((first.address(), second.address()), ("10.80.0.2", "10.80.0.3"))
    server = first.container("server", SERVER)
    client = second.container("client", "exec sleep 1000")
    server.wait_output(["up"] * 2)
    looks_right(server, 2)
    looks_right(client, 3)
    node_asks(network)
    forwards(network, first)
    pods_ask(client)
    mapped = network.connect(NODE, 7777, netns=network.far)  # hostPort
    echo(mapped)
    connection = network.connect("10.80.0.2", 7)
    for number in (signal.SIGTERM, signal.SIGKILL):
        kubelet.restart(number)
        echo(connection, b"again")
    echo(mapped, b"still")
    mapped.close()
    connection.close()
    for pod in (first, second):
        pod.remove()
    equal(network.links(), [], "links on the node")
    verify()
