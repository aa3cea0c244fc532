# SPDX-License-Identifier: Apache-2.0
"""Containers by the dozen, or by the hundred, and execs likewise, one after the other: no process, mount, socket, directory,
descriptor or memory is left of them."""
from harness import leaks, processes, shared_vm
from harness.case import equal

SUITE = "endurance"
SECONDS = 1800
# containerd is a Go program: its heap breathes. A leak of a whole task per cycle would be far above this.
ALLOWED_KB = 16 * 1024


def cycles(case, warm, count):
    daemon = case.node.daemon.pid
    for _ in range(warm):
        case.run("true")
    before, files, memory = leaks.Snapshot(case.node), processes.open_files(daemon), processes.memory(daemon)
    for number in range(count):
        result = case.run("sh", "-c", f"echo {number}; exit 7", check=False)
        equal((result.returncode, result.stdout), (7, f"{number}\n".encode()), f"cycle {number}")
    equal(before.leaks(), [], "left behind")
    grown = processes.open_files(daemon) - files
    assert grown <= 2, f"containerd holds {grown} descriptors more than after {warm} cycles"
    grown = processes.memory(daemon)["private"] - memory["private"]
    assert grown < ALLOWED_KB, f"containerd's private memory grew by {grown} kB"


def execs(case, count):
    """In one container: the shim's own descriptors and memory do not grow."""
    container = case.container()
    shim = case.node.shim_pid(container.id)
    for _ in range(10):
        container.exec("true")
    files, memory = processes.open_files(shim), processes.memory(shim)
    for number in range(count):
        equal(container.exec("sh", "-c", f"exit {number}", check=False).returncode, number)
    equal(processes.open_files(shim), files, "descriptors of the shim")
    grown = processes.memory(shim)["private"] - memory["private"]
    assert grown < (1024 if case.runtime == "coco" else 4096), f"the shim's private memory grew by {grown} kB"


def test_cycles(case):
    """With coco, each in a VM of its own."""
    cycles(case, 2, 8)


def test_cycles_in_a_pod(case):
    """Containers that come and go beside others: their shim does not grow either."""
    pod = shared_vm.pod(case)
    case.run("true")
    shim = case.node.shim_pid(pod.id)
    files, memory = processes.open_files(shim), processes.memory(shim)
    cycles(case, 2, 15)
    equal(processes.open_files(shim), files, "descriptors of the shim")
    grown = processes.memory(shim)["private"] - memory["private"]
    assert grown < 1024, f"the shim's private memory grew by {grown} kB"


test_cycles_in_a_pod.runtimes = ("coco",)


def test_forty_execs(case):
    execs(case, 40)


def test_hundred_execs(case):
    execs(case, 100)


def test_hundred_cycles(case):
    cycles(case, 5, 100)


test_hundred_execs.suite = test_hundred_cycles.suite = "long"
