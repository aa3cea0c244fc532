# SPDX-License-Identifier: Apache-2.0
"""Every call of the Task service in every state of a task and an exec, against one table of what runc's shim answers. Where
ours answers otherwise the row says so, and docs/differences.md why."""
import json
import pathlib

from harness import events, ociconfig, ttrpc, wire
from harness.case import contains, equal
from harness.shim import Shim

SHARED_VM = "tasks"
SPEC = "types.containerd.io/opencontainers/runtime-spec/1/"
NO_TIME = -62135596800 & (1 << 64) - 1  # seconds of Go's zero time
CREATED, RUNNING, STOPPED, PAUSED = 1, 2, 3, 4
NEWER = "runc's shim of 1.7 and later"
CHECKPOINT = {"coco": (12, "checkpoint: a confidential VM cannot be checkpointed by its host: not implemented")}
GONE = "container not created: not found"
START = "OCI runtime exec failed: exec failed: unable to start container process: "


def process(*arguments, **more):
    return {7: {1: SPEC + "Process", 2: json.dumps(
        {"args": list(arguments), "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}} | more)}}


def resources(text="{}", kind=SPEC + "LinuxResources"):
    return {2: {1: kind, 2: text}}


class Row:
    """One call. exec_id "" is the task itself. code, text, wants: of runc's shim; other: {"coco": (code, text) or wants}, and
    NEWER likewise."""

    def __init__(self, method, exec_id="", more=None, code=0, text="", wants=None, other=None, seconds=30):
        self.method, self.exec_id, self.more, self.seconds = method, exec_id, more or {}, seconds
        self.code, self.text, self.wants, self.other = code, text, wants, other or {}

    def expected(self, kind):
        other = self.other.get(kind)
        if isinstance(other, tuple):
            return other[0], other[1], None
        return self.code, self.text, other or self.wants


def state(status, exec_id="", pid=True, exit_status=0, ended=False, other=None):
    return Row("State", exec_id, wants={"status": status, "pid": pid, "exit": exit_status, "ended": ended}, other=other)


def seen(method, payload):
    """What of an answer the table knows, by method."""
    numbers = {"State": {"status": 4, "pid": 3, "exit": 9, "ended": 10}, "Delete": {"pid": 1, "exit": 2, "ended": 3},
               "Wait": {"exit": 1, "ended": 2}, "Connect": {"shim": 1, "pid": 2}, "Start": {"pid": 1},
               "Pids": {"pids": 1}}[method]
    found = wire.fields(payload)
    values = {name: found.get(number, [0])[-1] for name, number in numbers.items() if name != "ended"}
    if "ended" in numbers:
        values["ended"] = wire.one(found[numbers["ended"]][-1], 1) != NO_TIME
    if "pids" in values:
        values["pids"] = all(wire.one(info, 1) > 0 for info in found.get(1, [])) and len(found.get(1, [])) > 0
    return {name: bool(value) if name in ("pid", "shim") else value for name, value in values.items()}


def kind_of(node):
    """Whose answers are wanted."""
    return NEWER if node.runtime == "runc" and node.line >= (1, 7) else node.runtime


def verify(shim, label, rows, identifier=None):
    identifier = identifier or shim.id
    kind = kind_of(shim.node)
    for row in rows:
        name = f"{label}: {row.method} {row.exec_id} {row.more if len(repr(row.more)) < 40 else ''}"
        code, text, wants = row.expected(kind)
        exec_field = {2: row.exec_id} if row.exec_id else {}
        try:
            reply = shim.call(row.method, {1: identifier} | exec_field | row.more, row.seconds)
        except (OSError, ttrpc.Closed) as error:
            raise AssertionError(f"{name}: {error!r}") from error
        message = reply.message.replace(identifier, "ID")
        equal((reply.code, message if not isinstance(text, set) else ""), (code, text if not isinstance(text, set) else ""),
              name)
        if isinstance(text, set):
            contains(message, *text, what=name)
        if wants is not None:
            equal(seen(row.method, reply.payload), wants, name)


UNKNOWN = [Row(method, more=more, code=5, text=GONE) for method, more in (
    ("State", {}), ("Start", {}), ("Kill", {3: 9}), ("ResizePty", {3: 80, 4: 25}), ("CloseIO", {3: True}), ("Wait", {}),
    ("Delete", {}), ("Pids", {}), ("Pause", {}), ("Resume", {}), ("Exec", {2: "x"} | process("true")),
    ("Update", resources()), ("Stats", {}), ("Checkpoint", {2: "/tmp/x"}))] + [
    Row("Connect", wants={"shim": True, "pid": False})]

NO_EXEC = "process does not exist nobody: not found"
UNKNOWN_EXEC = [Row(method, "nobody", more, 5, NO_EXEC) for method, more in (
    ("State", {}), ("Start", {}), ("Kill", {3: 9}), ("ResizePty", {3: 80, 4: 25}), ("Wait", {}), ("Delete", {}))] + [
    Row("CloseIO", "nobody", {3: True}, 2, NO_EXEC, other={"coco": (5, NO_EXEC)})]

NO_SIGNAL = (3, "no such signal: invalid argument")
CREATED_ROWS = [
    state(CREATED),
    Row("Pids", wants={"pids": True}),
    Row("Connect", wants={"shim": True, "pid": True}),
    Row("Stats"),
    Row("Pause", code=2, text="cannot pause task in created state"),
    Row("Resume", code=2, text="cannot resume task in created state"),
    Row("Checkpoint", more={2: "/tmp/x"}, code=2, text="cannot checkpoint a task in created state", other=CHECKPOINT),
    Row("Update", more=resources()),
    Row("CloseIO", more={3: True}),
    Row("ResizePty", more={3: 80, 4: 25}),
    Row("Kill", more={3: 0}),
    Row("Kill", more={3: 99}, code=2, text={"invalid argument"}, other={"coco": NO_SIGNAL}),
    Row("Exec", more={2: "early"} | process("sleep", "100")),
    Row("Start", "early", wants={"pid": True}),
    state(RUNNING, "early"),
    Row("Kill", "early", {3: 9}),
    Row("Wait", "early", wants={"exit": 137, "ended": True}),
    Row("Delete", "early", wants={"pid": True, "exit": 137, "ended": True}),
]

RUNNING_ROWS = [
    Row("Start", code=2, text="cannot start a running process"),
    state(RUNNING),
    Row("Pids", wants={"pids": True}),
    Row("Connect", wants={"shim": True, "pid": True}),
    Row("Stats"),
    Row("Delete", code=2, text="cannot delete a running process"),
    Row("Resume", code=2, text="cannot resume a running process"),
    Row("ResizePty", more={3: 80, 4: 25}),
    Row("CloseIO", more={3: True}),
    Row("CloseIO"),
    Row("Kill", more={3: 0}),
    Row("Kill", more={3: 15}),  # the process ignores it
    Row("Kill", more={3: 99}, code=2, text={"invalid argument"}, other={"coco": NO_SIGNAL}),
    Row("Update", more=resources()),
    Row("Update", more=resources(kind="of.another.Kind")),
    Row("Update", more=resources("garbage"), code=2, text={"invalid character"},
        other={"coco": (3, "update: not JSON: unexpected character at byte 0")}),
    # runc makes the folder before it looks for CRIU: a place where none can be made.
    Row("Checkpoint", more={2: "/proc/nonexistent/x"}, code=2, text={"mkdir /proc/nonexistent: "}, other=CHECKPOINT),
    Row("State", "nobody", code=5, text=NO_EXEC),
]

# After this one runc's shim of 1.7.24 and of 2.1.9 counts one running exec too few, and falls at the end of the task
# ("panic: makechan: size out of range").
START_AGAIN = Row("Start", "one", code=2, text="cannot start a running process")
EXEC_ROWS = [
    Row("Exec", more={2: "one"} | process("sleep", "1000")),
    Row("Exec", more={2: "one"} | process("sleep", "1000"), code=6, text="id one: already exists"),
    state(CREATED, "one", pid=False),
    Row("Kill", "one", {3: 9}, 9, "process not created: failed precondition"),
    Row("ResizePty", "one", {3: 80, 4: 25}),
    Row("CloseIO", "one", {3: True}),
    Row("Start", "one", wants={"pid": True}),
    START_AGAIN,
    state(RUNNING, "one"),
    Row("Pids", wants={"pids": True}),
    Row("Delete", "one", code=2, text="cannot delete a running process"),
    Row("ResizePty", "one", {3: 80, 4: 25}),
    Row("Kill", "one", {3: 10, 4: True}),
    Row("Wait", "one", wants={"exit": 138, "ended": True}),
    Row("Wait", "one", wants={"exit": 138, "ended": True}),
    state(STOPPED, "one", exit_status=138, ended=True),
    Row("Start", "one", code=2, text="cannot start a stopped process"),
    Row("Kill", "one", {3: 9}, 5, "process already finished: not found"),
    Row("ResizePty", "one", {3: 80, 4: 25}, 2, "cannot resize a stopped container"),
    Row("CloseIO", "one", {3: True}),
    Row("Delete", "one", wants={"pid": True, "exit": 138, "ended": True}),
    Row("Delete", "one", code=5, text="process does not exist one: not found"),
    Row("Exec", more={2: "never"} | process("true")),
    Row("Delete", "never", wants={"pid": False, "exit": 0, "ended": False}),
]


def cannot_run(name, spec, words, ours, exit_status):
    """An exec that Exec takes and Start cannot run."""
    failed = {"coco": {"exit": exit_status, "ended": True}}
    return [
        Row("Exec", more={2: name} | spec),
        Row("Start", name, code=2, text={START, *words}, other={"coco": (2, {START, *ours})}),
        state(CREATED, name, pid=False, other={"coco": {"status": STOPPED, "pid": True} | failed["coco"]}),
        Row("Wait", name, wants={"exit": 0, "ended": False}, other=failed),
        Row("Delete", name, wants={"pid": False, "exit": 0, "ended": False}, other={"coco": {"pid": True} | failed["coco"]}),
    ]


UNRUNNABLE_ROWS = [
    *cannot_run("a", process("nosuchbinary"), ['exec: "nosuchbinary": executable file not found in $PATH'],
                ['exec: "nosuchbinary": executable file not found in $PATH'], 127),
    *cannot_run("b", process("/no/such"), ['exec: "/no/such": stat /no/such: no such file or directory'],
                ['exec: "/no/such": no such file or directory'], 126),
    *cannot_run("c", process("/etc/passwd"), ['exec: "/etc/passwd": permission denied'],
                ['exec: "/etc/passwd": permission denied'], 126),
    *cannot_run("d", process("true", cwd="/no/dir"), ["/no/dir", "no such file or directory"],
                ["/no/dir", "No such file or directory"], 127),
]

PAUSED_ROWS = [
    Row("Exec", more={2: "two"} | process("sleep", "1000")),
    Row("Start", "two", wants={"pid": True}),
    Row("Exec", more={2: "three"} | process("sleep", "1000")),
    Row("Pause"),
    Row("Pause", code=2, text="cannot pause a paused container"),
    state(PAUSED),
    state(PAUSED, "two"),
    state(PAUSED, "three", pid=False),
    Row("Exec", more={2: "four"} | process("true"), code=2, text="cannot exec in a paused state"),
    Row("Start", code=2, text="cannot start a paused process"),
    Row("Start", "three", code=2, text={"OCI runtime exec failed: exec failed: cannot exec in a paused container"}),
    Row("Delete", code=2, text="cannot delete a paused process"),
    Row("Pids", wants={"pids": True}),
    Row("Stats"),
    Row("Update", more=resources()),
    Row("Kill", more={3: 15}),
    Row("CloseIO", more={3: True}),
    Row("Resume"),
    Row("Resume", code=2, text="cannot resume a running process"),
    state(RUNNING),
    state(CREATED, "three", pid=False),
    Row("Exec", more={2: "five"} | process("sleep", "1000")),
    Row("Shutdown"),  # is ignored while something lives
    state(RUNNING),
]

STOPPED_ROWS = [
    Row("Wait", wants={"exit": 137, "ended": True}),
    Row("Wait", "two", wants={"exit": 137, "ended": True}),
    state(STOPPED, exit_status=137, ended=True),
    state(STOPPED, "two", exit_status=137, ended=True),
    state(CREATED, "three", pid=False),
    Row("Start", code=2, text="cannot start a stopped process"),
    Row("Start", "five", code=2, text="OCI runtime exec failed: exec failed: cannot exec in a stopped container",
        other={"coco": (9, "container ID init process is not running"),
               NEWER: (9, "container ID init process is not running: failed precondition")}),
    Row("Kill", more={3: 9}, code=5, text="process already finished: not found"),
    Row("Kill", more={3: 15}, code=5, text="process already finished: not found"),
    Row("Kill", more={3: 9, 4: True}),
    Row("Exec", more={2: "six"} | process("true"), code=2, text="cannot exec in a stopped state"),
    Row("Pause", code=2, text="cannot pause a stopped container"),
    Row("Resume", code=2, text="cannot resume a stopped container"),
    Row("Update", more=resources(), code=2, text="cannot update a stopped container"),
    Row("Pids", wants={"pids": False}, other={"coco": {"pids": True}}),
    Row("Stats"),
    Row("Connect", wants={"shim": True, "pid": True}),
    Row("ResizePty", more={3: 80, 4: 25}),
    Row("CloseIO", more={3: True}),
    Row("Checkpoint", more={2: "/tmp/x"}, code=2, text="cannot checkpoint a stopped container", other=CHECKPOINT),
    Row("Delete", "three", wants={"pid": False, "exit": 0, "ended": False}),
    Row("Delete", "two", wants={"pid": True, "exit": 137, "ended": True}),
    Row("Delete", wants={"pid": True, "exit": 137, "ended": True}),
]


def test_every_call_in_every_state(case):
    root = ociconfig.root_file_system(case.directory)
    script = "trap '' TERM; echo ready > /tmp/ready; while :; do sleep 1000; done"
    shim = Shim(case, spec=ociconfig.base(root, "sh", "-c", script))
    shim.start()
    verify(shim, "unknown", UNKNOWN, "nobody")
    equal(shim.create().code, 0)
    verify(shim, "unknown exec", UNKNOWN_EXEC)
    verify(shim, "created", CREATED_ROWS)
    waits = [shim.connection.send(shim.service, "Wait", wire.message({1: shim.id})) for _ in range(20)]
    verify(shim, "start", [Row("Start", wants={"pid": True})])
    assert events.wait_for_text(pathlib.Path(root / "tmp" / "ready"), "ready", 30), "the process does not run"
    verify(shim, "running", RUNNING_ROWS)
    left_out = START_AGAIN if kind_of(case.node) == NEWER else None
    verify(shim, "exec", [row for row in EXEC_ROWS if row is not left_out])
    verify(shim, "unrunnable", UNRUNNABLE_ROWS)
    verify(shim, "paused", PAUSED_ROWS)
    verify(shim, "end", [Row("Kill", more={3: 9, 4: True})])
    for wait in waits:  # asked before the start, answered by the end, every one
        equal(wire.one(shim.connection.reply_to(wait).payload, 1), 137, "early Wait")
    verify(shim, "stopped", STOPPED_ROWS)
    verify(shim, "deleted", UNKNOWN)
    shim.shutdown()


def test_create_twice(case):
    """Of one id: the second fails, the first lives on."""
    shim = Shim(case, spec=ociconfig.base(ociconfig.root_file_system(case.directory), "sleep", "1000"))
    shim.start()
    equal(shim.create().code, 0)
    reply = shim.create()
    equal(reply.code, 6 if case.runtime == "coco" else 2, reply.message)
    contains(reply.message, "already exists")
    verify(shim, "after", [state(CREATED), Row("Start", wants={"pid": True}), Row("Kill", more={3: 9}),
                           Row("Wait", wants={"exit": 137, "ended": True}), Row("Delete")])
    shim.shutdown()


def test_create_of_what_cannot_run(case):
    """A command that is not there, or no program, is an error of Create, and the id is free again."""
    root = ociconfig.root_file_system(case.directory)
    for command, cause in (("nosuchbinary", "executable file not found in $PATH"), ("/etc/passwd", "permission denied")):
        case._directory = None
        shim = Shim(case, spec=ociconfig.base(root, command))
        shim.start()
        reply = shim.create()
        equal(reply.code, 2, reply.message)
        contains(reply.message, f'unable to start container process: exec: "{command}": {cause}')
        verify(shim, "not created", UNKNOWN)
        shim.shutdown()


def test_kill_and_delete_without_start(case):
    """A task that was only created can be killed, and deleted."""
    shim = Shim(case, spec=ociconfig.base(ociconfig.root_file_system(case.directory), "sleep", "1000"))
    shim.start()
    equal(shim.create().code, 0)
    verify(shim, "created", [Row("Kill", more={3: 9}), Row("Wait", wants={"exit": 137, "ended": True}),
                             state(STOPPED, exit_status=137, ended=True),
                             Row("Delete", wants={"pid": True, "exit": 137, "ended": True})])
    shim.shutdown()


def test_what_makes_runcs_shim_fall(case):
    """No spec, no resources, Start after a failed Start: errors of that call. (runc's shim of 1.6 dies of each.)"""
    shim = Shim(case, spec=ociconfig.base(ociconfig.root_file_system(case.directory), "sleep", "1000"))
    shim.start()
    equal(shim.create().code, 0)
    verify(shim, "odd", [
        Row("Start", wants={"pid": True}),
        Row("Update", code=3, text="update: no resources: invalid argument"),
        Row("Exec", more={2: "a"}, code=3, text="exec a: no process spec"),
        Row("Exec", more=process("true"), code=3, text="exec id '' is not valid"),
        Row("Exec", more={2: "b"} | process("nosuchbinary")),
        Row("Start", "b", code=2, text={"executable file not found"}),
        Row("Start", "b", code=2, text="cannot start a stopped process"),
        state(RUNNING), Row("Kill", more={3: 9}), Row("Wait", wants={"exit": 137, "ended": True}), Row("Delete")])
    shim.shutdown()


test_what_makes_runcs_shim_fall.runtimes = ("coco",)


def test_size_before_start(case):
    """The size of a terminal that an exec gets later: it is there when the process looks."""
    shim = Shim(case, spec=ociconfig.base(ociconfig.root_file_system(case.directory), "sleep", "1000"))
    output = case.directory / "output"
    shim.start()
    equal(shim.create().code, 0)
    verify(shim, "size", [
        Row("Start"), Row("Exec", more={2: "tty", 3: True, 5: f"file://{output}"} |
                          process("sh", "-c", "sleep 1; stty size", terminal=True)),
        Row("ResizePty", "tty", {3: 91, 4: 37}), Row("Start", "tty"), Row("Wait", "tty", wants={"exit": 0, "ended": True}),
        Row("Delete", "tty"), Row("Kill", more={3: 9}), Row("Wait"), Row("Delete")])
    equal(output.read_bytes().split(), [b"37", b"91"])
    shim.shutdown()


test_size_before_start.runtimes = ("coco",)  # runc's shim takes a fifo only for a terminal
EVERY_CONTAINERD = (test_every_call_in_every_state,)


OWN_VM = (test_every_call_in_every_state,)
