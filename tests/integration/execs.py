# SPDX-License-Identifier: Apache-2.0
"""Execs: many at once, each with its own output and exit status."""
from harness.case import contains, equal

SHARED_VM = "processes"


def test_twenty_at_once(case):
    container = case.container()
    started = []
    for number in range(20):
        script = f"echo out {number}; echo err {number} >&2; exit {number + 10}"
        popen = case.node.popen(*container.exec_arguments("sh", "-c", script, exec_id=f"x{number}"))
        started.append((number, popen))
    for number, popen in started:
        result = case.node.finish(popen, 120)
        equal((result.returncode, result.stdout, result.stderr),
              (number + 10, f"out {number}\n".encode(), f"err {number}\n".encode()), f"exec {number}")
    equal(container.status(), "RUNNING")


def test_same_id_twice(case):
    container = case.container()
    first = case.node.popen(*container.exec_arguments("sh", "-c", "echo ready; exec sleep 1000", exec_id="same"))
    equal(first.stdout.readline(), b"ready\n")
    result = case.node.ctr(*container.exec_arguments("true", exec_id="same"), check=False)
    assert result.returncode != 0
    contains(result.stderr, "already exists")
    container.task("kill", "--signal", "SIGKILL", "--exec-id", "same", container.id)
    equal(case.node.finish(first).returncode, 137)
    equal(case.node.ctr(*container.exec_arguments("sh", "-c", "exit 6", exec_id="same"), check=False).returncode, 6)


def test_ends_with_the_container(case):
    """When init dies its execs die too, and their clients hear of it."""
    container = case.container()
    popen = case.node.popen(*container.exec_arguments("sh", "-c", "echo ready; exec sleep 1000"))
    equal(popen.stdout.readline(), b"ready\n")
    container.kill()
    equal(case.node.finish(popen).returncode, 137)


def test_in_stopped_container(case):
    container = case.stopped("true")
    result = container.exec("true", check=False)
    assert result.returncode != 0


def test_user_and_directory(case):
    container = case.container()
    equal(container.out("id", "-u", flags=("--user", "1000")), "1000")
    equal(container.out("pwd", flags=("--cwd", "/tmp")), "/tmp")


OWN_VM = (test_ends_with_the_container,)
