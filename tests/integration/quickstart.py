# SPDX-License-Identifier: Apache-2.0
"""packaging/quickstart as a person would use it: first run, second run, a command of one's own, --remove."""
import os
import pathlib
import time

from harness import paths, processes
from harness.case import contains, equal

SUITE = "quickstart"
TOGETHER = "guest image cache"
RUNTIMES = ("coco",)
SECONDS = 1800
PROGRAM = paths.SOURCE / "packaging" / "quickstart"
RUN = pathlib.Path("/run/coco-quickstart")


class Quickstart:
    """Its data in a directory of the test's, so that a person's own is not touched."""

    def __init__(self, case):
        self.base = case.directory / "base"
        case.defer(self.call, "--remove")

    def call(self, *arguments, stdin=None, check=False):
        result = processes.run([PROGRAM, *arguments], env=dict(os.environ, COCO_QUICKSTART_DIR=str(self.base)),
                               seconds=SECONDS, check=check, stdin=stdin)
        left = processes.mentioning(str(self.base)) + processes.mentioning(f"{RUN}/")
        assert not left, f"quickstart {arguments} leaves {[str(p) for p in left]}"
        return result


def test_from_start_to_end(case):
    quickstart = Quickstart(case)
    first = quickstart.call(check=True)
    text = (first.stdout + first.stderr).decode(errors="replace")
    contains(text, os.uname().release, "cloud")  # the host's kernel and the guest's

    started = time.monotonic()
    second = quickstart.call(check=True)
    took = time.monotonic() - started
    contains(second.stdout + second.stderr, os.uname().release)
    assert took < 60, f"the second run took {took:.0f} s"

    result = quickstart.call("--", "sh", "-c", "echo to stdout; exit 42")
    equal(result.returncode, 42)
    contains(result.stdout, "to stdout")
    assert quickstart.call("--", "no-such-command").returncode != 0

    quickstart.call("--remove", check=True)
    assert not quickstart.base.exists() and not RUN.exists(), "--remove leaves its own files"
    assert (paths.BUILD / "build.ninja").exists(), "--remove takes the build of the tests away"
    quickstart.call("--remove", check=True)


def test_help(_case):
    result = processes.run([PROGRAM, "--help"])
    contains(result.stdout, "--remove", "/run/coco-quickstart")
