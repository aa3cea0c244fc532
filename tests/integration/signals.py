# SPDX-License-Identifier: Apache-2.0
"""`ctr task kill` reaches the process, and a process that dies of a signal reports 128 + its number."""
from harness.case import contains, equal

SHARED_VM = "processes"


def attached(case, *command):
    """A container in the foreground that has printed its first line."""
    identifier = case.node.new_id()
    popen = case.node.popen(*case.node.run_arguments(identifier, *command, flags=("--rm",)))
    line = popen.stdout.readline()
    return identifier, popen, line


def kill_and_wait(case, name, *command):
    identifier, popen, line = attached(case, *command)
    equal(line, b"ready\n")
    case.node.ctr("task", "kill", "--signal", name, identifier)
    return case.node.finish(popen)


def test_kill(case):
    equal(kill_and_wait(case, "SIGKILL", "sh", "-c", "echo ready; exec sleep 1000").returncode, 137)


def test_terminate(case):
    # PID 1 of a container ignores SIGTERM without a handler, so the shell runs under a handler that dies of it.
    script = "trap 'trap - TERM; exit 143' TERM; echo ready; sleep 1000 & while :; do wait; done"
    equal(kill_and_wait(case, "SIGTERM", "sh", "-c", script).returncode, 143)


def test_default_action_in_exec(case):
    """A process that is not PID 1 dies of SIGTERM itself: 128 + 15."""
    container = case.container()
    popen = case.node.popen(*container.exec_arguments("sh", "-c", "echo ready; exec sleep 1000", exec_id="victim"))
    equal(popen.stdout.readline(), b"ready\n")
    container.task("kill", "--signal", "SIGTERM", "--exec-id", "victim", container.id)
    equal(case.node.finish(popen).returncode, 143)
    equal(container.status(), "RUNNING")


def test_handler_runs(case):
    script = "trap 'echo caught; exit 7' USR1; echo ready; sleep 1000 & while :; do wait; done"
    result = kill_and_wait(case, "SIGUSR1", "sh", "-c", script)
    equal(result.returncode, 7)
    contains(result.stdout, "caught")


def test_all(case):
    """--all reaches every process of the container."""
    script = "echo ready; sleep 1000 & sleep 1001 & wait"
    identifier, popen, _ = attached(case, "sh", "-c", script)
    case.node.ctr("task", "kill", "--all", "--signal", "SIGKILL", identifier)
    equal(case.node.finish(popen).returncode, 137)


def test_after_exit(case):
    container = case.stopped("true")
    result = container.kill(check=False)
    if result.returncode != 0:
        contains(result.stderr, "not found")


def test_unknown_container(case):
    result = case.node.ctr("task", "kill", "no-such-container", check=False)
    assert result.returncode != 0
    contains(result.stderr, "not found")


OWN_VM = (test_kill,)
