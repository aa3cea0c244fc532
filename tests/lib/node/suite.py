# SPDX-License-Identifier: Apache-2.0
"""The suites of tests/run that run in a node VM: what the harness says in there, told as tests out here."""
import re
import time

from harness import runner

from . import project, session
from .base import NodeError

# One node for each line of containerd: 1.7 and 2.x.
DEFAULT_SUITES = ("trixie", "forky")
# Which suites of the harness each of ours is, inside.
INSIDE = {"node-short": ("node-short",), "node": ("node-short", "node", "integration")}
# So many nodes share the work. Not two tests at once in one: QEMU's TCG then breaks the node's kernel after minutes (seen:
# "corrupted stack end detected inside scheduler", as its nested guests' CPUs took turns).
PARTS = {"node-short": 1, "node": 2}
RESULT = re.compile(r"(passed|failed|skipped|again)\s+([0-9.]+) s  (.*)")


class Lines:
    """The harness's report: a line for each test, the details of a failure indented below it."""

    def __init__(self, report, prefix):
        self.report, self.prefix = report, prefix
        self.rest, self.failed, self.count = b"", None, 0

    def feed(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.line(line.decode(errors="replace"))

    def line(self, line):
        if self.failed and line.startswith("    "):
            self.failed[3] += line[4:] + "\n"
            return
        self.flush()
        found = RESULT.match(line)
        if found:
            self.count += found[1] != "again"
            self.failed = [f"{self.prefix}{found[3]}", found[1], float(found[2]), ""]
            if found[1] == "passed":
                self.flush()

    def flush(self):
        """A failure is told when its details have come."""
        failed, self.failed = self.failed, None
        if failed:
            self.report(*failed)


def prepare(distro, build, guest_image, report, say):
    """Base and project; None when that failed: the other suites and the summary still come."""
    started = time.monotonic()
    try:
        return project.make(distro, build / "node", build, guest_image, False, say)
    except Exception as error:
        report(f"node {distro}: prepare", "failed", time.monotonic() - started, f"{type(error).__name__}: {error}")
        return None


def run(suite, distro, part, build, guest_image, pattern, runtimes, report):
    """part: (k, n), of the tests every nth job from the kth on, in a node of its own."""
    jobs = len(runner.jobs_of(runner.find(INSIDE[suite], pattern, runtimes)))
    if jobs < part[0]:
        return

    def say(text):
        print(f"ready            {text}", flush=True)

    inside = [word for name in INSIDE[suite] for word in ("--suite", name)]
    command = ["python3", "-m", "harness", *inside, *(w for r in runtimes for w in ("--runtime", r)), "-k", pattern,
               "--part", f"{part[0]}/{part[1]}"]
    made = prepare(distro, build, guest_image, report, say)
    if made is None:
        return
    lines, errors, started = Lines(report, f"{suite} on {distro}: "), bytearray(), time.monotonic()
    try:
        code = session.run(*made, command, stdout=lines.feed, stderr=errors.extend, say=say, quiet_seconds=1800)
        lines.flush()
        if lines.count == 0 or code not in (0, 1):
            raise NodeError(f"the harness ended with {code} after {lines.count} tests: {errors.decode(errors='replace')}")
    except NodeError as error:
        lines.flush()
        report(f"{suite} on {distro}", "failed", time.monotonic() - started, str(error))
