# SPDX-License-Identifier: Apache-2.0
"""CRI as the kubelet speaks it to containerd: gRPC calls, messages by their field numbers (k8s.io/cri-api, runtime/v1). Pods have
the host's network, so that no CNI plugin is needed, unless their kubelet has one of its own (cni.py)."""

import contextlib
import json
import socket
import urllib.parse

from . import cni, containerd, events, once, patience, paths, processes, wire

PAUSE = "coco.local/pause:1"
POD, CONTAINER, NODE = 0, 1, 2  # NamespaceMode
READY, NOT_READY = 0, 1  # PodSandboxState
CREATED, RUNNING, EXITED = 0, 1, 2  # ContainerState

CONFIG = """
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{base}/cni"
    max_conf_num = 0
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{snapshotter}"
"""
RUNTIME = """
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}]
    runtime_type = "{type}"
    privileged_without_host_devices = true
"""


def pause_image():
    """What holds a pod of a pause container: a process that does nothing and ends when it is told to."""
    tar = paths.BUILD / "pause-image.tar"
    maker = paths.TESTS / "lib" / "make-oci-image"
    with once.maker("pause-image"):
        if tar.exists() and tar.stat().st_mtime >= maker.stat().st_mtime:
            return tar
        processes.run([maker, "--out", tar, "--name", PAUSE, "--cmd", "sh", "-c",
                       "trap 'exit 0' TERM INT; while :; do sleep 1000 & wait; done"])
    return tar


class Error(AssertionError):
    pass


class Kubelet:
    """A containerd with CRI, and the calls. network: a cni.NodeNetwork, if its pods have one."""

    def __init__(self, case, kind=containerd.Node, network=None):
        import grpc  # of Debian's python3-grpcio; only the suite cri needs it
        self.grpc, self.network, self.case = grpc, network, case
        self.node = case.private_node(kind, cri=self.config, netns=network and network.node)
        self.logs = case.directory / "logs"
        self.logs.mkdir()
        for image in (containerd.image_tar(), pause_image()):
            self.import_image(image)
        for name in ("io.containerd.grpc.v1.cri/containers", "io.containerd.grpc.v1.cri/sandboxes",
                     "io.containerd.runtime.v2.task/k8s.io"):  # of containerd, for good
            (self.node.state / name).mkdir(parents=True, exist_ok=True)
        self.connect()
        case.defer(lambda: self.channel.close())

    def config(self, node):
        """The default runtime, runc, must be there in any case."""
        plugins = self.network.plugins(node.base) if self.network else node.base / "cni"
        return CONFIG.format(pause=PAUSE, base=node.base, plugins=plugins, snapshotter=node.snapshotter) + "".join(
            RUNTIME.format(name=name, type=kind) for name, kind in containerd.RUNTIMES.items())

    def import_image(self, tar):
        local = ("--local",) if self.node.line >= (2, 0) else ()
        processes.run(["ctr", "--address", str(self.node.socket), "--namespace", "k8s.io", "images", "import", *local,
                       "--snapshotter", self.node.snapshotter, str(tar)], env=self.node.environment, seconds=120)

    def connect(self):
        """CRI answers a little later than containerd itself; its log changes with what it does until then."""
        self.channel = self.grpc.insecure_channel(f"unix://{self.node.socket}")
        assert events.wait_until(self.is_ready, [self.node.base], 60), "CRI does not answer"

    def is_ready(self):
        try:
            self.call("ListPodSandbox", {})
        except Error as error:
            if "not initialized yet" in str(error):
                return False
            raise
        return True

    def restart(self, number):
        """containerd ends by a signal and starts again."""
        self.channel.close()
        self.node.stop(number)
        self.node.start()
        self.connect()

    def call(self, method, fields, seconds=90):
        """The answer's fields."""
        try:
            answer = self.channel.unary_unary(f"/runtime.v1.RuntimeService/{method}")(
                wire.message(fields), timeout=patience.stretch(seconds), wait_for_ready=True)
        except self.grpc.RpcError as error:
            raise Error(f"{method}: {error.code()}: {error.details()}") from None
        return wire.fields(answer)


class Pod:
    def __init__(self, kubelet, shares_pid=False, cgroup_parent="", resources=None, ports=(), annotations=None):
        """ports: (of the container, of the host)"""
        self.kubelet, self.containers = kubelet, []
        name = kubelet.node.new_id()
        self.namespaces = {1: POD if kubelet.network else NODE, 2: POD if shares_pid else CONTAINER}
        self.config = {1: {1: name, 2: name, 3: "default"}, 3: str(kubelet.logs),
                       4: {1: ["10.0.0.1"], 2: ["a.example"]}, 5: [{2: inner, 3: outer} for inner, outer in ports],
                       7: [{1: key, 2: value} for key, value in (annotations or {}).items()],
                       8: {1: cgroup_parent, 2: {1: self.namespaces}} | ({5: resources} if resources else {})}
        self.id = kubelet.call("RunPodSandbox", {1: self.config, 2: kubelet.node.runtime})[1][0].decode()
        self.removed = False
        if kubelet.network:  # containerd's network namespaces are not below its directories
            kubelet.case.defer(self.give_up)

    def container(self, name, script, resources=None, mounts=()):
        config = {1: {1: name}, 2: {1: containerd.IMAGE}, 3: ["sh", "-c", script], 7: list(mounts), 11: f"{name}.log",
                  15: {1: resources or {}, 2: {3: self.namespaces}}}
        answer = self.kubelet.call("CreateContainer", {1: self.id, 2: config, 3: self.config})
        container = Container(self.kubelet, answer[1][0].decode(), self.kubelet.logs / f"{name}.log")
        self.kubelet.call("StartContainer", {1: container.id})
        return container

    def address(self):
        """Of its first interface, as the kubelet hears it."""
        status = self.kubelet.call("PodSandboxStatus", {1: self.id})[1][0]
        return wire.one(wire.one(status, 5, b""), 1, b"").decode()

    def netns(self):
        """The path of its network namespace."""
        info = dict((wire.one(entry, 1), wire.one(entry, 2)) for entry in
                    self.kubelet.call("PodSandboxStatus", {1: self.id, 2: True})[2])
        spec = json.loads(info[b"info"])["runtimeSpec"]
        return next(space["path"] for space in spec["linux"]["namespaces"] if space["type"] == "network")

    def forward(self, port):
        """A connection to a port of it as `kubectl port-forward` and `crictl port-forward` have it."""
        url = self.kubelet.call("PortForward", {1: self.id, 2: port})[1][0].decode()
        return PortForward(self.kubelet.network.node, url, port)

    def state(self):
        status = self.kubelet.call("PodSandboxStatus", {1: self.id})[1][0]
        return wire.one(status, 3)

    def give_up(self):
        with contextlib.suppress(Error):
            if not self.removed:
                self.remove()

    def remove(self):
        self.removed = True
        self.kubelet.call("StopPodSandbox", {1: self.id})
        self.kubelet.call("RemovePodSandbox", {1: self.id})


class PortForward:
    """One port by a web socket: binary messages that begin with their channel, 0 for data and 1 for an error."""

    def __init__(self, netns, url, port):
        parts = urllib.parse.urlsplit(url)
        with cni.inside(netns):
            self.socket = socket.create_connection((parts.hostname, parts.port), 20)
        self.file = self.socket.makefile("rb")
        self.socket.sendall(f"GET {parts.path}?port={port} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
                            f"Origin: http://{parts.netloc}\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n".encode())
        answer = self.file.readline()
        assert b" 101 " in answer, answer
        while self.file.readline() != b"\r\n":
            pass
        for _ in range(2):  # each channel begins with the port
            channel, data = self.receive()
            assert (channel in (0, 1), data) == (True, port.to_bytes(2, "little")), data

    def receive(self):
        """(channel, data)"""
        head = self.file.read(2)
        assert len(head) == 2, "the forwarded connection is gone"
        length = head[1] & 0x7F
        if length > 125:
            length = int.from_bytes(self.file.read(2 if length == 126 else 8), "big")
        message = self.file.read(length)
        return message[0], message[1:]

    def send(self, data):
        """Masked, with a mask that changes nothing."""
        assert len(data) < 125
        self.socket.sendall(bytes((0x82, 0x80 | len(data) + 1, 0, 0, 0, 0, 0)) + data)

    def close(self):
        self.file.close()
        self.socket.close()


class Container:
    def __init__(self, kubelet, identifier, log):
        self.kubelet, self.id, self.log = kubelet, identifier, log

    def call(self, method, **more):
        return self.kubelet.call(method, {1: self.id} | {int(k.removeprefix("f")): v for k, v in more.items()})

    def exec(self, *command):
        """(stdout, exit code)"""
        answer = self.call("ExecSync", f2=list(command), f3=60)
        return answer.get(1, [b""])[0].decode(), answer.get(3, [0])[0]

    def usage(self):
        """(nanoseconds of CPU time, bytes of the working set)"""
        stats = wire.fields(self.call("ContainerStats")[1][0])
        return tuple(wire.one(wire.one(stats[number][0], 2, b""), 1) for number in (2, 3))

    def status(self):
        """(state, exit code, reason)"""
        status = self.call("ContainerStatus")[1][0]
        return wire.one(status, 3), wire.one(status, 7), wire.one(status, 10, b"").decode()

    def wait_exited(self, seconds=60):
        """The status of one that has ended. CRI writes down each change of it."""
        directory = self.kubelet.node.base / "root" / "io.containerd.grpc.v1.cri" / "containers" / self.id
        assert directory.is_dir(), directory
        if not events.wait_until(lambda: self.status()[0] == EXITED, [directory], seconds):
            raise AssertionError(f"container {self.id} has not ended: {self.status()}")
        return self.status()

    def wait_output(self, wanted, stream="stdout", seconds=60):
        """Wait until the log has these lines of one stream, without CRI's time, stream and tag; more or others are a failure."""
        def lines():
            entries = [line.split(" ", 3) for line in self.log.read_text().splitlines()] if self.log.exists() else []
            return [entry[3] for entry in entries if entry[1] == stream]
        if not events.wait_until(lambda: len(lines()) >= len(wanted), [self.log.parent], seconds) or lines() != wanted:
            raise AssertionError(f"{stream} of container {self.id}: got {lines()}, want {wanted}")
