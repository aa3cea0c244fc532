# SPDX-License-Identifier: Apache-2.0
"""containerd goes, gracefully or by kill -9, and comes back: containers run on, are found again, their output continues,
execs go on, and what ended meanwhile still has its exit status. (That its events are sent again: events_away.py.)"""
import signal

from harness import events
from harness.case import contains, equal

SECONDS = 400
COUNT = "i=0; trap 'exit 21' USR1; while :; do i=$((i+1)); echo line $i; sleep 0.2; done"


def lines(path):
    return path.read_text().splitlines()


def verify_exit(case, node, container, name, status):
    watch = case.events(node)
    container.kill(name)
    contains(watch.wait("/tasks/exit", container.id).replace(" ", ""), f'"exit_status":{status}')
    watch.close()


def verify_ended(node, ends, shim):
    """What ended meanwhile waits with its exit status. Since 1.7 containerd drops a task that has no pids when it loads
    it, and runc's shim then says that it has none: its exit status is lost (docs/differences.md)."""
    if node.runtime == "runc" and node.line >= (1, 7):
        equal(ends.status(), None)
        return
    equal(node.shim_pid(ends.id), shim, "the same shim")
    equal(ends.status(), "STOPPED")
    contains(ends.task("delete", ends.id, check=False).stderr, "exit code 33")


def survives(case, number):
    node = case.private_node()
    verify = case.clean(node)
    logs = [case.directory / name for name in ("lives", "ends")]
    lives = case.container_on(node, "sh", "-c", COUNT, log=logs[0])
    ends = case.container_on(node, "sh", "-c", "sleep 1000 & sleep 4; echo bye; exit 33", log=logs[1])
    lives.wait_for_log("line 3\n")
    lives.exec("true")
    shims = {c.id: node.shim_pid(c.id) for c in (lives, ends)}
    pid = lives.pid()
    node.stop(number)
    assert events.wait_for_text(logs[1], "bye", 60), "the process ends without containerd too"
    before = len(lines(logs[0]))
    assert events.wait_for_text(logs[0], f"line {before + 3}\n", 60), "output goes on while containerd is away"
    node.start()
    equal(node.shim_pid(lives.id), shims[lives.id], "the same shim")
    equal((lives.status(), lives.pid()), ("RUNNING", pid))
    equal(lives.out("echo", "answers"), "answers")
    before = len(lines(logs[0]))
    assert events.wait_for_text(logs[0], f"line {before + 2}\n", 60), "output goes on"
    text = lines(logs[0])
    equal(text, [f"line {n + 1}" for n in range(len(text))], "no line is lost or told twice")
    verify_ended(node, ends, shims[ends.id])
    verify_exit(case, node, lives, "SIGUSR1", 21)
    for container in (lives, ends):
        container.remove()
    verify()


def test_graceful(case):
    survives(case, signal.SIGTERM)


def test_killed(case):
    survives(case, signal.SIGKILL)


def test_twice(case):
    node = case.private_node()
    container = case.container_on(node)
    for number in (signal.SIGKILL, signal.SIGTERM):
        node.stop(number)
        node.start()
        equal(container.status(), "RUNNING")
        equal(container.out("echo", "answers"), "answers")
    verify_exit(case, node, container, "SIGKILL", 137)
    container.remove()


def test_fifos_are_attached_again(case):
    """The client with the fifos dies, then containerd; a later client attaches to the same task."""
    node = case.private_node()
    identifier = node.new_id()
    case.defer(node.ctr, "container", "delete", identifier)
    script = "trap 'echo bye; exit 21' USR1; while :; do echo ready; sleep 0.2; done"
    first = node.popen(*node.run_arguments(identifier, "sh", "-c", script, flags=("--fifo-dir", case.directory)))
    equal(first.stdout.readline(), b"ready\n")
    first.kill()  # a client that sees containerd go removes its fifos
    node.finish(first)
    node.stop(signal.SIGKILL)
    node.start()
    second = node.popen("task", "attach", identifier)
    equal(second.stdout.readline(), b"ready\n")
    node.ctr("task", "kill", "--signal", "SIGUSR1", identifier)
    result = node.finish(second)
    equal(result.returncode, 21, result.stderr.decode())
    contains(result.stdout, "bye")


EVERY_CONTAINERD = (test_twice, test_fifos_are_attached_again)
