# SPDX-License-Identifier: Apache-2.0
"""python3 -m harness [--suite NAME]… [--runtime runc|coco]… [--containerd DISTRO]… [-k TEXT] [--jobs N]
[--part K/N] [--list]: only the integration part of tests/run, for a tree that is built already. COCO_TEST_BUILD names the build
directory."""
import argparse
import sys

from . import containerd_release, lanes, runner


def main():
    parser = argparse.ArgumentParser(prog="harness", description=__doc__)
    parser.add_argument("--suite", action="append")
    parser.add_argument("--runtime", action="append")
    parser.add_argument("--containerd", action="append", choices=tuple(containerd_release.RELEASES), default=[])
    parser.add_argument("-k", dest="pattern", default="")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--part", default="1/1", help="every Nth job, from the Kth on")
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    tests = runner.find(args.suite or ["integration"], args.pattern, args.runtime or ("runc", "coco"), args.containerd)
    if args.list:
        print("\n".join(map(str, tests)))
        return 0
    outcomes = []

    def report(name, outcome, seconds, detail="", _count=1):
        if outcome != "again":
            outcomes.append(outcome)
        print(f"{outcome:8}{seconds:7.1f} s  {name}", flush=True)
        if outcome != "passed" and detail:
            print("    " + detail.replace("\n", "\n    "), flush=True)

    lanes.interruptible()
    try:
        runner.run_all(tests, report, args.jobs, part=tuple(map(int, args.part.split("/"))))
    except KeyboardInterrupt:
        return 130
    print(f"{outcomes.count('passed')} passed, {len(outcomes) - outcomes.count('passed')} failed")
    return 0 if outcomes.count("passed") == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
