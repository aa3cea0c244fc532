# SPDX-License-Identifier: Apache-2.0
"""A shim driven as containerd drives it, without containerd: `start` in a bundle, ttrpc calls, `delete`. For what
containerd itself would refuse to pass on: broken config.json, odd ids, broken frames."""
import hashlib
import json
import os

from . import ociconfig, processes, ttrpc, wire
from .containerd import NAMESPACE

BINARIES = {"runc": "containerd-shim-runc-v2", "coco": "containerd-shim-coco-v2"}


class Shim:
    def __init__(self, case, identifier=None, spec=None, config_text=None):
        self.case, self.node = case, case.node
        self.id = identifier or case.node.new_id()
        self.bundle = case.directory / "bundles" / hashlib.sha256(self.id.encode()).hexdigest()[:8]
        (self.bundle / "rootfs").mkdir(parents=True)
        os.mkfifo(self.bundle / "log")
        # As containerd: the log fifo has a reader, whose end is also open for writing.
        log = os.open(self.bundle / "log", os.O_RDWR | os.O_NONBLOCK)
        case.defer(os.close, log)
        if config_text is None:
            config_text = json.dumps(ociconfig.join(spec or ociconfig.base("rootfs", "sleep", "1000"), self.node.pod))
        (self.bundle / "config.json").write_text(config_text)
        self.connection, self.service = None, ttrpc.TASK

    def command(self, verb, *more):
        return [BINARIES[self.node.runtime], "-namespace", NAMESPACE, "-address", str(self.node.socket),
                "-publish-binary", str(self.node.program), "-id", self.id, *more, verb]

    def environment(self):
        return dict(self.node.environment, TTRPC_ADDRESS=f"{self.node.socket}.ttrpc", GOMAXPROCS="2",
                    GRPC_ADDRESS=str(self.node.socket))

    def start(self, check=True, seconds=60, stdin=None, env=None, pass_fds=()):
        """Run `start`; connects when it says where. Cleanup is registered whatever it says."""
        self.case.defer(self.delete)
        result = processes.run(self.command("start"), env=self.environment() | (env or {}), cwd=self.bundle, check=check,
                               seconds=seconds, stdin=stdin, pass_fds=pass_fds)
        if result.returncode == 0:
            self.service = self.service_in(result.stdout)
            self.address = self.address_in(result.stdout)
            self.connection = ttrpc.Connection(self.address.removeprefix("unix://"))
            self.case.defer(self.connection.close)
        return result

    @staticmethod
    def address_in(output):
        """Of the three forms in which a shim says it: plain, JSON, protobuf."""
        if output.startswith(b"{"):
            return json.loads(output)["address"]
        return output.decode() if output.startswith(b"unix://") else wire.one(output, 2, b"").decode()

    @staticmethod
    def service_in(output):
        """The Task service that it announces: that of runc's shim of 2.x is the third and no other."""
        if output.startswith(b"{") and json.loads(output)["version"] == 3:
            return ttrpc.TASK.replace("v2", "v3")
        return ttrpc.TASK

    def call(self, method, fields=None, seconds=60, service=None):
        payload = fields if isinstance(fields, bytes) else wire.message(fields or {})
        return self.connection.call(service or self.service, method, payload, seconds)

    def create(self, identifier=None, **fields):
        numbers = {"rootfs": 3, "terminal": 4, "stdin": 5, "stdout": 6, "stderr": 7, "options": 10}
        body = {1: identifier if identifier is not None else self.id, 2: str(self.bundle)}
        body.update({numbers[name]: value for name, value in fields.items()})
        return self.call("Create", body, seconds=120)

    def shutdown(self):
        """runc's newer shims may be gone before they have answered, which containerd takes for an answer."""
        try:
            return self.call("Shutdown", {1: self.id, 2: True})
        except (ttrpc.Closed, ConnectionResetError):
            assert self.node.runtime == "runc", "the shim closed its connection instead of an answer"
            return ttrpc.Reply(0, b"")

    def delete(self, check=False):
        """The `delete` command, as containerd runs it when the shim is gone. May be repeated."""
        return processes.run(self.command("delete", "-bundle", str(self.bundle)), env=self.environment(),
                             cwd=self.bundle, check=check, seconds=60)
