# SPDX-License-Identifier: Apache-2.0
"""Broken and hostile bytes on the shim's socket: an error for that request, no crash, and nothing lost for others."""
import os
import struct

from harness import ttrpc, wire
from harness.case import contains, equal
from harness.ttrpc import TASK, Connection

SHARED_VM = "tasks"
RUNTIMES = ("coco",)


class Target:
    """A running container, a second connection to its shim, and the proof that both still work afterwards."""

    def __init__(self, case):
        self.case = case
        self.container = case.container()
        self.pid = case.node.shim_pid(self.container.id)
        self.address = case.node.shim_address(self.container.id)

    def connect(self):
        connection = Connection(self.address)
        self.case.defer(connection.close)
        return connection

    def state(self, connection):
        reply = connection.call(TASK, "State", wire.message({1: self.container.id}))
        equal(reply.code, 0, reply.message)
        equal(wire.one(reply.payload, 4), 2, "status RUNNING")

    def verify(self, connection=None):
        if connection:
            self.state(connection)
        self.state(self.connect())
        equal(self.case.node.shim_pid(self.container.id), self.pid, "the same shim")
        equal(self.container.out("echo", "lives"), "lives")


def test_unknown_service_and_method(case):
    target = Target(case)
    connection = target.connect()
    reply = connection.call("no.such.Service", "Create")
    equal(reply.code, ttrpc.UNIMPLEMENTED)
    contains(reply.message, "no.such.Service")
    reply = connection.call(TASK, "NoSuchMethod")
    equal(reply.code, ttrpc.UNIMPLEMENTED)
    contains(reply.message, "NoSuchMethod")
    for service, method in (("", ""), ("x" * 5000, "y" * 5000), (TASK, "State\0")):
        reply = connection.call(service, method)
        assert reply.code != 0, reply
    target.verify(connection)


def test_invalid_protobuf(case):
    """In the payload: an error of that call. In the request itself: code 3 on that stream."""
    target = Target(case)
    connection = target.connect()
    for garbage in (b"\xff" * 40, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05ab", b"\x08\x01\x08", os.urandom(3000)):
        reply = connection.call(TASK, "State", garbage)
        assert reply.code != 0, f"{garbage[:20]!r}: {reply}"
    for garbage in (b"\xff" * 40, b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05ab"):
        connection.stream += 2
        connection.frame(connection.stream, ttrpc.REQUEST, garbage)
        equal(connection.reply_to(connection.stream).code, ttrpc.INVALID_ARGUMENT)
    target.verify(connection)


def test_every_method_with_garbage(case):
    target = Target(case)
    connection = target.connect()
    methods = ("State", "Create", "Start", "Delete", "Pids", "Pause", "Resume", "Checkpoint", "Kill", "Exec",
               "ResizePty", "CloseIO", "Update", "Wait", "Stats")
    for method in methods:
        reply = connection.call(TASK, method, b"\x0a\x7f\x00")
        assert reply.code != 0, f"{method}: {reply}"
        reply = connection.call(TASK, method, wire.message({1: "not-there"}))
        assert reply.code != 0, f"{method} of an unknown container: {reply}"
    target.verify(connection)


def test_truncated_frames(case):
    """A connection that ends in the middle of a frame, at every point of header and body."""
    target = Target(case)
    body = Connection.request(TASK, "State", wire.message({1: target.container.id}))
    frame = struct.pack(">IIBB", len(body), 1, ttrpc.REQUEST, 0) + body
    for length in (*range(0, 12), len(frame) // 2, len(frame) - 1):
        connection = target.connect()
        connection.raw(frame[:length])
        connection.close()
    target.verify()


def test_slow_frames(case):
    """A frame that arrives byte by byte is a frame."""
    target = Target(case)
    connection = target.connect()
    body = Connection.request(TASK, "State", wire.message({1: target.container.id}))
    for byte in struct.pack(">IIBB", len(body), 1, ttrpc.REQUEST, 0) + body:
        connection.raw(bytes([byte]))
    connection.stream = 1
    equal(connection.reply_to(1).code, 0)
    target.verify(connection)


def test_oversized_frame(case):
    """More than 4 MiB: read, thrown away, answered with ResourceExhausted; the connection lives on."""
    target = Target(case)
    connection = target.connect()
    size = ttrpc.MAXIMUM + 1
    connection.frame(1, ttrpc.REQUEST, b"\0" * size)
    connection.stream = 1
    equal(connection.reply_to(1, 60).code, ttrpc.RESOURCE_EXHAUSTED)
    target.verify(connection)


def test_announced_but_never_sent(case):
    """A header that promises 4 GiB costs no memory and holds nobody up."""
    target = Target(case)
    connection = target.connect()
    connection.raw(struct.pack(">IIBB", 0xFFFFFFFF, 1, ttrpc.REQUEST, 0))
    target.verify()
    connection.close()
    target.verify()


def test_odd_streams(case):
    """Even, repeated and falling stream ids are refused one by one (code 3); unknown frame types are ignored."""
    target = Target(case)
    connection = target.connect()
    body = Connection.request(TASK, "State", wire.message({1: target.container.id}))
    connection.frame(2, ttrpc.REQUEST, body)
    equal(connection.reply_to(2).code, ttrpc.INVALID_ARGUMENT)
    connection.frame(7, ttrpc.REQUEST, body)
    equal(connection.reply_to(7).code, 0)
    connection.frame(7, ttrpc.REQUEST, body)
    equal(connection.reply_to(7).code, ttrpc.INVALID_ARGUMENT)
    connection.frame(5, ttrpc.REQUEST, body)
    equal(connection.reply_to(5).code, ttrpc.INVALID_ARGUMENT)
    connection.frame(9, 77, b"what is this")
    connection.stream = 9
    target.verify(connection)


def test_names_that_climb(case):
    """Ids with `..`, slashes, NUL, control characters or bad UTF-8 reach no file."""
    target = Target(case)
    connection = target.connect()
    before = set(os.listdir(case.node.run_dir)), set(os.listdir(case.node.bundle(target.container.id)))
    for name in ("..", "../..", "../../etc", "a/../b", "/etc", "a/b", ".", "", "x" * 5000, b"a\0b", b"\xff\xfe", "a\nb"):
        for method, fields in (("State", {1: name}), ("Kill", {1: name, 3: 9}), ("Delete", {1: name}),
                               ("Create", {1: name, 2: "/tmp/../etc"})):
            reply = connection.call(TASK, method, wire.message(fields))
            assert reply.code != 0, f"{method} {name!r}: {reply}"
        reply = connection.call(TASK, "Exec", wire.message({1: target.container.id, 2: name, 7: {
            1: "types.containerd.io/opencontainers/runtime-spec/1/Process",
            2: b'{"args":["true"],"cwd":"/"}'}}))
        assert reply.code != 0, f"Exec {name!r}: {reply}"
    equal((set(os.listdir(case.node.run_dir)), set(os.listdir(case.node.bundle(target.container.id)))), before)
    target.verify(connection)


def test_invalid_process_specs(case):
    """Exec with a spec that is not JSON, not a process, or hostile JSON."""
    target = Target(case)
    connection = target.connect()
    kind = "types.containerd.io/opencontainers/runtime-spec/1/Process"
    specs = (b"", b"{", b"[]", b"null", b"42", b'{"args":"true"}', b'{"args":[]}', b'{"args":[1]}',
             b'{"args":["true"],"cwd":"relative"}', b'{"args":["true"],"user":"root"}', b'{"args":["true"],"rlimits":[1]}',
             b"[" * 100_000, b'{"args":["' + b"a" * 100_000, b"\xff\xfe\x00")
    for number, spec in enumerate(specs):
        reply = connection.call(TASK, "Exec", wire.message({1: target.container.id, 2: f"bad{number}",
                                                            7: {1: kind, 2: spec}}))
        if reply.code == 0:  # what only the guest can refuse is refused by Start
            reply = connection.call(TASK, "Start", wire.message({1: target.container.id, 2: f"bad{number}"}))
            connection.call(TASK, "Delete", wire.message({1: target.container.id, 2: f"bad{number}"}))
        assert reply.code != 0, f"{spec[:40]!r}: {reply}"
    target.verify(connection)


def test_connection_flood(case):
    """Many connections that say nothing, and one that asks without ever reading the answers."""
    target = Target(case)
    idle = [target.connect() for _ in range(50)]
    greedy = target.connect()
    greedy.socket.setblocking(False)
    body = Connection.request(TASK, "State", wire.message({1: target.container.id}))
    sent = 0
    try:
        for stream in range(1, 40001, 2):
            sent += greedy.socket.send(struct.pack(">IIBB", len(body), stream, ttrpc.REQUEST, 0) + body)
    except BlockingIOError:
        pass
    target.verify()
    for connection in (*idle, greedy):
        connection.close()
    target.verify()
