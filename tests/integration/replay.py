# SPDX-License-Identifier: Apache-2.0
"""What containerd 1.6, 1.7, 2.1 and 2.3 did to a shim, recorded byte for byte (tests/replay), done to ours. Its answers, its output
and its events are those of runc's shim, field by field. What differs is in docs/differences.md, and here with the row's name."""
from harness import fixed_folder, paths, recording, replay
from harness.case import equal

RUNTIMES = ("coco",)
NEEDS_NODE = False
TOGETHER = "fixed folder"  # there is one on a machine
VERSIONS = ("1.6", "1.7", "2.1", "2.3")
SEQUENCES = ("run", "terminal", "task", "gone")
# The longest sequence comes in other pieces too: where a frame ends is no matter of the reads and writes.
OPTIONS = {("1.7", "task"): {"cut": replay.byte_by_byte}, ("2.1", "task"): {"join": True}}

AN_EXEC_THAT_FAILED = {("Wait", 1): "127", ("Wait", 2): None, ("State", 3): None, ("State", 4): "3", ("State", 9): "127",
                       ("State", 10): None, ("Delete", 1): None, ("Delete", 2): "127", ("Delete", 3): None}
DIFFERENCES = {
    "`Checkpoint`": lambda c: c.method == "Checkpoint" and (c.field, c.ours) in (
        ("code", "12"), ("message", "checkpoint: a confidential VM cannot be checkpointed by its host: not implemented")),
    "an exec that cannot be run, after its failed `Start`": lambda c: c.who.endswith("/two") and AN_EXEC_THAT_FAILED.get(
        (c.method.removesuffix(" during Start"), c.field), "") in (None, c.ours),
    "what `start` prints for containerd 1.7 to 2.2": lambda c: (c.method, c.field) == ("start", "stdout") and c.recorded.startswith(
        "unix:///run/containerd/s/") and c.ours.startswith('{"version":2,"address":"unix:///run/coco-replay/'),
    "what `start` prints for containerd 2.3 and later": lambda c: (c.method, c.field) == (
        "start", "stdout") and c.ours.startswith(c.recorded) and "containerd.types.MountCapabilities" in c.ours,
    "pid in the answer of the `delete` command after a normal end": lambda c: (c.method, c.field, c.ours) == (
        "delete", 1, "nothing"),
    "`State` of an exec whose `Start` is under way": lambda c: (c.method, c.field, {c.recorded, c.ours}) == (
        "State during Start", 4, {"1", "2"}),
}


def play(case, version, name, change=lambda lines: lines):
    """The complaints that no row of the page explains."""
    lines = change(recording.read(recording.FOLDER / version / f"{name}.txt"))
    with fixed_folder.node(64) as node:
        verify = case.clean(node)
        player = replay.Player(case, node, lines, **OPTIONS.get((version, name), {}))
        player.play()
        verify()
    return [c for c in player.comparison.complaints if not any(is_meant(c) for is_meant in DIFFERENCES.values())]


def add_test(version, name):
    def test(case):
        complaints = play(case, version, name)
        assert not complaints, "\n".join(map(str, complaints))
    test.__name__ = f"test_{version}_{name}"
    globals()[test.__name__] = test


for each_version in VERSIONS:
    for each_name in SEQUENCES:
        add_test(each_version, each_name)


def flip(lines, what, at):
    """Change one byte of the first line that is meant: the one at a number, or the last of a pattern."""
    line = next(line for line in lines if what(line))
    data = bytearray(line.data())
    data[data.index(at) + len(at) - 1 if isinstance(at, bytes) else at] ^= 1
    line.values[-1] = data.hex()


def test_a_changed_byte_is_seen(case):
    """In an answer and in an event that are expected, and in a request."""
    def asks(method):
        return lambda line: line.word == ">" and recording.Request(line.data()).method == method

    def change(lines):
        stream = recording.Frame(next(filter(asks("Wait"), lines)).data()).stream
        flip(lines, lambda line: line.word == "<" and recording.Frame(line.data()).stream == stream, b"\x08\x07")
        flip(lines, lambda line: line.word == "!" and recording.Event(line.data()).topic == "/tasks/exit", b"\x20\x07")
        flip(lines, asks("State"), -1)  # of the id
        return lines
    found = {(complaint.method, complaint.field) for complaint in play(case, "1.6", "run", change)}
    equal(found, {("State", "code"), ("State", "message"), ("Wait", 1), ("/tasks/exit", 4)})


def test_differences_are_written_down(_case):
    page = (paths.SOURCE / "docs" / "differences.md").read_text()
    equal([row for row in DIFFERENCES if f"\n| {row} |" not in page], [])
