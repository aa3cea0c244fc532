# SPDX-License-Identifier: Apache-2.0
"""A VM that the tests of a job share, so that each of them costs a container and not a boot. It is made before the first of them
and judged after each: what made it must live, and nothing may be left in it. After a failure it is thrown away."""
import contextlib

from . import leaks, ociconfig, paths, processes
from .case import Case


def pod(case):
    """The usual one: a container that sleeps. Those that the tests make on its node join its VM (Node.run_arguments, Shim)."""
    identifier = case.node.new_id()
    flags = ("--annotation", f"{ociconfig.GROUP}={identifier}")
    container = case.container("sleep", "1000000", identifier=identifier, flags=flags)
    case.node.pod = identifier
    case.defer(setattr, case.node, "pod", None)
    return container


MAKE_IT = ("containerd-shim", "qemu-system", "virtiofsd")


class SharedVm:
    """make(case) gives what the tests find as case.vm."""

    def __init__(self, name, node, make):
        self.name, self.node, self.case = name, node, Case(node)
        self.before = leaks.Snapshot(node)
        try:
            self.vm = make(self.case)
            self.processes = [p for p in self.before.new_processes() if p.name.startswith(MAKE_IT)]
        except BaseException:
            self.abandon()
            raise

    def lost(self):
        """Its processes that have ended, in words."""
        table = {process.key for process in processes.table().values() if process.state not in "ZX"}
        return [f"process {process}" for process in self.processes if process.key not in table]

    def end(self):
        """What is left of it then."""
        self.case.close()
        return self.before.leaks()

    def abandon(self):
        """Without a word more to a guest that may not answer; what is left goes with the node."""
        for process in self.before.new_processes():
            processes.kill(process.pid)
        with contextlib.suppress(Exception):
            self.case.close()
        processes.run([paths.SHIM, "-base", self.node.run_dir, "gc"], check=False)  # its cgroup, too
