# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C ends a run of these tests, with all that runs for it, also where a script started it as a background job."""
import os
import select
import signal
import subprocess
import sys

from harness import paths, patience, processes
from harness.case import contains, equal

RUNTIMES = ("coco",)  # of those that are interrupted: runc, which is quick
NEEDS_GUEST = False


def ignore():
    """As a shell without job control does it for what it starts with &."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def test_background_job(case):
    temporary = case.directory / "tmp"
    temporary.mkdir()
    environment = dict(os.environ, PYTHONPATH=str(paths.TESTS / "lib"), TMPDIR=str(temporary), PYTHONDONTWRITEBYTECODE="1")
    run = processes.own(subprocess.Popen([sys.executable, "-m", "harness", "--runtime", "runc", "--jobs", "2", "-k", "signals."],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, preexec_fn=ignore))
    case.defer(processes.disown, run)
    case.defer(run.kill)
    assert select.select([run.stdout], [], [], patience.stretch(60))[0], "no test has ended within 60 s"
    contains(os.read(run.stdout.fileno(), 4096), "passed")
    below = [p.pid for p in processes.descendants(run.pid)]
    assert len(below) >= 4, f"two lanes with a containerd each: {below}"
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    equal(run.returncode, 130)
    equal(processes.wait_gone(below, 0), [], "still there")
    equal(os.listdir(temporary), [])
