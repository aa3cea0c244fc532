# SPDX-License-Identifier: Apache-2.0
"""containerd is upgraded in place, 1.6 to 1.7 and 1.7 to 2.1, on the same directories: a running container runs on under the
shim that has it, its output goes on, execs work, and its exit status arrives."""
import signal

from harness import events
from harness.case import contains, equal
from harness.containerd_release import Release

SUITE = "containerd"
SECONDS = 400
RELEASES = ("bookworm", "trixie")  # what is upgraded from
NEXT = {"bookworm": "trixie", "trixie": "forky"}
COUNT = "trap 'exit 21' USR1; i=0; while :; do i=$((i+1)); echo line $i; sleep 0.2; done"


def upgrade(node, number):
    before = node.line
    release = Release(NEXT[node.release.name])
    release.prepare()
    node.stop(number)
    node.take_release(release)
    node.start()
    assert node.line > before, f"containerd {before} was not upgraded but is {node.line}"


def survives(case, number):
    node = case.private_node()
    verify = case.clean(node)
    log = case.directory / "log"
    container = case.container_on(node, "sh", "-c", COUNT, log=log)
    container.wait_for_log("line 2\n")
    pid, shim = container.pid(), node.shim_pid(container.id)
    upgrade(node, number)
    equal((container.status(), container.pid(), node.shim_pid(container.id)), ("RUNNING", pid, shim))
    count = len(log.read_text().splitlines())
    assert events.wait_for_text(log, f"line {count + 2}\n", 60), "output goes on"
    text = log.read_text().splitlines()
    equal(text, [f"line {n + 1}" for n in range(len(text))], "no line is lost or told twice")
    result = container.exec("sh", "-c", "echo out; echo err >&2; exit 7", check=False)
    equal((result.stdout, result.returncode), (b"out\n", 7))
    equal(container.exec("cat", stdin=b"there and back").stdout, b"there and back")
    watch = case.events(node)
    container.kill("SIGUSR1")
    contains(watch.wait("/tasks/exit", container.id).replace(" ", ""), '"exit_status":21')
    watch.close()
    contains(container.task("delete", container.id, check=False).stderr, "exit code 21")
    container.remove()
    equal(node.run("echo", "new one").stdout, b"new one\n", "a container of the new containerd")
    verify()


def test_stopped(case):
    survives(case, signal.SIGTERM)


def test_killed(case):
    survives(case, signal.SIGKILL)
