# SPDX-License-Identifier: Apache-2.0
"""A launcher that is killed or hangs at any step leaves no VM and nothing in the pod's network namespace, and the client
gets one clear error in bounded time."""
import time

from harness import paths, vmconfig
from harness.case import contains, equal, one_line
from harness.netns import PodNetwork

RUNTIMES = ("coco",)
PHASES = ("begin", "config", "probe", "xml", "connect", "start", "network")
WORKER_PHASES = ("xml", "connect", "start", "network")  # before there is no worker
SECONDS = 400
LAUNCH_TIMEOUT = 3
# The saboteur passes the launcher's lines on; the shim may see the launcher end before the last one. Then once more.
LOST_LINE, TRIES = "and no result", 7
CAUSES = {"KILL": ("was killed by signal 9",), "STOP": ("did not finish in time", "not done within")}


class Victim:
    """A container with a network whose launcher is hit after that phase."""

    def __init__(self, case, node, phase, order):
        orders = case.directory
        self.node, self.phase, self.id, self.tries = node, phase, node.new_id(), 0
        self.network = PodNetwork(case, self.id)
        self.links = self.network.links()
        (orders / node.pod_dir(self.id).name).write_text(f"{phase}:{order}")
        self.start()

    def start(self):
        self.tries, self.started = self.tries + 1, time.monotonic()
        self.popen = self.node.popen(*self.node.run_arguments(self.id, "echo", "ran", flags=("--rm", *self.network.flags)))

    def end(self):
        """What ctr said, and after how long."""
        result = self.node.finish(self.popen)
        while LOST_LINE in result.stderr.decode() and self.tries < TRIES:
            self.start()
            result = self.node.finish(self.popen)
        took = time.monotonic() - self.started
        equal((self.network.links(), self.network.redirections()), (self.links, []), f"{self.phase}: left in the namespace")
        return result, took


def sabotage(case, signal_name, who, phases):
    """All phases at once: they wait, for the most part."""
    config = vmconfig.write(case.directory / "coco.conf", host={"launch_timeout_s": LAUNCH_TIMEOUT})
    node = case.private_node(config=config, env={
        "COCO_VMM": str(paths.TESTS / "lib" / "launcher-saboteur"), "SABOTAGE_LAUNCHER": str(paths.LAUNCHER),
        "SABOTAGE": str(case.directory)})
    verify = case.clean(node)
    for victim in [Victim(case, node, phase, f"{signal_name}:{who}") for phase in phases]:
        result, took = victim.end()
        if result.returncode == 0:  # the launcher was done before the blow fell, and then there is no fault
            assert victim.phase in ("start", "network") and result.stdout == b"ran\n", f"{victim.phase}: the container ran: {result}"
            continue
        message = one_line(result.stderr)
        contains(message, "start VM of pod", what=victim.phase)
        assert any(cause in message for cause in CAUSES[signal_name]), f"{victim.phase}: another cause: {message}"
        assert took < LAUNCH_TIMEOUT + 14, f"{victim.phase}: took {took:.1f} s"
    verify()


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
