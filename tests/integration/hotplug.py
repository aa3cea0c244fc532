# SPDX-License-Identifier: Apache-2.0
"""coco-vmm gives a pod's VM devices while it runs, and takes them away: seen by the guest, and nothing is left on the host."""
import fcntl
import json
import os
import pathlib
import socket
import struct
import subprocess

from harness import events, paths, processes
from harness.case import contains, equal
from harness.sandbox import Sandbox

RUNTIMES = ("coco",)
MAC = "02:c0:c0:00:00:07"
TUNSETIFF, TAP, NO_PI, VNET_HDR = 0x400454ca, 2, 0x1000, 0x4000
WATCH = """cd /sys/class/net
until cat e*/address 2>/dev/null; do :; done
while cat e*/address >/dev/null 2>&1; do :; done
echo gone"""


class Vm:
    """The VM of a sandbox, changed as from a terminal."""

    def __init__(self, case):
        self.sandbox = Sandbox(case).run()
        self.run_dir = case.node.pod_dir(self.sandbox.id)

    def change(self, verb, *arguments, request=None, fds=()):
        """What the launcher says last."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            socket.send_fds(ours, [json.dumps(request or {}).encode() + b"\n"], fds)
            popen = processes.own(subprocess.Popen([str(part) for part in (paths.LAUNCHER, verb, "--run-dir", self.run_dir, *arguments)],
                                                   stdin=theirs, stdout=subprocess.PIPE))
            out, _ = popen.communicate(timeout=60)
            processes.disown(popen)
        return json.loads(out.splitlines()[-1])

    def good(self, verb, *arguments, **more):
        answer = self.change(verb, *arguments, **more)
        assert answer["ok"], answer
        return answer

    def slots(self):
        return sorted(path.name for path in (self.run_dir / "vm").glob("hot*"))

    def end(self):
        self.sandbox.good("ShutdownSandbox")
        self.sandbox.wait_gone()


def open_tap(case):
    """It is gone when the last one closes it: (name, descriptor)."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    name = f"coco{os.getpid() % 100000}"
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), TAP | NO_PI | VNET_HDR))
    return name, fd


def nic(**more):
    return {"mac": MAC, "mtu": 1500, "queues": 1, **more}


def test_interface(case):
    """With the tap's descriptor, and beside a disk. QEMU is the only one to have it, and closes it."""
    vm = Vm(case)
    member = vm.sandbox.member(WATCH).start()
    disk = case.directory / "disk"
    disk.write_bytes(bytes(1 << 20))
    name, tap = open_tap(case)
    answer = vm.good("attach", request={"nics": [nic()], "disks": [{"path": str(disk), "readonly": True}]}, fds=[tap])
    os.close(tap)
    equal((answer["disks"], answer["nics"], vm.slots()), (["18/00/01"], ["18/00/02"], ["hot01", "hot02"]))
    assert events.wait_for_text(member.out, MAC, 60), member.out.read_text()
    assert pathlib.Path("/sys/class/net", name).exists(), "the tap is gone"
    vm.good("detach", "--device", answer["nics"][0])
    equal(member.end(), (0, f"{MAC}\ngone\n"))
    equal((vm.slots(), pathlib.Path("/sys/class/net", name).exists()), (["hot01"], False))
    vm.end()


def test_all_or_none(case):
    """The second cannot be had; so the first is taken away again, and its slot is free."""
    vm = Vm(case)
    with open("/dev/null", "rb+") as no_tap:
        answer = vm.change("attach", request={"nics": [nic(user=True, queues=0), nic(mac="02:c0:c0:00:00:08")]}, fds=[no_tap.fileno()])
    equal((answer["ok"], answer["code"], vm.slots()), (False, "failed", []), str(answer))
    contains(answer["message"], "make interface 'hot02': QEMU: ")
    equal(vm.good("attach", request={"nics": [nic(user=True, queues=0)]})["nics"], ["18/00/01"], "the name is free")
    vm.good("detach", "--device", "18/00/01")
    vm.end()
