# SPDX-License-Identifier: Apache-2.0
"""stdout, stderr and stdin carry every byte in order, separately, and EOF arrives."""
import hashlib
import subprocess

from harness import paths, processes
from harness.case import equal

SHARED_VM = "streams"
SIZE, OTHERS = 50 * 1000 * 1000, 10 * 1000 * 1000
SECONDS = 400


def pattern(seed, size):
    return processes.run([paths.PATTERN, str(seed), str(size)]).stdout


def checksum(data):
    return len(data), hashlib.sha256(data).hexdigest()


def test_stdout_50_megabytes(case):
    result = case.run("pattern", "1", SIZE, seconds=200)
    equal(checksum(result.stdout), checksum(pattern(1, SIZE)))
    equal(result.stderr, b"")


def test_stderr(case):
    result = case.run("sh", "-c", f"exec pattern 2 {OTHERS} >&2", seconds=200)
    equal(checksum(result.stderr), checksum(pattern(2, OTHERS)))
    equal(result.stdout, b"")


def test_both_at_once(case):
    """Two interleaved streams: each complete, none mixed into the other."""
    result = case.run("pattern", "-e", "4", "3", OTHERS, seconds=300)
    equal(checksum(result.stdout), checksum(pattern(3, OTHERS)))
    equal(checksum(result.stderr), checksum(pattern(4, OTHERS)))


def test_stdin_50_megabytes(case):
    """The process reads until EOF, so it only ends if EOF reaches it."""
    data = pattern(5, SIZE)
    result = case.run("sh", "-c", "sha256sum; echo end", stdin=data, seconds=300)
    equal(result.stdout.split(), [hashlib.sha256(data).hexdigest().encode(), b"-", b"end"])


def test_stdin_through_and_back(case):
    data = pattern(6, 5_000_000)
    equal(checksum(case.run("cat", stdin=data, seconds=200).stdout), checksum(data))


def test_end_of_stdin(case):
    """EOF alone reaches the process. (Not before it runs: ctr 1.6 forgets an EOF that it reads before the task exists.)"""
    arguments = case.node.run_arguments(case.node.new_id(), "sh", "-c", "echo ready; cat; echo end", flags=("--rm",))
    popen = case.node.popen(*arguments, stdin=subprocess.PIPE)
    equal(popen.stdout.readline(), b"ready\n")
    popen.stdin.close()
    popen.stdin = None
    equal(case.node.finish(popen).stdout, b"end\n")


def test_stdin_of_exec(case):
    container = case.container()
    data = pattern(7, 5_000_000)
    result = container.exec("sha256sum", stdin=data, seconds=200)
    equal(result.stdout.split()[0], hashlib.sha256(data).hexdigest().encode())


def test_last_bytes_before_exit(case):
    """A process that writes and ends at once loses nothing."""
    for seed in range(8, 11):
        size = 300_000 + seed
        equal(checksum(case.run("pattern", seed, size).stdout), checksum(pattern(seed, size)))
    equal(case.run("printf", "no newline").stdout, b"no newline")


OWN_VM = (test_stdout_50_megabytes, test_stdin_through_and_back)
