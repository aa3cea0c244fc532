# SPDX-License-Identifier: Apache-2.0
"""The file of a recorded call sequence: what containerd did to a shim and what the shim answered, line by line in the order in
which it was seen. tests/replay/README.md has the words; `#` begins a comment, which nothing reads."""
import fcntl
import pathlib
import struct

from . import wire

BASE = pathlib.Path("/run/coco-replay")  # every path in a recording is below it, or below /run/containerd
LOG = BASE / "recording"
FOLDER = pathlib.Path(__file__).resolve().parents[2] / "replay"
HEADER = struct.Struct(">IIBB")
EVENTS = "containerd.services.events.ttrpc.v1.Events"


class Line:
    """One word, its values, and for `start`, `delete` and `info` the indented lines below."""

    def __init__(self, number, text):
        self.number = number
        self.word, *self.values = text.split(" ")
        self.below = []

    def all(self, word):
        """The values of all lines of that word below, as they are written."""
        return [text.split(" ", 1)[1] for text in self.below if text.split(" ", 1)[0] == word]

    def bytes(self, word):
        """The hex value of the one line of that word below; None where it says `-`."""
        [text] = self.all(word)
        return None if text == "-" else unhex(text)

    def data(self):
        return unhex(self.values[-1])

    def __str__(self):
        return f"line {self.number}: {self.word} {' '.join(self.values)[:60]}"


def tohex(data):
    return data.hex() or "empty"


def unhex(text):
    return b"" if text == "empty" else bytes.fromhex(text)


def read(path):
    lines = []
    for number, text in enumerate(path.read_text().splitlines(), start=1):
        if text.startswith("  "):
            lines[-1].below.append(text[2:])
        elif text and not text.startswith("#"):
            lines.append(Line(number, text))
    return lines


def append(*lines, counted=None):
    """Write lines at the end of the recording under way, as one. counted: every {} becomes the number of lines of that word
    which are there already, and that number is returned."""
    with open(LOG, "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        number = 0
        if counted:
            file.seek(0)
            number = sum(line.startswith(counted + " ") for line in file)
        file.write("".join(line.replace("{}", str(number)) + "\n" for line in lines))
        file.flush()
    return number


def take_frames(buffer):
    """Cut the complete frames off the front of a bytearray."""
    frames = []
    while len(buffer) >= HEADER.size:
        length = HEADER.unpack_from(buffer)[0] + HEADER.size
        if len(buffer) < length:
            break
        frames.append(bytes(buffer[:length]))
        del buffer[:length]
    return frames


class Frame:
    def __init__(self, data):
        self.bytes = data
        self.length, self.stream, self.kind, self.flags = HEADER.unpack_from(data)
        self.payload = data[HEADER.size:]


class Request(Frame):
    def __init__(self, data):
        super().__init__(data)
        self.service, self.method = (wire.one(self.payload, n, b"").decode() for n in (1, 2))
        self.body = wire.one(self.payload, 3, b"")

    def who(self):
        """(container id, exec id) of a Task request."""
        fields = wire.fields(self.body)
        return tuple(fields.get(n, [b""])[-1].decode() if self.has_exec_id() or n == 1 else "" for n in (1, 2))

    def has_exec_id(self):
        return self.method in ("State", "Start", "Delete", "Kill", "Exec", "ResizePty", "CloseIO", "Wait")

    def __str__(self):
        seconds = wire.one(self.payload, 4) / 1e9
        return f"{self.service}/{self.method} {'/'.join(self.who()).rstrip('/')}" \
            + (f", {seconds:.1f} s left" if seconds else "")


class Response(Frame):
    def __init__(self, data):
        super().__init__(data)
        status = wire.one(self.payload, 1, b"")
        self.code, self.message = wire.one(status, 1), wire.one(status, 2, b"").decode(errors="replace")
        self.body = wire.one(self.payload, 2, b"")


class Event:
    """The envelope of a Forward request."""

    def __init__(self, data):
        envelope = wire.one(Request(data).body, 1, b"")
        self.time = wire.fields(wire.one(envelope, 1, b""))
        self.namespace, self.topic = (wire.one(envelope, n, b"").decode() for n in (2, 3))
        message = wire.one(envelope, 4, b"")
        self.type, self.body = wire.one(message, 1, b"").decode(), wire.one(message, 2, b"")

    def __str__(self):
        return self.topic


def short(data, depth=0):
    """A message in words, for comments: numbers of fields and their values."""
    words = []
    for number, values in wire.fields(data).items():
        for value in values:
            words.append(f"{number}: {value if isinstance(value, int) else in_words(value, depth)}")
    text = ", ".join(words)
    return text if len(text) < 240 else text[:240] + "…"


def in_words(value, depth):
    try:
        text = value.decode()
        if text.isprintable():
            return repr(text if len(text) < 60 else text[:60] + "…")
    except UnicodeDecodeError:
        pass
    try:
        return "{" + short(value, depth + 1) + "}" if depth < 3 and len(value) < 200 else f"{len(value)} bytes"
    except (IndexError, KeyError):
        return f"{len(value)} bytes"

