# SPDX-License-Identifier: Apache-2.0
"""A ttrpc client on a unix socket that can also send what no client should."""
import socket
import struct
import time

from . import patience, wire

REQUEST, RESPONSE = 1, 2
MAXIMUM = 4 << 20

CANCELLED, INVALID_ARGUMENT, DEADLINE_EXCEEDED, NOT_FOUND, ALREADY_EXISTS, RESOURCE_EXHAUSTED, UNIMPLEMENTED = 1, 3, 4, 5, 6, 8, 12
TASK = "containerd.task.v2.Task"


class Closed(Exception):
    pass


class Reply:
    def __init__(self, stream, data):
        self.stream = stream
        status = wire.one(data, 1, b"")
        self.code = wire.one(status, 1)
        self.message = wire.one(status, 2, b"").decode(errors="replace")
        self.payload = wire.one(data, 2, b"")

    def __repr__(self):
        return f"reply {self.stream}: code {self.code} {self.message!r} payload {self.payload[:80]!r}"


class Connection:
    def __init__(self, path, seconds=20):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.socket.settimeout(patience.stretch(seconds))
        self.socket.connect(str(path))
        self.stream = -1
        self.early = {}

    def raw(self, data):
        self.socket.sendall(data)

    def frame(self, stream, kind, payload, flags=0, length=None):
        self.raw(struct.pack(">IIBB", len(payload) if length is None else length, stream, kind, flags) + payload)

    @staticmethod
    def request(service, method, payload=b"", nanoseconds=0):
        return wire.message({1: service, 2: method, 3: payload, 4: nanoseconds})

    def send(self, service, method, payload=b""):
        """Send a request; returns its stream id."""
        self.stream += 2
        self.frame(self.stream, REQUEST, self.request(service, method, payload))
        return self.stream

    def _exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise Closed("the peer closed the connection")
            data += piece
        return data

    def receive(self):
        length, stream, kind, _flags = struct.unpack(">IIBB", self._exactly(10))
        assert kind == RESPONSE and length <= MAXIMUM, f"frame of type {kind}, {length} bytes"
        return Reply(stream, self._exactly(length))

    def reply_to(self, stream, seconds=20):
        """The response on that stream; those of other streams are kept for their turn."""
        deadline = time.monotonic() + patience.stretch(seconds)
        while stream not in self.early:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            reply = self.receive()
            self.early[reply.stream] = reply
        return self.early.pop(stream)

    def call(self, service, method, payload=b"", seconds=20):
        return self.reply_to(self.send(service, method, payload), seconds)

    def close(self):
        self.socket.close()
