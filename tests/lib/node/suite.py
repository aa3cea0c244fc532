# SPDX-License-Identifier: Apache-2.0
"""The suites of tests/run that run in a node VM: what the harness says in there, told as tests out here."""
import concurrent.futures
import re
import threading
import time

from harness import runner

from . import project, session
from .base import NodeError

# One node for each line of containerd: 1.7 and 2.x.
DEFAULT_SUITES = ("trixie", "forky")
# Which suites of the harness each of ours is, inside.
INSIDE = {"node-short": ("node-short",), "node": ("node-short", "node", "integration")}
# So many nodes at once share the work. Not two tests at once in one: QEMU's TCG then breaks the node's kernel after minutes (seen:
# "corrupted stack end detected inside scheduler", as its nested guests' CPUs took turns).
NODES = {"node": 2}
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


def prepare(suites, cache, build, guest_image, report, say):
    """{suite: (base, project)}; the bases are made at the same time, for much of it is waiting for the mirror."""
    found, started = {}, time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(len(suites)) as pool:
        waiting = {suite: pool.submit(project.make, suite, cache, build, guest_image, False, say) for suite in suites}
        for suite, future in waiting.items():
            try:
                found[suite] = future.result()
            except Exception as error:  # whatever it is, the other suites and the summary still come
                report(f"node {suite}: prepare", "failed", time.monotonic() - started, f"{type(error).__name__}: {error}")
    return found


def run_part(part, suite, base, disk, command, report, say):
    """In a node of its own."""
    distro = base.suite
    lines, errors, started = Lines(report, f"{suite} on {distro}: "), bytearray(), time.monotonic()
    try:
        code = session.run(base, disk, [*command, "--part", part], stdout=lines.feed, stderr=errors.extend, say=say,
                           quiet_seconds=1800)
        lines.flush()
        if lines.count == 0 or code not in (0, 1):
            raise NodeError(f"the harness ended with {code} after {lines.count} tests: {errors.decode(errors='replace')}")
    except NodeError as error:
        lines.flush()
        report(f"{suite} on {distro}, part {part}", "failed", time.monotonic() - started, str(error))


def run(suite, distros, build, guest_image, pattern, runtimes, report):
    jobs = len(runner.jobs_of(runner.find(INSIDE[suite], pattern, runtimes)))
    parts = min(jobs, NODES.get(suite, 1))
    lock = threading.Lock()

    def say(text):
        print(f"ready            {text}", flush=True)

    def tell(*result):
        with lock:
            report(*result)

    inside = [word for name in INSIDE[suite] for word in ("--suite", name)]
    command = ["python3", "-m", "harness", *inside, *(w for r in runtimes for w in ("--runtime", r)), "-k", pattern]
    for base, disk in (prepare(distros, build / "node", build, guest_image, report, say) if parts else {}).values():
        with concurrent.futures.ThreadPoolExecutor(parts) as pool:
            list(pool.map(lambda k: run_part(f"{k}/{parts}", suite, base, disk, command, tell, say), range(1, parts + 1)))
