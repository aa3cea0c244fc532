# SPDX-License-Identifier: Apache-2.0
"""Containers by the dozen, or by the hundred, and execs by the hundred, one after the other: no process, mount, socket, directory,
descriptor or memory is left of them."""
from harness import leaks, processes
from harness.case import equal

SUITE = "endurance"
SECONDS = 1800
CYCLES, EXECS = 25, 100
WARM = 5
# containerd is a Go program: its heap breathes. A leak of a whole task per cycle would be far above this.
ALLOWED_KB = 16 * 1024


def cycles(case, count):
    daemon = case.node.daemon.pid
    for _ in range(WARM):
        case.run("true")
    before, files, memory = leaks.Snapshot(case.node), processes.open_files(daemon), processes.memory(daemon)
    for number in range(count):
        result = case.run("sh", "-c", f"echo {number}; exit 7", check=False)
        equal((result.returncode, result.stdout), (7, f"{number}\n".encode()), f"cycle {number}")
    equal(before.leaks(), [], "left behind")
    grown = processes.open_files(daemon) - files
    assert grown <= 2, f"containerd holds {grown} descriptors more than after {WARM} cycles"
    grown = processes.memory(daemon)["private"] - memory["private"]
    assert grown < ALLOWED_KB, f"containerd's private memory grew by {grown} kB"


def test_cycles(case):
    cycles(case, CYCLES)


def test_hundred_cycles(case):
    cycles(case, 100)


test_hundred_cycles.suite = "long"


def test_hundred_execs(case):
    """In one container: the shim's own descriptors and memory do not grow."""
    container = case.container()
    shim = case.node.shim_pid(container.id)
    for _ in range(10):
        container.exec("true")
    files, memory = processes.open_files(shim), processes.memory(shim)
    for number in range(EXECS):
        equal(container.exec("sh", "-c", f"exit {number}", check=False).returncode, number)
    equal(processes.open_files(shim), files, "descriptors of the shim")
    grown = processes.memory(shim)["private"] - memory["private"]
    assert grown < (1024 if case.runtime == "coco" else 4096), f"the shim's private memory grew by {grown} kB"
