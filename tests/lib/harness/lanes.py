# SPDX-License-Identifier: Apache-2.0
"""Tests side by side. A lane is a process of its own that runs one job after the other with its own containerds, adopts the
orphans of its tests and judges only those, and reports to its parent, which hands out the jobs and prints.

A job has `tests`, run in turn in one lane, `alone` (nothing runs beside it), `release` (of containerd) and `seconds` (about how
long it takes: the longest come first, so that no lane ends long after the others), and run(lane, report)."""
import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import sys
import time
import traceback
import types

from . import processes, sanitizers

PR_SET_PDEATHSIG = 1
# The watchdogs' limits are for a machine that does nothing else; beside other tests, each gets so many times its own.
SLOWER = 2


class Ended(BaseException):
    """A lane has to end: its parent says so, or is no more."""


def interruptible():
    """Ctrl-C and SIGTERM end this process by an exception, also where a script started it as a background job: then SIGINT is
    ignored, and every child would inherit that."""
    def on_term(_number, _frame):
        sys.exit(143)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, on_term)


class Lane:
    """The parent's end of one."""

    def __init__(self, number, work):
        self.number, self.job, self.since, self.rest = number, None, 0, b""
        self.channel, other = socket.socketpair()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self.channel.close()
            _live(number, other, work)
        other.close()
        processes.own(self)

    def give(self, index, job):
        self.job, self.since = job, time.monotonic()
        self.channel.sendall(b"%d\n" % index)

    def messages(self):
        """What it has said since; None when it has ended."""
        data = self.channel.recv(1 << 20)
        if not data:
            return None
        *lines, self.rest = (self.rest + data).split(b"\n")
        return [json.loads(line) for line in lines]

    def wait(self):
        self.channel.close()
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        processes.disown(self)
        return status


def _on_end(_number, _frame):
    signal.signal(signal.SIGTERM, lambda *_: None)
    raise Ended


def _live(number, channel, work):
    """The lane's process. A terminal's Ctrl-C reaches it too, and waits for the parent's word: a handler, because what is ignored
    would be ignored in every child as well."""
    status = 1
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, _on_end)
        processes.forget_owned()
        processes.adopt_orphans()
        sanitizers.own_folder(number)

        def say(*message):
            channel.sendall(json.dumps(message).encode() + b"\n")
        with channel.makefile("rb") as orders:
            work(lambda: orders.readline(), say)
        status = 0
    except Ended:
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            processes.end_all()
        sys.stdout.flush()
        os._exit(status)


def _worker(jobs, new_context):
    """What a lane does until there are no more orders."""
    def work(next_order, say):
        def report(name, outcome, seconds, detail="", count=1):
            say("line", name, outcome, seconds, detail, count)
        with new_context() as context:
            while order := next_order():
                jobs[int(order)].run(context, report)
                say("done")
    return work


class Plan:
    """Which job comes next."""

    def __init__(self, jobs):
        order = sorted(range(len(jobs)), key=lambda i: (jobs[i].alone, str(jobs[i].release), -jobs[i].seconds))
        self.jobs, self.waiting = jobs, order

    def take(self, busy):
        """The next one that may run beside those that are; None: none may now, or none is left."""
        if not self.waiting or any(job.alone for job in busy):
            return None
        if self.jobs[self.waiting[0]].alone and busy:
            return None
        return self.waiting.pop(0)


class Lanes:
    def __init__(self, jobs, count, report, new_context, spare=()):
        self.jobs, self.count, self.report = jobs, count, report
        self.work = _worker(jobs, new_context)
        self.plan, self.lanes, self.started, self.spare = Plan(jobs), [], 0, list(spare)
        self.selector = selectors.DefaultSelector()

    def run(self):
        processes.adopt_orphans()  # of a lane that dies
        try:
            self.fill()
            while self.busy():
                for key, _ in self.selector.select():
                    self.hear(key.data)
                self.fill()
            for lane in list(self.lanes):
                lane.channel.shutdown(socket.SHUT_WR)  # no more orders
                self.drop(lane)
        except BaseException:
            self.end()
            raise

    def busy(self):
        return [lane.job for lane in self.lanes if lane.job]

    def fill(self):
        """Work for every lane that has none; a lane is made when there is work for it."""
        while len(self.busy()) < self.count and (index := self.plan.take(self.busy())) is not None:
            lane = next((lane for lane in self.lanes if not lane.job), None) or self.open()
            lane.give(index, self.jobs[index])

    def open(self):
        lane = Lane(self.started, self.work)
        self.started += 1
        self.lanes.append(lane)
        self.selector.register(lane.channel, selectors.EVENT_READ, lane)
        return lane

    def hear(self, lane):
        messages = lane.messages()
        if messages is None:
            job, seconds = lane.job, time.monotonic() - lane.since
            status = self.drop(lane)
            processes.end_all(spare=[other.pid for other in self.lanes] + self.spare)
            self.report(f"{job}: its lane", "failed", seconds, f"ended with {status} before the job was done")
            return
        for kind, *message in messages:
            if kind == "line":
                self.report(*message)
            else:
                lane.job = None

    def drop(self, lane):
        self.selector.unregister(lane.channel)
        self.lanes.remove(lane)
        return lane.wait()

    def end(self):
        """Ctrl-C, SIGTERM or a defect of ours: each lane ends its containerds and all that runs below it."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        for lane in self.lanes:
            processes.kill(lane.pid, signal.SIGTERM)
        for lane in self.lanes:
            lane.wait()
        processes.end_all(self.spare)


@contextlib.contextmanager
def beside(*functions):
    """Runs them in turn in a process of its own, what they print unseen: what is fetched early. Ended with the block."""
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        for function in functions:
            with contextlib.suppress(Exception):  # the test that needs it says what is wrong
                function()
        os._exit(0)
    child = processes.own(types.SimpleNamespace(pid=pid))
    try:
        yield pid
    finally:
        processes.disown(child)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
