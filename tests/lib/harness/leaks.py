# SPDX-License-Identifier: Apache-2.0
"""What a test left behind. Taken before a test and compared after it: processes (all descendants of the harness, which
adopts orphans, and all that name the node's directories), mounts, files in the run directory and in containerd's state,
its shim sockets below /run/containerd/s, and names in /, where a wrong path of a test or of ours would show."""
import os
import pathlib
import time

from . import events, patience, processes

# What the shims may keep between containers: nothing. What containerd keeps in its state directory: these.
STATE_KEPT = {"io.containerd.runtime.v2.task", "io.containerd.runtime.v2.task/default", "io.containerd.runtime.v1.linux",
              "io.containerd.grpc.v1.introspection", "io.containerd.sandbox.controller.v1.shim"}


def listing(directory):
    """All names below, mounted file systems not entered (a container's root is not ours to list)."""
    found = set()
    for parent, directories, files in os.walk(directory):
        directories[:] = [d for d in directories if not os.path.ismount(os.path.join(parent, d))]
        for name in directories + files:
            found.add(os.path.join(parent, name))
    return found


class Snapshot:
    def __init__(self, node):
        self.node = node
        self.processes = self._processes()
        self.files = self._files()
        self.mounts = set(node.mounts())

    def _processes(self):
        processes.reap_orphans()
        table = processes.table()
        mine = processes.descendants(os.getpid(), table) + self.node.leftover_processes()
        daemon = self.node.daemon.pid if self.node.daemon else -1  # another one after a restart
        return {p.key: p for p in mine if p.pid != daemon}

    def _files(self):
        state = {path for path in listing(self.node.state)
                 if str(pathlib.Path(path).relative_to(self.node.state)) not in STATE_KEPT}
        top = {f"/{name}" for name in os.listdir("/")}
        return listing(self.node.run_dir) | state | self.node.shim_sockets() | listing(self.node.base / "tmp") | top

    def _new(self):
        """What is there now and was not then, in words."""
        new = [f"process {p}" for p in self.new_processes()]
        new += [f"file {path}" for path in sorted(self._files() - self.files)]
        new += [f"mount {path}" for path in sorted(set(self.node.mounts()) - self.mounts)]
        return new

    def new_processes(self):
        return [p for key, p in self._processes().items() if key not in self.processes]

    def end_processes(self):
        """Those that were left: named by leaks(), they go, a node VM that outlived its test among them."""
        late = [p.pid for p in self.new_processes()]
        for pid in late:
            processes.kill(pid)
        processes.wait_gone(late, 10)

    def leaks(self, seconds=10):
        """Leaks, after giving what is on its way out time to go."""
        deadline = time.monotonic() + patience.stretch(seconds)
        processes.wait_gone([p.pid for p in self.new_processes()], seconds)
        new = self._new()
        while new and time.monotonic() < deadline:
            directories = {os.path.dirname(text.split(" ", 1)[1]) for text in new if not text.startswith("process")}
            watch = events.Watch(d for d in directories if os.path.isdir(d))
            new = self._new()
            if new:
                watch.wait(min(1, deadline - time.monotonic()))
                new = self._new()
            watch.close()
        return new
