#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The python half of tests/run (see its --help): build, guest image, suites, one line per test, one summary."""
import argparse
import atexit
import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
MESON_SUITES = ("unit", "fuzz-corpus")
NODE_SUITES = ("node-short", "node")
OUTSIDE = "trixie"  # the node that node-outside looks at
SUITES = ("style", "unit", "fuzz-corpus", "measure", "integration", "cri", "image", "tee", "quickstart", "endurance", "node-short")
SANITIZED_SUITES = ("unit", "fuzz-corpus", "integration")
LONG_SUITES = ("long", "soak", "memcheck")
EXTRA_SUITES = (*LONG_SUITES, "node", "containerd")  # only when asked for


class Report:
    """One line per test as it ends, failures with their reasons, and the sum."""

    def __init__(self):
        self.passed, self.failed, self.names = 0, 0, []
        self.again, self.flaky = set(), []
        self.started = time.monotonic()

    def line(self, name, outcome, seconds, detail="", count=1):
        print(f"{outcome:8}{seconds:7.1f} s  {name}", flush=True)
        if outcome == "again":
            self.again.add(name)
            print(f"    {detail}", flush=True)
        elif outcome == "passed":
            self.passed += count
            self.flaky += [name] if name in self.again else []
        else:
            self.failed += count
            self.names.append(name)
            if detail:
                print("    " + detail.strip()[-6000:].replace("\n", "\n    "), flush=True)

    def finish(self):
        """The last line is for machines: nothing may follow it."""
        print(f"\n{self.passed + self.failed} tests in {time.monotonic() - self.started:.0f} s", flush=True)
        if self.flaky:
            print(f"{len(self.flaky)} flaky: passed, but only at the second try")
        for name in self.flaky:
            print(f"  flaky: {name}")
        for name in self.names:
            print(f"  failed: {name}")
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def step(report, name, command):
    """A preparation: silent when it works, everything it said when it does not."""
    started = time.monotonic()
    result = subprocess.run([str(c) for c in command], cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    took = time.monotonic() - started
    if result.returncode != 0:
        report.line(f"prepare: {name}", "failed", took, result.stdout)
        sys.exit(report.finish())
    print(f"ready   {took:7.1f} s  {name}", flush=True)


def is_older(target, *sources):
    return not target.exists() or any(target.stat().st_mtime < source.stat().st_mtime for source in sources)


def prepare(report, build, with_guest, options):
    # What packaging/quickstart made is the tests' from now on: its --remove, which they run, too, leaves it alone.
    (build / ".made-by-quickstart").unlink(missing_ok=True)
    if not (build / "build.ninja").exists():
        step(report, "meson setup", ["meson", "setup", "-Dtests=enabled", *options, build, TOP])
    elif "tests/container/pattern" not in (build / "build.ninja").read_text(encoding="utf-8"):
        # packaging/quickstart made the build directory while there was no Criterion.
        step(report, "meson configure", ["meson", "setup", "--reconfigure", "-Dtests=enabled", build, TOP])
    if options and "-fsanitize=address" not in (build / "build.ninja").read_text(encoding="utf-8"):
        report.line(f"prepare: '{build}' is a build without sanitizers", "failed", 0)
        sys.exit(report.finish())
    step(report, "meson compile", ["meson", "compile", "-C", build])
    agent, builder, image = build / "guest" / "coco-agent", TOP / "guest" / "image" / "build", build / "guest-image"
    if with_guest and is_older(image / "manifest.json", agent, builder):
        step(report, "guest image", [builder, "--out", image, "--agent", agent])


def private_folder(prefix):
    """Removed at the end."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def short_temporary_folder():
    """Run directories hold sockets, whose paths have 107 bytes at most, and stand in QEMU's options: a long $TMPDIR, or one
    with odd characters, cannot be used."""
    folder = tempfile.gettempdir()
    if not re.fullmatch(r"/[A-Za-z0-9._/-]{1,15}", folder):
        print(f"note: TMPDIR '{folder}' is longer than 16 bytes or has odd characters: /tmp is used", flush=True)
        os.environ["TMPDIR"] = tempfile.tempdir = "/tmp"


def guest_place(build):
    """Where the tests take the guest image from. QEMU runs as a user of its own, who may have no way into this
    checkout (below /root, say): then it is a copy that everybody may read, for as long as the tests run."""
    if all(folder.stat().st_mode & 0o001 for folder in build.parents):
        return build / "guest-image"
    place = private_folder("ct-guest-")
    place.chmod(0o711)
    return place


def publish_guest(image, place):
    for name in () if place == image else ("vmlinuz", "initrd.img", "manifest.json"):
        shutil.copyfile(image / name, place / name)
        (place / name).chmod(0o644)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tests/run", add_help=False)
    parser.add_argument("--suite", action="append", choices=SUITES + EXTRA_SUITES + ("all",))
    parser.add_argument("--runtime", action="append", choices=("runc", "coco"))
    parser.add_argument("--node", action="append", choices=("trixie", "forky", "bookworm"))
    parser.add_argument("--build", type=pathlib.Path)
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument("--containerd", action="append", choices=("bookworm", "trixie", "forky"), default=[])
    parser.add_argument("--changed", nargs="?", const="HEAD", metavar="REV")
    parser.add_argument("-k", dest="pattern", default="")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() + 1)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--no-install", action="store_true")
    args = parser.parse_args()
    if args.jobs < 1:
        parser.error("--jobs: at least 1")
    return args


def print_list(suites, pattern, integration):
    from harness import style
    if "style" in suites:
        print("\n".join(f"style: {check.name}" for check in style.CHECKS if pattern in check.name))
    for suite in MESON_SUITES:
        if suite in suites:
            print(f"{suite}: meson test --suite {suite}")
    if "measure" in suites:
        print("measure: cococtl measure against its vectors")
    print("\n".join(map(str, integration)))
    for suite in NODE_SUITES:
        if suite in suites:
            print(f"{suite}: tests/node/run DISTRO -- python3 -m harness --suite ...")


def beside(suites, build, pattern, change):
    """The suites that need no containerd, as jobs that run beside those that do. What they take is about that of two cores."""
    from harness import meson_tests, runner, style, vectors
    found = []
    if "style" in suites:
        found.append(runner.Beside("style", 12, functools.partial(style.run, build, pattern, changed=change and change.paths)))
    without = change.other_rooms if change else ()
    units = [functools.partial(meson_tests.run, build, suite, pattern, without) for suite in MESON_SUITES if suite in suites]
    if units:
        found.append(runner.Beside("unit and fuzz-corpus", 30, *units))
    if "measure" in suites:
        found.append(runner.Beside("measure", 45, functools.partial(vectors.run, pattern)))
    return found


def in_nodes(suites, args, build, outside):
    """A job for each node; what looks at one from outside comes after the one that it looks at."""
    from harness import runner
    from node import suite as node_suite
    found, left = [], outside
    for distro in (args.node or node_suite.DEFAULT_SUITES) if suites else ():
        here, left = (left, []) if distro == OUTSIDE else ([], left)
        for suite in suites:
            n = node_suite.PARTS[suite]
            for k in range(1, n + 1):
                run_part = functools.partial(node_suite.run, suite, distro, (k, n), build, build / "guest-image", args.pattern,
                                             args.runtime or ("coco",))
                found.append(runner.Beside(f"{suite} on {distro}, {k} of {n}", 300, run_part, tests=here))
                here = []
    return found + ([runner.Beside("node-outside", 100, tests=left)] if left else [])


def early(suites, args, build):
    """What takes its time because it comes over the network."""
    from harness import memcheck, newer_debian, vectors
    from node import base, suite
    found = {"measure": [vectors.fetch], "tee": [newer_debian.fetch], "endurance": [memcheck.fetch],
             "node-short": [base.Base(distro, build / "node").make for distro in args.node or suite.DEFAULT_SUITES]}
    return [fetch for name, fetches in found.items() if name in suites and not (args.pattern or args.changed) for fetch in fetches]


def chosen_suites(args, change):
    if args.suite:
        found = [name for suite in args.suite for name in (SUITES + LONG_SUITES if suite == "all" else (suite,))]
        return list(dict.fromkeys(found))
    if change:
        return ["style", *(MESON_SUITES if change.rooms else ()), "integration", "cri", "image", "tee", "quickstart", "endurance"]
    return list(SANITIZED_SUITES if args.sanitize else SUITES)


def run(args, build, place, report):
    from harness import changed, lanes, runner, sanitizers
    change = changed.Change(args.changed) if args.changed else None
    suites = chosen_suites(args, change)
    runtimes = args.runtime or (("coco",) if args.sanitize else ("runc", "coco"))
    integration = runner.find([s for s in suites if s not in NODE_SUITES], args.pattern, runtimes, args.containerd,
                              change.files if change else None)
    outside = runner.find(["node-outside"] if "node-short" in suites else [], args.pattern, args.runtime or ("coco",))
    if args.list:
        print_list(suites, args.pattern, integration + outside)
        return 0
    nodes = [suite for suite in NODE_SUITES if suite in suites]
    with_guest = bool(nodes) or any(test.needs_guest for test in integration)
    build.mkdir(parents=True, exist_ok=True)
    with lanes.beside(*early(suites, args, build)) as fetcher:
        prepare(report, build, with_guest, sanitizers.MESON_OPTIONS if args.sanitize else ())
        if args.sanitize:
            sanitizers.prepare(private_folder("ct-sanitizers-"))
        if with_guest:
            publish_guest(build / "guest-image", place)
        more = beside(suites, build, args.pattern, change) + in_nodes(nodes, args, build, outside)
        runner.run_all(integration, report.line, args.jobs, more, spare=[fetcher])
    return report.finish()


def main():
    args = parse_arguments()
    os.chdir(TOP)
    if not args.list:
        short_temporary_folder()
    build = (args.build or pathlib.Path("build-sanitize" if args.sanitize else "build")).resolve()
    os.environ["COCO_TEST_BUILD"] = str(build)  # before harness.paths reads it
    place = guest_place(build)
    os.environ["COCO_TEST_GUEST"] = str(place)
    from harness import lanes
    lanes.interruptible()
    report = Report()
    try:
        return run(args, build, place, report)
    except KeyboardInterrupt:
        print("\ninterrupted")
        report.finish()
        return 130


if __name__ == "__main__":
    sys.exit(main())
