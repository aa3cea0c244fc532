# SPDX-License-Identifier: Apache-2.0
"""A launcher that is killed or hangs at any step leaves no VM, and the client gets one clear error in bounded time."""
import time

from harness import paths, vmconfig
from harness.case import contains, one_line

RUNTIMES = ("coco",)
PHASES = ("begin", "config", "probe", "xml", "connect", "start")
WORKER_PHASES = ("xml", "connect", "start")  # before there is no worker
SECONDS = 400
LAUNCH_TIMEOUT = 6
# The saboteur passes the launcher's lines on; the shim may see the launcher end before the last one. Then once more.
LOST_LINE, TRIES = "and no result", 6
CAUSES = {"KILL": ("was killed by signal 9",), "STOP": ("did not finish in time", "not done within")}


def sabotage(case, signal_name, who, phases):
    for phase in phases:
        config = vmconfig.write(case.directory / "coco.conf", host={"launch_timeout_s": LAUNCH_TIMEOUT})
        node = case.private_node(config=config, env={
            "COCO_VMM": str(paths.TESTS / "lib" / "launcher-saboteur"), "SABOTAGE_LAUNCHER": str(paths.LAUNCHER),
            "SABOTAGE": f"{phase}:{signal_name}:{who}"})
        verify = case.clean(node)
        started = time.monotonic()
        result = node.run("echo", "ran", check=False)
        for _ in range(TRIES):
            if LOST_LINE not in result.stderr.decode():
                break
            started = time.monotonic()
            result = node.run("echo", "ran", check=False)
        took = time.monotonic() - started
        if result.returncode == 0:  # the launcher was done before the blow fell, and then there is no fault
            assert phase == "start" and result.stdout == b"ran\n", f"{phase}: the container ran: {result}"
        else:
            message = one_line(result.stderr)
            contains(message, "start VM of pod", what=phase)
            assert any(cause in message for cause in CAUSES[signal_name]), f"{phase}: another cause: {message}"
            assert took < LAUNCH_TIMEOUT + 14, f"{phase}: took {took:.1f} s"
        verify()
        node.close()


def test_killed(case):
    sabotage(case, "KILL", "front", PHASES)


def test_worker_killed(case):
    sabotage(case, "KILL", "worker", WORKER_PHASES)


def test_hangs(case):
    sabotage(case, "STOP", "both", PHASES)


def test_worker_hangs(case):
    sabotage(case, "STOP", "worker", WORKER_PHASES)


def test_is_missing(case):
    node = case.private_node(env={"COCO_VMM": "/not/there/coco-vmm"})
    verify = case.clean(node)
    result = node.run("true", check=False)
    assert result.returncode != 0
    assert "/not/there/coco-vmm" in result.stderr.decode(), result.stderr
    verify()
