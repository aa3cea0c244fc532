# SPDX-License-Identifier: Apache-2.0
"""`accel = auto` and `transport = auto` take what this host really has, and the shim's log says which and why. The same test, shim
and guest image run where there is only TCG and a virtio-serial channel, and in a node VM, which has KVM and vsock."""
import os
import re

from harness.case import contains, equal

RUNTIMES = ("coco",)


def opens(path):
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        return True
    except OSError:
        return False


def test_auto(case):
    kvm = opens("/dev/kvm") and any(os.path.exists(f"/sys/module/{m}") for m in ("kvm_intel", "kvm_amd"))
    wanted = ("kvm" if kvm else "tcg", "vsock" if opens("/dev/vhost-vsock") else "channel")
    if "COCO_TEST_PREFIX" in os.environ:
        equal(wanted, ("kvm", "vsock"), what="what a node VM has")
    container = case.container()
    equal(container.out("echo", "in a VM"), "in a VM")
    lines = [line for line in case.node.log.read_text(errors="replace").splitlines() if f"vm {container.id}: pid" in line]
    equal(len(lines), 1, what="lines about the VM's start")
    found = re.search(r"accel (\w+): ([^,]+(?:, but [^,]+)?), transport (\w+): ([^,]+),", lines[0])
    assert found, f"no choice with its reason in {lines[0]!r}"
    equal((found[1], found[3]), wanted)
    contains(found[2], "/dev/kvm", what="reason of accel")
    contains(found[4], "/dev/vhost-vsock", what="reason of transport")
