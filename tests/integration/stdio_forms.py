# SPDX-License-Identifier: Apache-2.0
"""The forms of standard streams that containerd passes on: files, logging drivers, nothing, fifos whose other end comes and
goes or is never there."""
import json
import os
import select
import time

from harness import events, ociconfig, paths, processes, wire
from harness.case import contains, equal
from harness.containerd import NAMESPACE
from harness.shim import Shim

SHARED_VM = "streams"
DRIVER = """#!/bin/sh
trap '' TERM
exec > "$2"
echo "$1 $CONTAINER_ID $CONTAINER_NAMESPACE"
exec 5>&-
/bin/cat <&4 > "$2.err" &
/bin/cat <&3
wait
echo end
"""
BOTH = "echo out; echo err >&2"


class Process:
    """One task, from Create with these streams to the end."""

    def __init__(self, case, *command, **streams):
        self.shim = Shim(case, spec=ociconfig.base(ociconfig.root_file_system(case.directory), *command))
        self.shim.start()
        self.created = self.shim.create(**streams)

    def start(self):
        equal(self.created.code, 0, self.created.message)
        equal(self.call("Start").code, 0)
        return self

    def call(self, method, fields=None, seconds=60):
        return self.shim.call(method, {1: self.shim.id} | (fields or {}), seconds)

    def end(self, status=0):
        equal(wire.one(self.call("Wait").payload, 1), status)
        self.delete()

    def delete(self):
        reply = self.call("Delete")
        equal(reply.code, 0, reply.message)
        self.shim.shutdown()


def fifo(case, name):
    path = case.directory / name
    os.mkfifo(path)
    return path


def reader(case, path):
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    case.defer(os.close, fd)
    return fd


def silent(case):
    """Standard error for runc's shim, which wants a fifo for both or for none."""
    path = fifo(case, "err")
    reader(case, path)
    return str(path)


def read_to_end(fd, seconds=60):
    """All bytes until the last writer has closed."""
    data, deadline = b"", time.monotonic() + seconds
    while True:
        assert select.select([fd], [], [], max(0, deadline - time.monotonic()))[0], f"no end within {seconds} s: {data!r}"
        piece = os.read(fd, 65536)
        if not piece:
            return data
        data += piece


def test_file(case):
    """Both streams go to the file of standard output, after what is in it."""
    log = case.directory / "sub" / "log"
    log.parent.mkdir()
    log.write_text("old\n")
    Process(case, "sh", "-c", BOTH, stdout=f"file://{log}", stderr=f"file://{log}").start().end()
    lines = log.read_text().splitlines()
    equal((lines[0], sorted(lines[1:])), ("old", ["err", "out"]))


def test_logging_driver(case):
    driver, log = case.directory / "driver", case.directory / "log"
    driver.write_text(DRIVER)
    driver.chmod(0o755)
    uri = f"binary://{driver}?to={log}"
    process = Process(case, "sh", "-c", BOTH, stdout=uri, stderr=uri).start()
    process.end()
    assert events.wait_for_text(log, "end\n", 30), "the driver does not end with its input"
    equal(log.read_text(), f"to {process.shim.id} {NAMESPACE}\nout\nend\n")
    equal((case.directory / "log.err").read_text(), "err\n")


def driver_of(case, script):
    """The URI of a driver that is this script."""
    path = case.directory / "driver"
    path.write_text(f"#!/bin/sh\ncd {case.directory}\necho $$ > pid\n{script}\n")
    path.chmod(0o755)
    return f"binary://{path}"


def driver_pid(case):
    return int((case.directory / "pid").read_text())


def test_missing_logging_driver(case):
    uri = f"binary://{case.directory}/not-there"
    process = Process(case, "true", stdout=uri, stderr=uri)
    assert process.created.code != 0, process.created
    contains(process.created.message, "not-there")
    process.shim.shutdown()


def test_logging_driver_that_dies(case):
    """Before it is ready: no container starts that nobody listens to."""
    process = Process(case, "true", stdout=driver_of(case, "exit 3"))
    assert process.created.code != 0, process.created
    contains(process.created.message, f"{case.directory}/driver", "ended with status 3 before it was ready")
    process.shim.shutdown()


test_logging_driver_that_dies.runtimes = ("coco",)  # runc's shim takes that for being ready


def exec_of(exec_id, *command, **streams):
    numbers = {"stdout": 5, "stderr": 6}
    spec = {"args": list(command), "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}
    return {2: exec_id, 7: {1: "types.containerd.io/opencontainers/runtime-spec/1/Process", 2: json.dumps(spec)}} | {
        numbers[name]: value for name, value in streams.items()}


def test_logging_driver_is_waited_for(case):
    """Start of an exec is answered when its driver is ready, and in ours holds nothing else up meanwhile."""
    os.mkfifo(case.directory / "gate")
    uri = driver_of(case, "echo started > state; read x < gate; exec 5>&-; /bin/cat <&3 > out; echo end >> out")
    process = Process(case, "sleep", "1000").start()
    equal(process.call("Exec", exec_of("slow", "echo", "hello", stdout=uri, stderr=uri)).code, 0)
    connection, target = process.shim.connection, {1: process.shim.id, 2: "slow"}
    start = connection.send(process.shim.service, "Start", wire.message(target))
    assert events.wait_for_text(case.directory / "state", "started", 30), "the driver is not started"
    equal(process.call("State").code, 0)
    equal(process.call("Exec", exec_of("quick", "true")).code, 0)
    for method in ("Start", "Wait", "Delete") if case.runtime == "coco" else ():
        equal(process.call(method, {2: "quick"}).code, 0, method)
    assert start not in connection.early, "Start is answered before the driver is ready"
    (case.directory / "gate").write_text("go\n")
    equal(connection.reply_to(start).code, 0)
    equal(wire.one(process.call("Wait", {2: "slow"}).payload, 1), 0)
    assert events.wait_for_text(case.directory / "out", "hello", 30), "no output"
    equal(process.call("Delete", {2: "slow"}).code, 0)
    equal(processes.wait_gone([driver_pid(case)], 10), [])
    equal(process.call("Kill", {3: 9}).code, 0)
    process.end(137)


def test_logging_driver_gets_a_signal(case):
    """One that does not end with its input ends by SIGTERM when its process is deleted."""
    process = Process(case, "true", stdout=driver_of(case, "exec 5>&-; exec sleep 1000")).start()
    started = time.monotonic()
    process.end()
    equal(processes.wait_gone([driver_pid(case)], 10), [])
    assert time.monotonic() - started < 10, f"{time.monotonic() - started:.1f} s"


def test_logging_driver_that_stays(case):
    """One that ignores SIGTERM has 12 s to end; Delete waits for that and no longer."""
    process = Process(case, "true", stdout=driver_of(case, "trap '' TERM; exec 5>&-; exec sleep 1000")).start()
    equal(wire.one(process.call("Wait").payload, 1), 0)
    started = time.monotonic()
    process.delete()
    took = time.monotonic() - started
    assert 11 < took < 20, f"{took:.1f} s"
    equal(processes.wait_gone([driver_pid(case)], 10), [])


def test_orphans_become_the_shims(case):
    """A driver that goes to the background: what it leaves behind is the shim's child and not process 1's."""
    process = Process(case, "sleep", "1000", stdout=driver_of(case, "(exec 5>&-; exec sleep 1001) & echo $! > child"))
    equal(process.created.code, 0, process.created.message)
    child = int((case.directory / "child").read_text())
    case.defer(processes.kill, child)
    equal(processes.wait_gone([driver_pid(case)], 10), [])
    equal(parent_of(child), case.node.shim_pid(process.shim.id))
    equal(process.call("Kill", {3: 9}).code, 0)
    processes.kill(child)
    process.end(137)


def parent_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def test_stream_that_is_left_open(case):
    """An exec ends and leaves a process with its output: its exit is told at once, and Delete ends the stream in 10 s."""
    path = fifo(case, "out")
    out = reader(case, path)
    process = Process(case, "sleep", "1000").start()
    target = {2: "leaves"}
    equal(process.call("Exec", exec_of("leaves", "sh", "-c", "sleep 1002 & echo here", stdout=str(path))).code, 0)
    for method in ("Start", "Wait", "Delete"):
        equal(process.call(method, target, seconds=30).code, 0, method)
    equal(read_to_end(out, 5), b"here\n")
    equal(process.call("Kill", {3: 9}).code, 0)
    process.end(137)


test_stream_that_is_left_open.runtimes = ("coco",)  # as long with runc's shim, and nothing to compare


def test_nothing(case):
    """A process that nobody listens to is not held up."""
    Process(case, "sh", "-c", "head -c 1000000 /dev/zero; exit 3").start().end(3)


def test_client_detaches_and_comes_back(case):
    """A client that closes standard input has left; the end of input comes with CloseIO."""
    paths = [fifo(case, name) for name in ("in", "out")]
    out = reader(case, paths[1])
    process = Process(case, "cat", stdin=str(paths[0]), stdout=str(paths[1]), stderr=silent(case))
    process.start()
    for text in (b"first\n", b"second\n"):
        writer = os.open(paths[0], os.O_WRONLY)
        os.write(writer, text)
        select.select([out], [], [], 60)
        equal(os.read(out, 100), text)
        os.close(writer)
    equal(wire.one(process.call("State").payload, 4), 2, "it lives")
    equal(process.call("CloseIO", {3: True}).code, 0)
    equal(read_to_end(out), b"")
    process.end()


def test_output_is_complete_before_the_exit(case):
    """What was written is in the fifo, or read, when Wait is answered, whatever Delete does then."""
    path = fifo(case, "out")
    out = reader(case, path)
    process = Process(case, "pattern", "1", "3000000", stdout=str(path), stderr=silent(case)).start()
    data = read_to_end(out)
    equal(len(data), 3000000)
    process.end()


def test_shutdown_cuts_no_output(case):
    """Shutdown of what is in use is answered at once and does nothing: an exec's output goes on to its end, however slow."""
    size = 8 << 20
    path = fifo(case, "out")
    out = reader(case, path)
    process = Process(case, "sleep", "1000").start()
    target = {2: "burst"}
    command = ("pattern", "1", str(size))
    equal(process.call("Exec", exec_of("burst", *command, stdout=str(path), stderr=silent(case))).code, 0)
    equal(process.call("Start", target).code, 0)
    equal(process.call("Shutdown").code, 0)
    data = read_to_end(out)
    equal((len(data), data == processes.run([paths.PATTERN, *command[1:]]).stdout), (size, True))
    equal(wire.one(process.call("Wait", target).payload, 1), 0)
    equal(process.call("Delete", target).code, 0)
    equal(process.call("Kill", {3: 9}).code, 0)
    process.end(137)


def test_reader_that_never_comes(case):
    """The process blocks when the fifo is full. Killed, it is reported, and Delete does not wait for ever."""
    path = fifo(case, "out")
    process = Process(case, "sh", "-c", "head -c 500000 /dev/zero; sleep 1000", stdout=str(path), stderr=silent(case)).start()
    equal(process.call("Kill", {3: 9, 4: True}).code, 0)
    started = time.monotonic()
    process.end(137)
    took = time.monotonic() - started
    assert took < 20, f"{took:.1f} s"


test_reader_that_never_comes.runtimes = ("coco",)  # Create of runc's shim waits for it


def test_reader_that_goes(case):
    """A client that dies does not kill the process with SIGPIPE, and the next one gets what comes."""
    path = fifo(case, "out")
    first = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    process = Process(case, "sh", "-c", "while :; do echo tick; sleep 0.2; done", stdout=str(path), stderr=silent(case)).start()
    select.select([first], [], [], 60)
    contains(os.read(first, 100), "tick")
    os.close(first)
    second = reader(case, path)
    select.select([second], [], [], 60)
    contains(os.read(second, 100), "tick")
    equal(process.call("Kill", {3: 9, 4: True}).code, 0)
    process.end(137)


OWN_VM = (test_file, test_output_is_complete_before_the_exit)
