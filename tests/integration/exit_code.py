# SPDX-License-Identifier: Apache-2.0
"""The exit status of the container's process is the exit status of `ctr run`."""
from harness.case import contains, equal

SHARED_VM = "processes"


def test_zero(case):
    equal(case.run("true").returncode, 0)


def test_one(case):
    equal(case.run("false", check=False).returncode, 1)


def test_forty_two(case):
    equal(case.run("sh", "-c", "exit 42", check=False).returncode, 42)


def test_one_hundred_twenty_seven(case):
    equal(case.run("sh", "-c", "exit 127", check=False).returncode, 127)


def test_missing_command(case):
    result = case.run("no-such-command", check=False)
    assert result.returncode != 0
    contains(result.stderr, "no-such-command")
    equal(result.stdout, b"")


def test_missing_command_in_exec(case):
    container = case.container()
    result = container.exec("no-such-command", check=False)
    assert result.returncode != 0
    contains(result.stderr, "no-such-command")
    equal(container.out("echo", "still here"), "still here")


def test_of_exec(case):
    container = case.container()
    for code in (0, 1, 42, 127):
        equal(container.exec("sh", "-c", f"exit {code}", check=False).returncode, code)


def test_killed_by_itself(case):
    """In an exec, because PID 1 of a PID namespace is deaf to its own SIGKILL."""
    equal(case.container().exec("sh", "-c", "kill -9 $$", check=False).returncode, 137)


OWN_VM = (test_forty_two,)
