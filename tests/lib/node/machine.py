# SPDX-License-Identifier: Apache-2.0
"""One run of a node VM: boot, command, its streams and its exit code, results, power off.

Everything between the two goes through virtio-serial ports on socket pairs, the disks are snapshots on unlinked files, and the
kernel kills QEMU when this process ends in whatever way: so a run leaves no file, socket, mount or process behind."""
import base64
import ctypes
import io
import os
import pathlib
import secrets
import selectors
import shlex
import signal
import socket
import subprocess
import tarfile
import time

from . import accel as accel_module
from .base import NodeError

PORTS = ("console", "control", "stdout", "stderr", "results")
CONSOLE_KEPT = 1 << 16
RESULTS_LIMIT = 1 << 28
CONTROL_LIMIT = 1 << 16
BOOT_SECONDS = 240
OFF_SECONDS = 15
PR_SET_PDEATHSIG = 1


class Hang(NodeError):
    """The node did not come up, or said nothing for too long."""


class Stream:
    """What comes before the end marker goes to sink; the marker says that nothing is missing."""

    def __init__(self, sink, marker):
        self.sink, self.marker, self.held, self.ended = sink, marker, b"", False

    def feed(self, data):
        if self.ended:
            return
        self.held += data
        end = self.held.find(self.marker)
        if end >= 0:
            self.ended = True
            self.sink(self.held[:end])
            self.held = b""
            return
        # Hold back only what can be the beginning of a marker.
        start = self.held.rfind(self.marker[:1], max(0, len(self.held) - len(self.marker)))
        start = len(self.held) if start < 0 else start
        self.sink(self.held[:start])
        self.held = self.held[start:]


def die_with_parent(parent):
    """In the child, before exec: the parent may have ended already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


class Machine:
    def __init__(self, base, project, memory_mib=4096, cpus=2):
        self.base, self.project = base, project
        self.memory_mib, self.cpus = memory_mib, cpus
        self.console, self.control = b"", b""
        self.results = io.BytesIO()
        self.exit_code, self.boot_seconds, self.popen = None, None, None
        self.accel, self.accel_reason = accel_module.choose()
        self.marker = b"\0end of stream " + secrets.token_hex(16).encode() + b"\0"

    # -- the VM

    def arguments(self, descriptors):
        out = [*map(str, self.base.qemu()), "-name", f"coco-node-{self.base.suite}", "-nodefaults", "-no-user-config", "-display", "none",
               "-no-reboot", "-machine", "q35", *self.accel, "-smp", str(self.cpus), "-m", str(self.memory_mib),
               "-kernel", str(self.base.kernel), "-initrd", str(self.base.initrd),
               "-append", "console=ttyS0 panic=-1 no_timer_check mitigations=off cryptomgr.notests",
               "-drive", f"if=none,id=base,format=raw,snapshot=on,cache=unsafe,file={self.base.disk}",
               "-device", "virtio-blk-pci,drive=base",
               "-drive", f"if=none,id=project,format=raw,readonly=on,file={self.project.disk}",
               "-device", "virtio-blk-pci,drive=project",
               "-device", "virtio-rng-pci", "-device", "virtio-serial-pci"]
        for name in PORTS:
            out += ["-chardev", f"socket,id={name},fd={descriptors[name]}"]
        out += ["-serial", "chardev:console"]
        for name in PORTS[1:]:
            out += ["-device", f"virtserialport,chardev={name},name={name}"]
        return out

    def start(self):
        pairs = {name: socket.socketpair() for name in PORTS}
        descriptors = {name: theirs.fileno() for name, (_, theirs) in pairs.items()}
        parent = os.getpid()
        try:
            self.popen = subprocess.Popen(self.arguments(descriptors), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                          stderr=subprocess.PIPE, pass_fds=tuple(descriptors.values()),
                                          start_new_session=True, preexec_fn=lambda: die_with_parent(parent))
        finally:
            for _, theirs in pairs.values():
                theirs.close()
        self.sockets = {name: ours for name, (ours, _) in pairs.items()}

    def stop(self):
        """End it, whatever it does."""
        if self.popen and self.popen.poll() is None:
            self.popen.kill()
        if self.popen:
            self.popen.communicate()
        for sock in getattr(self, "sockets", {}).values():
            sock.close()

    # -- what it says

    def on_console(self, data):
        self.console = (self.console + data)[-CONSOLE_KEPT:]

    def on_results(self, data):
        self.results.write(data)
        if self.results.tell() > RESULTS_LIMIT:
            raise NodeError(f"fetch the node's results: more than {RESULTS_LIMIT} bytes")

    def on_control(self, data):
        """Lines: `ready SECONDS` after the boot, `exit CODE` after the command."""
        *lines, self.control = (self.control + data).split(b"\n")
        if len(self.control) > CONTROL_LIMIT:
            raise NodeError("read the node's control port: a line without end")
        for line in lines:
            word, _, value = line.decode(errors="replace").partition(" ")
            if word == "ready":
                self.boot_seconds = time.monotonic() - self.started
            elif word == "exit" and value.isdigit():
                self.exit_code = int(value)

    def console_tail(self, lines=40):
        text = self.console.decode(errors="replace").replace("\r", "").splitlines()
        return "\n".join("  | " + line[:200] for line in text[-lines:]) or "  | (nothing)"

    # -- one command

    def script(self, command, environment):
        settings = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
        return settings + "cd /root\nexec " + shlex.join(command) + "\n"

    def run(self, command, *, stdout, stderr, environment=None, quiet_seconds=600, seconds=4 * 3600, packages=True):
        """The command's exit code. stdout and stderr are called with bytes. Hang when the node says nothing for quiet_seconds, or has
        not ended after seconds. packages: the project's are installed before the command."""
        self.started = time.monotonic()
        self.start()
        try:
            order = base64.b64encode(self.script(command, environment or {}).encode())
            words = (base64.b64encode(self.marker[1:-1]), order, b"packages" if packages else b"without-packages")
            self.sockets["control"].sendall(b" ".join(words) + b"\n")
            self._converse(stdout, stderr, quiet_seconds, seconds)
            self.sockets["control"].sendall(b"off\n")
            try:
                self.popen.wait(OFF_SECONDS)
            except subprocess.TimeoutExpired:
                pass  # its disks are thrown away: nothing is lost when it is killed
            return self.exit_code
        finally:
            self.stop()

    def _converse(self, stdout, stderr, quiet_seconds, seconds):
        streams = {"stdout": Stream(stdout, self.marker), "stderr": Stream(stderr, self.marker),
                   "results": Stream(self.on_results, self.marker)}
        sinks = {"console": self.on_console, "control": self.on_control} | {n: s.feed for n, s in streams.items()}
        heard = time.monotonic()
        with selectors.DefaultSelector() as selector:
            for name, sock in self.sockets.items():
                selector.register(sock, selectors.EVENT_READ, name)
            while self.exit_code is None or not all(s.ended for s in streams.values()):
                limit = min(heard + quiet_seconds, self.started + seconds)
                if self.boot_seconds is None:
                    limit = min(limit, self.started + BOOT_SECONDS)
                ready = selector.select(max(0, limit - time.monotonic()))
                if not ready:
                    self._hang(quiet_seconds, seconds)
                for key, _ in ready:
                    data = key.fileobj.recv(1 << 16)
                    if not data:
                        self._ended()
                    heard = time.monotonic()
                    sinks[key.data](data)

    def _hang(self, quiet_seconds, seconds):
        if self.boot_seconds is None:
            what = f"did not boot within {BOOT_SECONDS} s"
        elif time.monotonic() >= self.started + seconds:
            what = f"has not finished its command after {seconds} s"
        else:
            what = f"said nothing for {quiet_seconds} s"
        raise Hang(f"node {self.base.suite} ({self.accel_reason}) {what}; its console:\n{self.console_tail()}")

    def _ended(self):
        self.popen.wait(OFF_SECONDS)
        error = self.popen.stderr.read().decode(errors="replace").strip()
        raise NodeError(f"node {self.base.suite} ended by itself, status {self.popen.returncode}"
                        f"{': ' + error if error else ''}; its console:\n{self.console_tail()}")

    def save_results(self, folder):
        """The files that the command left in /results: plain files and folders, nothing else."""
        folder = pathlib.Path(folder)
        self.results.seek(0)
        with tarfile.open(fileobj=self.results) as archive:
            for member in archive:
                target = pathlib.PurePosixPath(member.name)
                if member.isfile() and not target.is_absolute() and ".." not in target.parts:
                    (folder / target).parent.mkdir(parents=True, exist_ok=True)
                    (folder / target).write_bytes(archive.extractfile(member).read())
