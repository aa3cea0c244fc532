# SPDX-License-Identifier: Apache-2.0
"""The life of one container in a node VM, over KVM and vsock, for each containerd: what `tests/run` and CI do of the long form."""
import re

from harness import processes
from harness.case import contains, equal

SUITE = "node-short"
RUNTIMES = ("coco",)


def test_life_of_a_container(case):
    verify = case.clean()
    container = case.container()
    log = case.node.log.read_text(errors="replace")
    contains(log, "accel kvm: /dev/kvm opens and kvm_amd is loaded" if "kvm_amd is loaded" in log
             else "accel kvm: /dev/kvm opens and kvm_intel is loaded", "transport vsock: /dev/vhost-vsock opens")
    command = next(p.command for p in processes.table().values() if p.pid == case.node.qemu_pid(container.id))
    contains(command, "-accel kvm", "vhost-vsock-pci")
    assert int(re.search(r'guest-cid"?[=:](\d+)', command)[1]) > 2, command
    result = container.exec("sh", "-c", "echo out; echo err >&2; exit 7", check=False)
    equal((result.stdout, result.returncode), (b"out\n", 7))
    contains(result.stderr, "err")
    contains(container.out("cat", "/proc/cpuinfo"), "hypervisor")
    container.kill()
    case.node.ctr("task", "delete", container.id, check=False)
    container.remove()
    verify()
