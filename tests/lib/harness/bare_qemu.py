# SPDX-License-Identifier: Apache-2.0
"""The floor: the same guest, booted by QEMU alone. The command line is that of a VM which coco-vmm has started, so machine,
devices, kernel, initrd and kernel command line are the same by construction; only what libvirt holds open is replaced."""
import json
import pathlib
import shutil
import subprocess
import tempfile
import time

from . import events, paths, processes, ttrpc, vmconfig

HEALTH = ("grpc.Health", "Check")
VIRTIOFSD = ("/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd")


def command_of_a_real_vm(directory):
    """Launch, read /proc, destroy. (arguments, accel)"""
    run_dir, share = directory / "run", directory / "share"
    share.mkdir()
    config = vmconfig.write(directory / "vm.conf", vm={"transport": "channel"})  # also where there is vsock
    try:
        launch = processes.run([paths.LAUNCHER, "launch", "--config", config, "--run-dir", run_dir, "--share", share])
        lines = [json.loads(line) for line in launch.stdout.splitlines()]
        arguments = pathlib.Path(f"/proc/{lines[-1]['pid']}/cmdline").read_bytes().split(b"\0")[:-1]
        return [a.decode() for a in arguments], lines[0]["accel"]
    finally:
        processes.run([paths.LAUNCHER, "destroy", "--run-dir", run_dir])


def without_libvirt(arguments, agent, share_socket):
    """Drop the monitor, the secret, the frozen start and the sandbox of libvirt; own sockets for agent and share."""
    out, pairs = [], iter(arguments)
    for argument in pairs:
        if argument in ("-S", "-no-shutdown", "-no-user-config"):
            continue
        if not argument.startswith("-"):
            out.append(argument)
            continue
        value = next(pairs) if argument not in ("-nodefaults",) else None
        if argument in ("-mon", "-sandbox", "-msg") or (value and ("masterKey0" in value or "charmonitor" in value)):
            continue
        if value and "id=charchannel0" in value:
            value = f"socket,id=charchannel0,path={agent},server=on,wait=off"
        elif value and "id=chr-vu-fs0" in value:
            value = f"socket,id=chr-vu-fs0,path={share_socket}"
        elif value and "id=charserial0" in value:
            value = "null,id=charserial0"
        out += [argument] if value is None else [argument, value]
    return out


class BareQemu:
    def __enter__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bq-"))
        self.directory.chmod(0o711)
        arguments, self.accel = command_of_a_real_vm(self.directory)
        self.agent, self.share_socket = self.directory / "agent.sock", self.directory / "fs.sock"
        self.arguments = without_libvirt(arguments, self.agent, self.share_socket)
        self.virtiofsd = next(p for p in VIRTIOFSD if pathlib.Path(p).exists())
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)

    def share(self):
        """virtiofsd of Debian 12 (in C, -o source=) or of Debian 13 (in Rust, --shared-dir)."""
        rust = "libexec" in self.virtiofsd
        source = ["--shared-dir", str(self.directory / "share"), "--sandbox", "none"] if rust else \
            ["-o", f"source={self.directory / 'share'}"]
        return processes.own(subprocess.Popen(
            [self.virtiofsd, f"--socket-path={self.share_socket}", *source],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def boot(self):
        """From nothing to the agent's answer to Health.Check, then everything is ended."""
        for path in (self.agent, self.share_socket):
            path.unlink(missing_ok=True)
        started = [self.share()]
        try:
            assert events.wait_until(self.share_socket.exists, [self.directory], 20), "virtiofsd makes no socket"
            started.append(processes.own(subprocess.Popen(
                self.arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)))
            if not events.wait_until(self.agent.exists, [self.directory], 20):
                started[-1].kill()
                raise AssertionError(f"QEMU does not come up: {started[-1].communicate()[1].decode()}")
            self._ask(time.monotonic() + 60)
        finally:
            for popen in reversed(started):
                popen.kill()
                popen.communicate()
                processes.disown(popen)

    def _ask(self, deadline):
        """The channel keeps the request until the guest has opened its end."""
        while True:
            try:
                connection = ttrpc.Connection(self.agent, max(1, deadline - time.monotonic()))
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, "nobody listens on the channel"
        try:
            reply = connection.call(*HEALTH, seconds=max(1, deadline - time.monotonic()))
            assert reply.code == 0, f"the agent answers Health.Check with {reply}"
        finally:
            connection.close()
