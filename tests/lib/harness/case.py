# SPDX-License-Identifier: Apache-2.0
"""What a test function gets: a node to run containers on, and a place to register its cleanup."""
import contextlib
import pathlib
import shutil
import tempfile

from .container import Container
from .containerd import Events, Node
from .leaks import Snapshot


class Skip(Exception):
    """The test does not apply here, with the reason. Counted; a failure unless the issue allows it."""


def short(value):
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:200]} … {text[-200:]}"


def equal(got, wanted, what=""):
    assert got == wanted, f"{what + ': ' if what else ''}got {short(got)}, want {short(wanted)}"


def contains(text, *pieces, what=""):
    text = text.decode(errors="replace") if isinstance(text, bytes) else text
    for piece in pieces:
        assert piece in text, f"{what + ': ' if what else ''}{piece!r} is not in {short(text)}"


def one_line(text):
    """The one line of an error; two lines are one too many."""
    lines = text.decode(errors="replace").strip().splitlines()
    assert len(lines) == 1, f"want one line of error, got {lines}"
    return lines[0]


class Case:
    def __init__(self, node, vm=None):
        """vm: what its job shares, if it does."""
        self.node, self.vm = node, vm
        self.runtime = node.runtime
        self.stack = contextlib.ExitStack()
        self._directory = None

    @property
    def directory(self):
        """An own directory, reachable for other users (the QEMU user reads kernels here)."""
        if not self._directory:
            self._directory = pathlib.Path(tempfile.mkdtemp(prefix="t-", dir=self.node.base))
            self._directory.chmod(0o755)
            self.stack.callback(shutil.rmtree, self._directory, ignore_errors=True)
        return self._directory

    def defer(self, function, *arguments):
        self.stack.callback(function, *arguments)

    def run(self, *command, **options):
        return self.node.run(*command, **options)

    def container(self, *command, **options):
        return self.container_on(self.node, *command, **options)

    def container_on(self, node, *command, **options):
        container = Container(node, *(command or ("sleep", "3600")), **options)
        self.stack.callback(container.remove)
        return container

    def events(self, node=None):
        """`ctr events` from now on."""
        events = Events(node or self.node)
        self.defer(events.close)
        return events

    def stopped(self, *command, **options):
        """A container whose process has ended and whose task is still there."""
        events = self.events()
        container = self.container(*command, **options)
        events.wait("/tasks/exit", container.id)
        return container

    def private_node(self, kind=Node, **options):
        """A containerd of the test's own, for what has to differ in its environment; must be left clean too."""
        node = kind(self.runtime, **{"release": self.node.release} | options)
        self.stack.callback(node.close)
        node.start()
        return node

    def clean(self, node=None):
        """Take a snapshot now; the returned function fails the test if anything is left later."""
        before = Snapshot(node or self.node)

        def verify():
            left = before.leaks()
            assert not left, "left behind:\n  " + "\n  ".join(left)
        return verify

    def close(self):
        self.stack.close()
