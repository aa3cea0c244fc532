# SPDX-License-Identifier: Apache-2.0
"""A guest that goes away while a container runs in it: panic, power off, reboot, kill -9 of QEMU. The task exits within
2 s of the end, the exit is reported as an event, and delete leaves nothing."""
import signal
import time

from harness import processes
from harness.case import contains

RUNTIMES = ("coco",)
REPORT_SECONDS = 2


def dies(case, kill, grace=REPORT_SECONDS):
    """kill(container) ends the guest; how the exit is told and cleaned up is the same for all ways."""
    verify = case.clean()
    events = case.events()
    container = case.container(flags=("--privileged",))
    qemu = case.node.qemu_pid(container.id)
    attached = case.node.popen("task", "attach", container.id)
    kill(container, qemu)
    assert not processes.wait_gone([qemu], 30), "QEMU outlives its guest"
    started = time.monotonic()
    line = events.wait("/tasks/exit", container.id, seconds=30)
    took = time.monotonic() - started
    assert took < grace, f"the exit was reported {took:.1f} s after QEMU's end"
    contains(line.replace(" ", ""), '"exit_status":137')  # as of a process that was killed
    result = case.node.finish(attached, 30)
    assert result.returncode != 0, result
    container.remove()
    events.close()
    verify()


def sysrq(letter):
    def kill(container, _qemu):
        # The guest is gone before the exec can be answered, so its outcome says nothing.
        container.exec("sh", "-c", f"echo {letter} > /proc/sysrq-trigger", flags=(), check=False, seconds=60)
    return kill


def test_qemu_killed(case):
    dies(case, lambda _container, qemu: processes.kill(qemu, signal.SIGKILL))


def test_panics(case):
    dies(case, sysrq("c"))


def test_powers_off(case):
    dies(case, sysrq("o"))


def test_reboots(case):
    dies(case, sysrq("b"))


def test_under_load(case):
    """QEMU killed with execs and streams in flight: every client returns."""
    verify = case.clean()
    container = case.container()
    clients = [case.node.popen(*container.exec_arguments("sh", "-c", "echo ready; while :; do echo x; done"))
               for _ in range(3)]
    for client in clients:
        assert client.stdout.readline() == b"ready\n"
    processes.kill(case.node.qemu_pid(container.id))
    for client in clients:
        assert case.node.finish(client, 60).returncode != 0
    container.remove()
    verify()


def test_frozen(case):
    """A guest that hangs (QEMU stopped) blocks its own calls only: another container runs, and delete -f still ends it."""
    verify = case.clean()
    container = case.container()
    qemu = case.node.qemu_pid(container.id)
    processes.kill(qemu, signal.SIGSTOP)
    assert case.run("echo", "fine").stdout == b"fine\n"
    started = time.monotonic()
    container.remove()
    assert time.monotonic() - started < 60
    assert not processes.wait_gone([qemu], 10), "QEMU survives delete -f"
    verify()
