# SPDX-License-Identifier: Apache-2.0
"""Find the test functions, run each for each runtime it is for, and report one line per test.

A test file is tests/integration/NAME.py: functions test_*(case), a docstring, and optionally
  SUITE = "endurance"          the suite it belongs to (default "integration");
                               a function may have its own: test_x.suite = "long"
  RUNTIMES = ("coco",)         default ("runc", "coco"): the reference first, then ours;
                               a function may have its own: test_x.runtimes = ("coco",)
  NEEDS_GUEST = False          none of its tests starts a VM with the guest image
  NEEDS_NODE = False           none of its tests calls containerd: case.node is not started
  SECONDS = 600                watchdog for each of its tests (default 240)
  ALONE = True                 nothing runs beside its tests: they look at, or change, what the whole machine has
  TOGETHER = "name"            its tests run in one lane, one after the other, with all of the same name: they share what they
                               made before, or something that there is only one of
  SHARED_VM = "name"           with coco its tests are containers of one VM (case.vm), which all with the same name share in one lane
  OWN_VM = (test_x,)           these are not: they are about the VM, or the way of a container that is alone in it;
                               a function may say what it shares: test_x.shared_vm = make, and make(case) gives case.vm
  EVERY_CONTAINERD = (test_x,) these are part of the suite "containerd", too: again with each containerd of its own
  RELEASES = ("trixie",)       in a file of the suite "containerd": which of them (default: those newer than the machine's)
A test that leaves a process, mount, socket or file behind fails, and the next test gets a new containerd."""
import importlib.util
import re
import signal
import time
import traceback

from . import case as case_module
from . import containerd, lanes, leaks, paths, patience, sanitizers, shared_vm, times
from .containerd_release import MACHINE, NEWER, Release

FOLDER = paths.TESTS / "integration"


class Watchdog(BaseException):
    """Not an Exception, so that no test swallows it."""


class Test:
    """A function for one runtime and one containerd."""

    def __init__(self, module, suite, function, runtime, release):
        self.function, self.runtime, self.release, self.suite = function, runtime, release, suite
        self.limit = patience.stretch(getattr(module, "SECONDS", 240)) * lanes.SLOWER
        self.alone, self.together = getattr(module, "ALONE", False), getattr(module, "TOGETHER", None)
        self.vm, self.make_vm = shared_by(module, function) if runtime == "coco" else (None, None)
        self.needs_node = getattr(module, "NEEDS_NODE", True)
        self.needs_guest = getattr(module, "NEEDS_GUEST", True)
        self.name = f"{module.__name__}.{function.__name__.removeprefix('test_')}"

    def __str__(self):
        on = self.runtime if self.release is MACHINE else f"{self.runtime}, {self.release}"
        return f"{self.suite}: {self.name} [{on}]"


def shared_by(module, function):
    """The name of the VM, and what makes it."""
    make = getattr(function, "shared_vm", None)
    if make:
        return f"{module.__name__}.{make.__name__}", make
    return None if function in getattr(module, "OWN_VM", ()) else getattr(module, "SHARED_VM", None), shared_vm.pod


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
    usual = getattr(module, "SUITE", "integration")
    found = [f for name, f in vars(module).items() if name.startswith("test_") and callable(f) and
             getattr(f, "suite", usual) == suite]
    return found + list(getattr(module, "EVERY_CONTAINERD", ()) if suite == "containerd" else ())


def find(suites, pattern="", runtimes=("runc", "coco"), releases=(), files=None):
    """files: only these, by the name without .py."""
    tests = []
    for path in sorted(path for path in FOLDER.glob("*.py") if files is None or path.stem in files):
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


class Job:
    """Tests for one lane, one after the other."""

    def __init__(self, *tests):
        self.tests = list(tests)
        self.alone, self.release = any(test.alone for test in tests), tests[0].release

    @property
    def seconds(self):
        return sum(times.expected(str(test), "shared" if test.vm else test.runtime) for test in self.tests)

    def run(self, runner, report):
        for test in self.tests:
            runner.run(test, report)
        runner.end_vm(report)

    def __str__(self):
        return str(self.tests[0])


def jobs_of(tests):
    jobs = {}
    for test in tests:
        name = test.vm or test.together
        key = (name, str(test.release), test.alone, bool(test.vm)) if name else id(test)
        if key in jobs:
            jobs[key].tests.append(test)
        else:
            jobs[key] = Job(test)
    return list(jobs.values())


class Beside:
    """Suites that are not of this harness, function(report), and tests that come after them."""
    alone, release = False, MACHINE

    def __init__(self, name, seconds, *functions, tests=()):
        self.name, self.seconds, self.functions, self.tests = name, seconds, functions, tests

    def run(self, runner, report):
        for function in self.functions:
            function(report)
            for text in sanitizers.reports():
                report(f"{self.name}: a sanitizer's report", "failed", 0, text)
        for test in self.tests:
            runner.run(test, report)

    def __str__(self):
        return self.name


class Runner:
    """What a lane keeps from test to test: its containerds, and the VM that the tests of a job share."""

    def __init__(self):
        self.nodes, self.vm = {}, None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

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
            node = self.nodes.pop(kind)
            if self.vm and self.vm.node is node:
                vm, self.vm = self.vm, None
                vm.abandon()
            node.close()

    def vm_for(self, test, node):
        """What the test finds as case.vm."""
        if test.vm and not self.vm:
            self.vm = shared_vm.SharedVm(test.vm, node, test.make_vm)
        return self.vm.vm if test.vm else None

    def end_vm(self, report):
        """After the last test that shares it."""
        started, vm, self.vm = time.monotonic(), self.vm, None
        if not vm:
            return
        try:
            left = vm.end()
            detail = "left behind:\n  " + "\n  ".join(left) if left else ""
        except Exception:
            detail = traceback.format_exc(limit=-2)
        detail += "".join(f"\na sanitizer's report:\n{text[:4000]}" for text in sanitizers.reports())  # its shim's, at its end
        if detail:
            report(f"the VM of {vm.name}", "failed", time.monotonic() - started, detail)
            self.drop_node(next(kind for kind, node in self.nodes.items() if node is vm.node))

    def run(self, test, report):
        """A test that fails is tried once more on a fresh node, and both are told: machines are shared, and clients such
        as ctr have races of their own. A defect fails twice. report(name, outcome, seconds, detail)"""
        started = time.monotonic()
        outcome, detail = self._try(test)
        if outcome == "failed":
            report(str(test), "again", time.monotonic() - started, short_reason(detail))
            outcome, second = self._try(test)
            detail += "\nsecond try:\n" + second
        report(str(test), outcome, time.monotonic() - started, detail)

    def _try(self, test):
        try:
            return self._attempt(test)
        except lanes.Ended:
            raise
        except BaseException:  # the node itself did not come up
            return "failed", traceback.format_exc(limit=-3)

    def _attempt(self, test):
        node = self.node(test)
        try:
            vm = self.vm_for(test, node)
        except Exception:
            self.drop_node((test.runtime, str(test.release)))
            raise
        before = leaks.Snapshot(node)
        context = case_module.Case(node, vm)
        try:
            outcome, detail = self._guarded(test, context)
        except lanes.Ended:  # its containerds and directories go; what runs below the lane is ended with it
            context.close()
            raise
        try:
            context.close()
        except Exception:
            outcome, detail = "failed", detail + "\ncleanup: " + traceback.format_exc(limit=-2)
        left = before.leaks()
        if left:
            outcome, detail = "failed", detail + "\nleft behind:\n  " + "\n  ".join(left[:20])
            before.end_processes()
        lost = self.vm.lost() if self.vm else ()
        if lost:
            outcome, detail = "failed", detail + "\nlost of the shared VM:\n  " + "\n  ".join(lost)
        for text in sanitizers.reports():
            outcome, detail = "failed", detail + "\na sanitizer's report:\n" + text[:4000]
        if outcome == "failed":
            self.drop_node((test.runtime, str(test.release)))
        return outcome, detail

    def _guarded(self, test, context):
        """The test under its watchdog."""
        def on_alarm(_number, _frame):
            raise Watchdog(f"not finished within {test.limit} s")
        signal.signal(signal.SIGALRM, on_alarm)
        signal.alarm(test.limit)
        try:
            test.function(context)
            return "passed", ""
        except case_module.Skip as skip:
            return "skipped", str(skip)
        except lanes.Ended:
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


def run_all(tests, report, count=1, more=(), spare=(), part=(1, 1)):
    """In so many lanes; more: jobs besides the tests; part: (k, n), every nth job from the kth on."""
    jobs = jobs_of(prepare_releases(tests, report))[part[0] - 1::part[1]] + list(more)
    memory = times.Memory(report)
    lanes.Lanes(jobs, count, memory.report, Runner, spare).run()
    memory.save()
