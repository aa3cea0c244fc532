# SPDX-License-Identifier: Apache-2.0
"""A container that runs in the background, with the ctr calls that act on it."""
import itertools
import json
import signal

from . import events, processes


class Container:
    """Made by Case.container(); gone, with its task, when the test ends, however it ends."""

    def __init__(self, node, *command, flags=(), identifier=None, config=None, log=None, seconds=90):
        self.node = node
        self.id = identifier or node.new_id()
        self.log = log
        self.exec_ids = (f"e{n}" for n in itertools.count(1))
        # Detached and without readers a full pipe would stop the container, so output goes to a file or nowhere.
        output = ("--log-uri", f"file://{log}") if log else ("--null-io",)
        node.ctr(*node.run_arguments(self.id, *command, flags=("--detach", *output, *flags), config=config),
                 seconds=seconds)
        self.removed = False

    def exec(self, *command, flags=(), check=True, stdin=None, seconds=60):
        return self.node.ctr(*self.exec_arguments(*command, flags=flags), check=check, stdin=stdin, seconds=seconds)

    def exec_arguments(self, *command, flags=(), exec_id=None):
        return ("task", "exec", "--fifo-dir", self.node.base / "fifo", "--exec-id", exec_id or next(self.exec_ids),
                *flags, self.id, *command)

    def out(self, *command, flags=()):
        return self.exec(*command, flags=flags).stdout.decode().strip()

    def task(self, verb, *arguments, check=True, seconds=60):
        return self.node.ctr("task", verb, *arguments, check=check, seconds=seconds)

    def kill(self, name="SIGKILL", check=True):
        return self.task("kill", "--signal", name, self.id, check=check)

    def status(self):
        """RUNNING, PAUSED, STOPPED, CREATED, or None when there is no task."""
        for line in self.task("ls").stdout.decode().splitlines()[1:]:
            words = line.split()
            if words[0] == self.id:
                return words[2]
        return None

    def pid(self):
        for line in self.task("ls").stdout.decode().splitlines()[1:]:
            words = line.split()
            if words[0] == self.id:
                return int(words[1])
        raise AssertionError(f"no task '{self.id}'")

    def metrics(self):
        return json.loads(self.task("metrics", "--format", "json", self.id).stdout)

    def wait_for_log(self, text, seconds=60):
        assert events.wait_for_text(self.log, text, seconds), \
            f"'{text}' not in the output within {seconds} s: {self.log.read_bytes()[-500:] if self.log.exists() else ''}" \
            f"\n{self.node.diagnostics()}"

    def remove(self):
        if self.removed:
            return
        self.removed = True
        self.task("delete", "--force", self.id, check=False)
        self.node.ctr("container", "delete", self.id, check=False)


def kill_shim(node, identifier):
    """SIGKILL to the shim, as the OOM killer would do it; returns when it has gone."""
    pid = node.shim_pid(identifier)
    processes.kill(pid, signal.SIGKILL)
    assert not processes.wait_gone([pid], 10), f"shim {pid} survives SIGKILL"
