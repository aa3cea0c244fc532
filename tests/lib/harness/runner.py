# SPDX-License-Identifier: Apache-2.0
"""Find the test functions, run each for each runtime it is for, and report one line per test.

A test file is tests/integration/NAME.py: functions test_*(case), a docstring, and optionally
  SUITE = "endurance"          the suite it belongs to (default "integration")
  RUNTIMES = ("coco",)         default ("runc", "coco"): the reference first, then ours;
                               a function may have its own: test_x.runtimes = ("coco",)
  NEEDS_GUEST = False          none of its tests starts a VM with the guest image
  NEEDS_NODE = False           none of its tests calls containerd: case.node is not started
  SECONDS = 600                watchdog for each of its tests (default 240)
  EVERY_CONTAINERD = (test_x,) these are part of the suite "containerd", too: again with each containerd of its own
  RELEASES = ("trixie",)       in a file of the suite "containerd": which of them (default: those newer than the machine's)
A test that leaves a process, mount, socket or file behind fails, and the next test gets a new containerd."""
import importlib.util
import re
import signal
import sys
import time
import traceback

from . import case as case_module
from . import containerd, leaks, paths, patience, processes, sanitizers
from .containerd_release import MACHINE, NEWER, Release

FOLDER = paths.TESTS / "integration"


class Watchdog(BaseException):
    """Not an Exception, so that no test swallows it."""


class Test:
    def __init__(self, module, suite, function, runtime, release):
        self.function, self.runtime, self.release, self.suite = function, runtime, release, suite
        self.seconds = patience.stretch(getattr(module, "SECONDS", 240))
        self.needs_node = getattr(module, "NEEDS_NODE", True)
        self.needs_guest = getattr(module, "NEEDS_GUEST", True)
        self.name = f"{module.__name__}.{function.__name__.removeprefix('test_')}"

    def __str__(self):
        on = self.runtime if self.release is MACHINE else f"{self.runtime}, {self.release}"
        return f"{self.suite}: {self.name} [{on}]"


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem.replace("-", "_"), path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def releases_of(module, suite, names):
    """On which containerds a suite's tests run. names: those that were asked for, or none."""
    if suite == "containerd":
        return [Release(name) for name in getattr(module, "RELEASES", NEWER) if not names or name in names]
    return [Release(name) for name in names] or [MACHINE]


def in_suite(module, suite):
    """The module's tests that belong to a suite."""
    if suite == getattr(module, "SUITE", "integration"):
        return [f for name, f in vars(module).items() if name.startswith("test_") and callable(f)]
    return getattr(module, "EVERY_CONTAINERD", ()) if suite == "containerd" else ()


def find(suites, pattern="", runtimes=("runc", "coco"), releases=()):
    tests = []
    for path in sorted(FOLDER.glob("*.py")):
        module = load(path)
        for suite in suites:
            for function in in_suite(module, suite):
                tests += [Test(module, suite, function, runtime, release)
                          for runtime in getattr(function, "runtimes", getattr(module, "RUNTIMES", ("runc", "coco")))
                          for release in releases_of(module, suite, releases)]
    found = [test for test in tests if test.runtime in runtimes and pattern in str(test)]
    return sorted(found, key=lambda t: (t.suite, str(t.release), t.runtime != "runc"))


def short_reason(detail):
    """The line of a failure that says what was wrong: below a traceback it begins with the exception's name, at the margin."""
    lines = [line for line in detail.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[A-Za-z_][\w.]*(: |$)", line)]
    return (named + lines + ["no reason given"])[0].strip()[:300]


class Runner:
    def __init__(self, report):
        self.report = report  # report(name, outcome, seconds, detail)
        self.nodes = {}

    def node(self, test):
        """The containerd that the tests of one kind share; it ends when one of another release comes up."""
        kind = test.runtime, str(test.release)
        if kind not in self.nodes:
            for other in [k for k in self.nodes if k[1] != kind[1]]:
                self.drop_node(other)
            self.nodes[kind] = containerd.Node(test.runtime, test.release)
        if test.needs_node and not self.nodes[kind].daemon:
            try:
                self.nodes[kind].start()
            except BaseException:
                self.drop_node(kind)
                raise
        return self.nodes[kind]

    def drop_node(self, kind):
        if kind in self.nodes:
            self.nodes.pop(kind).close()

    def run(self, test):
        """A test that fails is tried once more on a fresh node, and both are told: machines are shared, and clients such
        as ctr have races of their own. A defect fails twice."""
        started = time.monotonic()
        outcome, detail = self._try(test)
        if outcome == "failed":
            print(f"again   {time.monotonic() - started:7.1f} s  {test}\n    {short_reason(detail)}", flush=True)
            outcome, second = self._try(test)
            detail += "\nsecond try:\n" + second
        self.report(str(test), outcome, time.monotonic() - started, detail)

    def _try(self, test):
        try:
            return self._attempt(test)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # the node itself did not come up
            return "failed", traceback.format_exc(limit=-3)

    def _attempt(self, test):
        node = self.node(test)
        before = leaks.Snapshot(node)
        context = case_module.Case(node)
        outcome, detail = self._guarded(test, context)
        try:
            context.close()
        except Exception:
            outcome, detail = "failed", detail + "\ncleanup: " + traceback.format_exc(limit=-2)
        left = before.leaks()
        if left:
            outcome, detail = "failed", detail + "\nleft behind:\n  " + "\n  ".join(left[:20])
        for text in sanitizers.reports():
            outcome, detail = "failed", detail + "\na sanitizer's report:\n" + text[:4000]
        if outcome == "failed":
            self.drop_node((test.runtime, str(test.release)))
        return outcome, detail

    def _guarded(self, test, context):
        """The test under its watchdog."""
        def on_alarm(_number, _frame):
            raise Watchdog(f"not finished within {test.seconds} s")
        signal.signal(signal.SIGALRM, on_alarm)
        signal.alarm(test.seconds)
        try:
            test.function(context)
            return "passed", ""
        except case_module.Skip as skip:
            return "skipped", str(skip)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            signal.alarm(0)
            detail = traceback.format_exc(limit=-4)
            if not isinstance(error, containerd.Timeout):
                detail += "\n" + context.node.diagnostics()
            return "failed", detail
        finally:
            signal.alarm(0)

    def close(self):
        for kind in list(self.nodes):
            self.drop_node(kind)


def prepare_releases(tests, report):
    """Fetches what the tests' containerds come from. The tests that can run."""
    broken = set()
    for release in {str(test.release): test.release for test in tests if test.release is not MACHINE}.values():
        started = time.monotonic()
        try:
            if release.prepare():
                print(f"ready   {time.monotonic() - started:7.1f} s  {release}", flush=True)
        except Exception as error:
            broken.add(str(release))
            report(f"prepare: {release}", "failed", time.monotonic() - started, str(error))
    return [test for test in tests if str(test.release) not in broken]


def run_all(tests, report):
    processes.adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    runner = Runner(report)
    try:
        for test in prepare_releases(tests, report):
            runner.run(test)
    finally:
        runner.close()
        processes.reap_orphans()
