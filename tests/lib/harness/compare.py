# SPDX-License-Identifier: Apache-2.0
"""A message of our shim against the recorded one of runc's, field by field. What has to differ from run to run is checked for what
it must be all the same: a pid is a process, and one recorded pid is one pid of ours wherever it comes; likewise a time."""
import collections
import os
import time

from . import wire

NO_TIME = -62135596800 & (1 << 64) - 1  # seconds of Go's zero time
METRICS = ("io.containerd.cgroups.v1.Metrics", "io.containerd.cgroups.v2.Metrics")

SAME, PID, TIME, STATS, PIDS = "same", "pid", "time", "stats", "pids"

RESPONSES = {
    "State": {1: SAME, 2: SAME, 3: PID, 4: SAME, 5: SAME, 6: SAME, 7: SAME, 8: SAME, 9: SAME, 10: TIME, 11: SAME},
    "Create": {1: PID}, "Start": {1: PID}, "Delete": {1: PID, 2: SAME, 3: TIME}, "Wait": {1: SAME, 2: TIME},
    "Connect": {1: PID, 2: PID, 3: SAME}, "Pids": {1: PIDS}, "Stats": {1: STATS}}
EVENTS = {
    "TaskCreate": {1: SAME, 2: SAME, 3: SAME, 4: SAME, 5: SAME, 6: PID}, "TaskStart": {1: SAME, 2: PID},
    "TaskExit": {1: SAME, 2: SAME, 3: PID, 4: SAME, 5: TIME}, "TaskDelete": {1: SAME, 2: PID, 3: SAME, 4: TIME, 5: SAME},
    "TaskExecAdded": {1: SAME, 2: SAME}, "TaskExecStarted": {1: SAME, 2: SAME, 3: PID},
    "TaskPaused": {1: SAME}, "TaskResumed": {1: SAME}}


def in_words(value):
    if isinstance(value, list):
        return ", ".join(in_words(v) for v in value) or "nothing"
    return repr(value.decode(errors="replace"))[1:-1] if isinstance(value, bytes) else str(value)


class Complaint(collections.namedtuple("Complaint", "line method who field recorded ours")):
    """method: of a response, or the topic of an event, or the word of a command."""

    def __str__(self):
        return f"line {self.line}: {self.method} {self.who}, field {self.field}: recorded {self.recorded}; ours {self.ours}"


class Comparison:
    """What is compared is told with (line, method, who); a message's fields have their numbers, all else a word."""

    def __init__(self):
        self.pids, self.times, self.complaints = {}, {}, []
        self.started = time.time()

    def complain(self, what, field, recorded, ours):
        self.complaints.append(Complaint(*what, field, in_words(recorded), in_words(ours)))

    def message(self, what, kinds, recorded, ours):
        recorded, ours = wire.fields(recorded), wire.fields(ours)
        for number in sorted(set(recorded) | set(ours) | set(kinds)):
            check = getattr(self, f"_{kinds.get(number, SAME)}")
            theirs, mine = recorded.get(number, []), ours.get(number, [])
            if not check(theirs, mine):
                self.complain(what, number, theirs, mine)

    @staticmethod
    def _same(theirs, mine):
        return theirs == mine

    def _pid(self, theirs, mine):
        if not theirs or not mine:
            return theirs == mine
        known = self.pids.get(theirs[0])
        self.pids[theirs[0]] = mine[0]
        return known == mine[0] if known else os.path.exists(f"/proc/{mine[0]}")

    def _time(self, theirs, mine):
        if len(theirs) != len(mine) or not theirs:
            return theirs == mine
        then, now = (wire.fields(value[0]) for value in (theirs, mine))
        if then[1] == [NO_TIME] or now.get(1) == [NO_TIME]:
            return then == now
        known = self.times.setdefault(theirs[0], mine[0])
        return known == mine[0] and self.plausible(now)

    def plausible(self, stamp):
        seconds, nanoseconds = (stamp.get(n, [0])[0] for n in (1, 2))
        return self.started - 1 <= seconds + nanoseconds / 1e9 <= time.time() + 1 and nanoseconds < 1000000000

    @staticmethod
    def _pids(theirs, mine):
        """The same execs, by name, and the task; each with the pid of a process."""
        def execs(values):
            return sorted(wire.one(wire.one(value, 2, b""), 2, b"") for value in values if 2 in wire.fields(value))
        alive = all(os.path.exists(f"/proc/{wire.one(value, 1)}") for value in mine)
        return execs(theirs) == execs(mine) and len(mine) > len(execs(mine)) and alive

    @staticmethod
    def _stats(_theirs, mine):
        kind, body = (wire.one(mine[0], n, b"") for n in (1, 2))
        usage = wire.fields(body)
        if kind.decode() not in METRICS:
            return False
        if kind.decode() == METRICS[0]:
            cpu = wire.one(wire.one(usage[3][0], 1, b""), 1)
            memory = wire.one(wire.one(usage[4][0], 33, b""), 2)
            return cpu > 0 and memory > 0 and wire.one(usage[2][0], 1) > 0
        return wire.one(usage[2][0], 1) > 0 and wire.one(usage[4][0], 32) > 0 and wire.one(usage[1][0], 1) > 0

    def response(self, what, recorded, ours):
        if (recorded.kind, recorded.flags) != (ours.kind, ours.flags):
            self.complain(what, "frame", [recorded.kind, recorded.flags], [ours.kind, ours.flags])
        if recorded.code != ours.code:
            self.complain(what, "code", [recorded.code], [ours.code])
        if recorded.message != ours.message:
            self.complain(what, "message", [recorded.message.encode()], [ours.message.encode()])
        if not recorded.code and not ours.code:
            self.message(what, RESPONSES.get(what[1].split(" ")[0], {}), recorded.body, ours.body)

    def event(self, what, recorded, ours):
        for name in ("namespace", "topic", "type"):
            if getattr(recorded, name) != getattr(ours, name):
                self.complain(what, name, [getattr(recorded, name).encode()], [getattr(ours, name).encode()])
        if not self.plausible(ours.time):
            self.complain(what, "time", [], [str(ours.time).encode()])
        self.message(what, EVENTS.get(recorded.type.split(".")[-1], {}), recorded.body, ours.body)

