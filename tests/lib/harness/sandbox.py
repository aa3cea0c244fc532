# SPDX-License-Identifier: Apache-2.0
"""A shim driven as containerd 2 drives it for a sandbox: the Sandbox service, and on the same connection Task v3 for the
containers in it."""
import json

from . import ociconfig, processes, ttrpc, vmconfig, wire
from .containerd import NAMESPACE
from .shim import Shim

SERVICE = "containerd.runtime.sandbox.v1.Sandbox"
TASK_V3 = "containerd.task.v3.Task"
READY, NOT_READY = b"SANDBOX_READY", b"SANDBOX_NOTREADY"


def cri_options(hostname="", servers=(), searches=(), options=(), annotations=None, sysctls=None, resources=None):
    """PodSandboxConfig as CRI sends it."""
    config = {2: hostname, 7: [{1: key, 2: value} for key, value in (annotations or {}).items()]}
    if sysctls or resources:
        config[8] = {3: [{1: key, 2: value} for key, value in (sysctls or {}).items()]} | ({5: resources} if resources else {})
    dns = {1: list(servers), 2: list(searches), 3: list(options)}
    if any(dns.values()):
        config[4] = dns
    return {1: "runtime.v1.PodSandboxConfig", 2: wire.message(config)}


class Member:
    """A container of the sandbox. Its output is in a file."""

    def __init__(self, sandbox, spec, rootfs=()):
        self.sandbox, self.id, self.rootfs = sandbox, sandbox.node.new_id(), list(rootfs)
        self.bundle = sandbox.case.directory / "bundles" / self.id
        (self.bundle / "rootfs").mkdir(parents=True)
        (self.bundle / "config.json").write_text(json.dumps(spec))
        self.out = self.bundle / "out"

    def call(self, method, seconds=60, **more):
        fields = {1: self.id} | {int(k.removeprefix("f")): v for k, v in more.items()}
        return self.sandbox.call(method, fields, seconds=seconds, service=TASK_V3)

    def create(self):
        return self.sandbox.connection.reply_to(self.send_create(), 120)

    def send_create(self):
        """Create, whose answer is read later."""
        body = {1: self.id, 2: str(self.bundle), 3: self.rootfs, 6: f"file://{self.out}", 7: f"file://{self.out}"}
        return self.sandbox.connection.send(TASK_V3, "Create", wire.message(body))

    def start(self):
        for reply in (self.create(), self.call("Start")):
            assert reply.code == 0, reply
        return self

    def wait(self):
        """Its exit status."""
        return wire.one(self.call("Wait").payload, 1)

    def end(self):
        """What it has written by its end; it is deleted then."""
        status = self.wait()
        reply = self.call("Delete")
        assert reply.code == 0, reply
        return status, self.out.read_text()


class Sandbox(Shim):
    def __init__(self, case, with_spec=False):
        super().__init__(case)
        if not with_spec:
            (self.bundle / "config.json").unlink()  # as CRI's sandboxes
        self.root = ociconfig.root_file_system(case.directory)

    def start(self, config=None):
        # Most tests name no network namespace, which means the host's.
        config = config or vmconfig.write(self.case.directory / "sandbox.conf", network={"model": "none"})
        env = {"MAX_SHIM_VERSION": "2", "COCO_CONFIG": str(config)}
        params = {1: self.id, 2: NAMESPACE, 4: "v2.3.4", 5: f"{self.node.socket}.ttrpc", 6: str(self.node.socket)}
        result = super().start(stdin=wire.message(params), env=env)
        assert wire.one(result.stdout, 1) == 3, result
        return result

    def sandbox(self, method, seconds=120, **more):
        fields = {1: self.id} | {int(k.removeprefix("f")): v for k, v in more.items()}
        return self.call(method, fields, seconds=seconds, service=SERVICE)

    def good(self, method, **more):
        """The payload of an answer that must be one."""
        reply = self.sandbox(method, **more)
        assert reply.code == 0, f"{method}: {reply}"
        return reply.payload

    def run(self, **create):
        """From `start` to a sandbox that is ready."""
        self.start()
        self.good("CreateSandbox", f2=str(self.bundle), **create)
        self.good("StartSandbox")
        return self

    def status(self):
        return wire.fields(self.good("SandboxStatus", f2=1))

    def send(self, method):
        """A call whose answer is read later, with reply_to()."""
        return self.connection.send(SERVICE, method, wire.message({1: self.id}))

    def spec(self, script, shares=()):
        """shares: namespaces that are the pod's, as containerd says it."""
        spec = ociconfig.base(self.root, "sh", "-c", script)
        for namespace in spec["linux"]["namespaces"]:
            if namespace["type"] in shares:
                namespace["path"] = f"/proc/1/ns/{namespace['type']}"
        return spec

    def member(self, script, shares=(), change=None, rootfs=()):
        spec = self.spec(script, shares)
        if change:
            change(spec)
        return Member(self, spec, rootfs)

    def wait_gone(self):
        """The shim ends by itself: its connection first."""
        pid = int((self.bundle / "shim.pid").read_text())
        try:
            reply = self.connection.reply_to(10 ** 6, 30)
        except (ttrpc.Closed, ConnectionResetError):
            left = processes.wait_gone([pid], 30)
            assert not left, f"the shim has not ended: {left}"
            return
        raise AssertionError(f"an answer to no call: {reply}")
