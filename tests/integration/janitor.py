# SPDX-License-Identifier: Apache-2.0
"""What the end of a pod has left: by hand with `gc`, by the next `start`, and by the janitor that a `delete` leaves behind which
could not wait. A pod that is served stays."""
import ctypes
import os
import pathlib
import signal
import subprocess

from harness import events, processes
from harness.case import contains, equal
from harness.container import kill_shim
from harness.shim import BINARIES, Shim

RUNTIMES = ("coco",)
HIERARCHIES = pathlib.Path("/sys/fs/cgroup")
PTRACE_SEIZE = 0x4206
WALL = 0x40000000


def vm_processes(directory):
    found = [p.pid for p in processes.mentioning(str(directory)) if not p.name.startswith("containerd-shim")]
    assert len(found) >= 3, found
    return found


def shim_of(case, node):
    shim = Shim(case)
    shim.node = node
    shim.start()
    return shim


def test_left(case):
    """containerd and shim were killed, so nobody has called `delete`."""
    node = case.private_node()
    verify = case.clean(node)
    left = case.container_on(node)
    served = shim_of(case, node)
    node.stop(signal.SIGKILL)
    kill_shim(node, left.id)
    found = vm_processes(node.pod_dir(left.id))
    told = processes.run([BINARIES["coco"], "-base", node.run_dir, "gc"], env=node.environment).stdout.decode()
    equal(told, f"{node.pod_dir(left.id)}: removed\n")
    equal(processes.wait_gone(found, 1), [], "gone when gc says so")
    begun = shim_of(case, node)
    kill_shim(node, begun.id)
    shim_of(case, node)
    assert events.wait_until(lambda: not node.pod_dir(begun.id).exists(), [node.run_dir], 20), "the next start has not seen to it"
    equal(node.pod_dir(served.id).is_dir(), True)
    node.shim_pid(served.id)
    node.start()
    left.remove()
    case.stack.close()
    verify()


class Undying:
    """A process that takes as long to die as we want, like a large guest: the first one of a PID namespace, which waits there for
    the end of the others, and one of these is traced by us, who do not collect it."""

    def __init__(self, case):
        script = "sleep 1000 & echo $!; wait"
        command = ["unshare", "--pid", "--fork", "sh", "-c", script]
        self.outer = processes.own(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        case.defer(self.end)
        self.outer.stdout.readline()
        self.pid, self.traced = (p.pid for p in processes.descendants(self.outer.pid))
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        assert libc.ptrace(PTRACE_SEIZE, self.traced, None, None) == 0, os.strerror(ctypes.get_errno())

    def let_go(self):
        if self.traced:
            os.waitpid(self.traced, WALL)
            self.traced = None

    def end(self):
        if self.outer.poll() is None:
            processes.kill(self.pid)
            self.let_go()
            self.outer.wait(10)
        processes.disown(self.outer)
        self.outer.stdout.close()


def test_slow_end(case):
    """`delete` gives up after 4 s, since containerd kills it after 5."""
    verify = case.clean()
    shim = Shim(case)
    shim.start()
    shim.call("Connect", {1: shim.id})  # the launcher is in its cgroup by now
    directory = case.node.pod_dir(shim.id)
    cgroup = (directory / "cgroup").read_text().lstrip("/")
    undying = Undying(case)
    entered = [d / cgroup for d in [HIERARCHIES, *HIERARCHIES.iterdir()] if (d / cgroup).is_dir()]
    for path in entered:
        (path / "cgroup.procs").write_text(str(undying.pid))
    assert entered, cgroup
    result = shim.delete()
    equal(result.returncode, 1, "a `delete` that has not ended all")
    contains(result.stderr.decode(), str(directory))
    equal(directory.exists(), True)
    undying.let_go()
    assert events.wait_until(lambda: not directory.exists(), [directory.parent], 20), "nobody has finished it"
    equal([str(path) for path in entered if path.exists()], [])
    undying.end()
    verify()
