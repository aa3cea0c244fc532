# SPDX-License-Identifier: Apache-2.0
"""coco-vmm gives a pod's VM devices while it runs, and takes them away: seen by the guest, and nothing is left on the host."""
import fcntl
import json
import os
import pathlib
import re
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

    def pretend(self, old, new):
        """That the launch decided something else; until the end of the test what is true is lost."""
        spec = self.run_dir / "vm" / "spec.json"
        text = spec.read_text()
        assert re.search(old, text), f"no '{old}' in {text}"
        spec.write_text(re.sub(old, new, text))

    def vcpus(self):
        """That QEMU has, each a thread."""
        tasks = pathlib.Path(f"/proc/{self.sandbox.status()[2][0]}/task").iterdir()
        return len([task for task in tasks if (task / "comm").read_text().startswith("CPU ")])

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


GROWS = """cat /sys/devices/system/cpu/present
total() { sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo; }
before=$(total)
echo "$before kB"
until [ "$(cat /sys/devices/system/cpu/present)" = 0-1 ]; do :; done
until [ "$(total)" -gt $((before + 120000)) ]; do :; done
echo more
until [ "$(total)" -lt $((before + 30000)) ]; do :; done
echo as before"""


def test_size(case):
    """One CPU and 128 MiB more, by two calls, and the memory less again."""
    vm = Vm(case)
    member = vm.sandbox.member(GROWS).start()
    assert events.wait_for_text(member.out, " kB", 60), member.out.read_text()
    equal(vm.good("resize", "--vcpus", "2")["disks"], [])
    vm.good("resize", "--memory-mib", "384")
    vm.good("resize", "--memory-mib", "384", "--vcpus", "2")  # nothing to do
    assert events.wait_for_text(member.out, "more", 60), member.out.read_text()
    vm.good("resize", "--memory-mib", "256")
    code, output = member.end()
    equal((code, output.splitlines()[0], output.splitlines()[-1]), (0, "0", "as before"))
    for arguments, text in ((("--vcpus", "1000"), "1000 CPUs are more than the"),
                            (("--memory-mib", "128"), "128 MiB are not between the 256"),
                            (("--memory-mib", "2000000"), "2000000 MiB are not between")):
        answer = vm.change("resize", *arguments)
        equal((answer["ok"], answer["code"]), (False, "bad-config"), str(answer))
        contains(answer["message"], "resize the VM: ", text)
    vm.end()


def test_size_that_cannot_be_had(case):
    """There is no place for the memory, or no such CPU: nothing is left of what was made first. A TEE has the size of its
    launch."""
    vm = Vm(case)
    spec = vm.run_dir / "vm" / "spec.json"
    truth = spec.read_text()

    def refused(code, text, *arguments):
        answer = vm.change("resize", *arguments)
        equal((answer["ok"], answer["code"], vm.vcpus()), (False, code, 1), str(answer))
        contains(answer["message"], text)
        spec.write_text(truth)

    vm.pretend('"hotplug": *true', '"hotplug":false')
    refused("failed", "plug in memory: QEMU: Bus 'pcie.0' does not support hotplugging", "--memory-mib", "260")
    vm.pretend('"max_vcpus": *[0-9]+', '"max_vcpus":255')
    refused("failed", "change the CPUs of the VM: ", "--memory-mib", "300", "--vcpus", "255")
    vm.pretend('"vm.tee": *"none"', '"vm.tee":"snp"')
    refused("no-tee", "resize the VM: with tee = snp it stays as large as it was launched", "--vcpus", "2")
    vm.good("resize", "--memory-mib", "260", "--vcpus", "2")
    equal(vm.vcpus(), 2)
    answer = vm.change("resize", "--vcpus", "1")
    contains(answer["message"], "it has 2 CPUs, and none can be taken from it where they are emulated")
    vm.end()
