# SPDX-License-Identifier: Apache-2.0
"""Plays a recording to our shim: what containerd did is done again, the same bytes in the same order, and no call is made before
what was answered before it in the recording has been answered. There is no containerd here, only its side of the sockets."""
import os
import pathlib
import re
import selectors
import shutil
import socket
import time

from . import compare, events, ociconfig, paths, patience, processes, recording, wire
from .ttrpc import RESPONSE

LOOKS = ("State", "Connect", "Pids", "Stats", "Wait")  # calls that change nothing
NOT_OURS = ("GRPC_ADDRESS", "MAX_SHIM_VERSION", "NAMESPACE", "SCHED_CORE", "TTRPC_ADDRESS")


def whole(send, data):
    send(data)


def byte_by_byte(send, data):
    for at in range(len(data)):
        send(data[at:at + 1])


class Process:
    """The client's side of the standard streams of a task or an exec, as the request names them."""

    def __init__(self, player, names, is_terminal):
        self.player, self.got, self.wanted, self.open = player, b"", b"", 0
        self.stdin, self.output = names[0], names[1]
        self.input = None
        for name in names[:2] if is_terminal else names:
            if name.startswith("/"):
                pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
                os.mkfifo(name, 0o700)
        for name in names[1:2] if is_terminal else names[1:]:
            if name.startswith("/"):
                self.watch(os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))

    def watch(self, fd):
        self.player.case.defer(os.close, fd)
        self.open += 1

        def readable():
            data = os.read(fd, 1 << 16)
            self.got += data
            if not data:
                self.open -= 1
                self.player.selector.unregister(fd)
        self.player.selector.register(fd, selectors.EVENT_READ, readable)

    def read(self, text):
        self.wanted += text
        if self.output.startswith("file://"):
            path = self.output.removeprefix("file://")
            assert events.wait_for_text(path, self.wanted, 30), f"{path} has no {self.wanted}"
        else:
            self.player.until(lambda: len(self.got) >= len(self.wanted), f"output {self.wanted}, not {self.got}")
            assert self.got == self.wanted, f"output is {self.got}, not {self.wanted}"

    def write(self, text):
        if self.input is None:
            self.input = os.open(self.stdin, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # ENXIO: the shim does not read
        os.write(self.input, text)

    def end(self):
        if self.input is not None:
            os.close(self.input)
            self.input = None

    def verify_over(self):
        """A client calls Delete when the output is at its end, not before."""
        self.player.until(lambda: not self.open, "the end of the output")
        if not self.output.startswith("file://"):
            assert self.got == self.wanted, f"output is {self.got}, not {self.wanted}"


class Caller:
    """containerd's connection to the shim."""

    def __init__(self, player, path):
        self.player, self.answers, self.asked, self.buffer, self.over = player, {}, {}, bytearray(), False
        self.compared = set()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.socket.settimeout(patience.stretch(30))
        self.socket.connect(path)
        player.selector.register(self.socket, selectors.EVENT_READ, self.readable)
        player.case.defer(self.close)

    def readable(self):
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionError:
            data = b""
        self.buffer += data
        for frame in recording.take_frames(self.buffer):
            answer = recording.Response(frame)
            assert answer.stream in self.asked and answer.stream not in self.answers, f"an answer on stream {answer.stream}"
            self.answers[answer.stream] = answer
        if not data:
            self.over = True
            self.player.selector.unregister(self.socket)

    def close(self):
        if self.socket.fileno() >= 0:
            if not self.over:
                self.player.selector.unregister(self.socket)
            self.socket.close()


class Player:
    """comparison.complaints has, after play(), what differs from the recording."""

    def __init__(self, case, node, lines, cut=whole, join=False):
        self.case, self.node, self.lines, self.cut, self.join = case, node, lines, cut, join
        self.selector = selectors.DefaultSelector()
        self.comparison = compare.Comparison()
        self.callers, self.processes, self.published, self.n_expected = {}, {}, [], 0
        self.held, self.late, self.line = {}, [], None
        self.during_start = []
        self.server = None
        self.back()

    def play(self):
        try:
            for self.line in self.lines:
                if self.line.word not in (">", "<"):
                    self.flush()
                self.WORDS[self.line.word](self)
            self.flush()
            self.remove_bundle()
        except BaseException as error:
            error.add_note(f"{self.line} (complaints until then: {self.comparison.complaints}; events "
                           f"{[str(e) for e in self.published]})\nthe shim's log:\n{self.shim_log()}")
            raise
        for extra in self.published[self.n_expected:]:
            self.comparison.complain((0, extra.topic, ""), "all", [], [extra.body])

    def until(self, condition, what, seconds=60):
        deadline = time.monotonic() + patience.stretch(seconds)
        while not condition():
            left = deadline - time.monotonic()
            assert left > 0, f"{what}: not within {seconds} s"
            for key, _ in self.selector.select(left):
                if key.fd in self.selector.get_map():
                    key.data()

    # -- containerd's own side: events

    def back(self):
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.server.bind(f"{self.node.socket}.ttrpc")
        self.server.listen()
        self.case.defer(self.server.close)
        self.publishers = []
        self.selector.register(self.server, selectors.EVENT_READ, self.accept)

    def away(self):
        for end in (self.server, *self.publishers):
            if end.fileno() >= 0:
                self.selector.unregister(end)
                end.close()
        os.unlink(f"{self.node.socket}.ttrpc")

    def accept(self):
        end, buffer = self.server.accept()[0], bytearray()
        self.publishers.append(end)
        self.case.defer(end.close)

        def readable():
            data = end.recv(1 << 16)
            buffer.extend(data)
            for frame in recording.take_frames(buffer):
                request = recording.Request(frame)
                assert (request.service, request.method) == (recording.EVENTS, "Forward"), request
                self.published.append(recording.Event(frame))
                end.sendall(recording.HEADER.pack(0, request.stream, RESPONSE, 0))
            if not data:
                self.selector.unregister(end)
                end.close()
        self.selector.register(end, selectors.EVENT_READ, readable)

    def event(self):
        recorded = recording.Event(self.line.data())
        self.until(lambda: len(self.published) > self.n_expected, f"event {recorded}")
        ours = self.published[self.n_expected]
        self.n_expected += 1
        self.comparison.event((self.line.number, recorded.topic, ""), recorded, ours)

    # -- the commands

    def run(self, check):
        block = self.line
        cwd = block.all("cwd")[0]
        environment = {k: v for k, v in self.node.environment.items() if k not in NOT_OURS}
        environment |= dict(pair.split("=", 1) for pair in block.all("env"))
        result = processes.run([paths.SHIM, *block.all("arg")], env=environment, cwd=None if cwd == "-" else cwd,
                               stdin=block.bytes("stdin"), check=False)
        for name, theirs, mine in (("status", int(block.all("status")[0]), result.returncode),
                                   ("stderr", b"", result.stderr)):
            if theirs != mine:
                self.comparison.complain(self.command(), name, [theirs], [mine])
        check(block.bytes("stdout"), result.stdout)

    def command(self):
        return self.line.number, self.line.word, ""

    def start(self):
        self.bundle = pathlib.Path(self.line.all("cwd")[0])
        self.bundle.mkdir(parents=True, mode=0o700)
        for text in self.line.all("file"):
            self.furnish(*text.split(" ", 2))
        log = os.open(self.bundle / "log", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.case.defer(os.close, log)
        self.log = log

        self.run(self.compare_address)
        self.address = (self.bundle / "address").read_text().removeprefix("unix://")

    def compare_address(self, recorded, ours):
        """The same form, byte for byte, but for the address itself and its length."""
        def form(text):
            if text[:1] in b"{u":
                return re.sub(rb'unix://[^"]+', b"unix://PATH", text)
            return wire.message(wire.fields(text) | {2: [b"unix://PATH"]})
        if form(recorded) != form(ours):
            self.comparison.complain(self.command(), "stdout", [recorded], [ours])

    def furnish(self, name, kind, content=""):
        path = self.bundle / name
        if kind == "folder":
            path.mkdir()
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "->":
            pathlib.Path(content).mkdir(parents=True)
            path.symlink_to(content)
        else:
            path.write_text(content)

    def remove_bundle(self):
        """As containerd: the folder of the root has to be empty."""
        (self.bundle / "rootfs").rmdir()
        shutil.rmtree(self.bundle)

    def delete(self):
        self.run(lambda recorded, ours: self.comparison.message(self.command(), compare.RESPONSES["Delete"], recorded, ours))

    def info(self):
        def check(_recorded, ours):
            if 1 not in wire.fields(ours):
                self.comparison.complain(self.command(), 1, [], [ours])
        self.run(check)

    def kill(self):
        pid = int((self.bundle / "shim.pid").read_text())
        processes.kill(pid)
        assert not processes.wait_gone([pid], 10), f"shim {pid} survives SIGKILL"

    def shim_log(self):
        try:
            return os.read(self.log, 1 << 16).decode(errors="replace")[-3000:]
        except (OSError, AttributeError):
            return ""

    # -- the calls

    def connect(self):
        self.callers[self.line.values[0]] = Caller(self, self.address)

    def close(self):
        number, who = self.line.values
        caller = self.callers[number]
        if who == "shim":
            self.until(lambda: caller.over, "the shim closes the connection")
        caller.close()

    def request(self):
        number, caller = self.line.values[0], self.callers[self.line.values[0]]
        request = recording.Request(self.line.data())
        if request.method in ("Create", "Exec"):
            self.prepare(request)
        if request.method == "Delete" and request.who() in self.processes:
            self.processes[request.who()].verify_over()
        if request.method == "State" and self.is_starting(caller, request.who()):
            self.during_start.append(request)
        caller.asked[request.stream] = request
        self.held.setdefault(number, b"")
        self.held[number] += request.bytes
        if not (self.join and request.method in LOOKS):
            self.flush()

    def is_starting(self, caller, who):
        return any(r.method == "Start" and r.who() == who and s not in caller.compared for s, r in caller.asked.items())

    def flush(self):
        """Send what is held back, and then look at the answers that came up meanwhile."""
        for number, data in self.held.items():
            self.cut(self.callers[number].socket.sendall, data)
        self.held = {}
        late, self.late = self.late, []
        for line in late:
            self.compare(line)

    def response(self):
        if self.held:
            self.late.append(self.line)
        else:
            self.compare(self.line)

    def compare(self, line):
        caller, recorded = self.callers[line.values[0]], recording.Response(line.data())
        request = caller.asked[recorded.stream]
        self.until(lambda: recorded.stream in caller.answers or caller.over, f"answer to {request}")
        caller.compared.add(recorded.stream)
        assert recorded.stream in caller.answers, f"no answer to {request}, the shim closed the connection"
        what = (line.number, request.method + (" during Start" if request in self.during_start else ""),
                "/".join(request.who()).rstrip("/"))
        self.comparison.response(what, recorded, caller.answers[recorded.stream])

    def prepare(self, request):
        """What the client and the snapshotter have made when containerd calls."""
        fields = wire.fields(request.body)
        first = 5 if request.method == "Create" else 4
        names = [fields.get(number, [b""])[0].decode() for number in range(first, first + 3)]
        is_terminal = fields.get(4 if request.method == "Create" else 3, [0])[0] == 1
        who = request.who() if request.method == "Exec" else (request.who()[0], "")
        self.processes[who] = Process(self, names, is_terminal)
        for mount in fields.get(3, []) if request.method == "Create" else []:
            self.make_root(wire.fields(mount))

    def make_root(self, mount):
        options = dict(option.decode().partition("=")[::2] for option in mount.get(4, []))
        for name in ("upperdir", "workdir"):
            pathlib.Path(options[name]).mkdir(parents=True, mode=0o755)
        lower = pathlib.Path(options["lowerdir"])
        lower.parent.mkdir(parents=True)
        ociconfig.root_file_system(lower.parent).rename(lower)

    # -- the client

    def process(self):
        identifier, _, exec_id = self.line.values[0].partition("/")
        return self.processes[identifier, exec_id]

    WORDS = {"start": start, "delete": delete, "info": info, "kill": kill, "connect": connect, "close": close, ">": request,
             "<": response, "!": event, "away": away, "back": back, "read": lambda self: self.process().read(self.line.data()),
             "write": lambda self: self.process().write(self.line.data()), "end": lambda self: self.process().end()}
