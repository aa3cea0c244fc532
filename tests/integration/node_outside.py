# SPDX-License-Identifier: Apache-2.0
"""A node VM changes nothing of the machine that it runs on, and leaves nothing: after its command, after Ctrl-C, after kill -9."""
import os
import pathlib
import re
import signal
import subprocess

from harness import events, paths, processes
from harness.case import contains, equal

SUITE = "node-outside"
RUNTIMES = ("coco",)
SECONDS = 600
OTHERS = r"(/tmp|/run/coco-replay|/run/coco-quickstart|/run/containerd)(/|$)"  # what the tests beside these mount
RUN = paths.SOURCE / "tests" / "node" / "run"


def machine_state(case):
    """What a run could change. Its temporary files go to a folder of the test's (others use /tmp, too); processes that it leaves
    are adopted by the harness, whose leak check finds them. Mounts of tests beside this one are below /tmp and /run."""
    temporary = case.directory / "tmp"
    temporary.mkdir(exist_ok=True)
    mounts = [line for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()
              if str(case.node.base) in line or not re.match(OTHERS, line.split()[1])]
    return {"mounts": mounts, "links": sorted(os.listdir("/sys/class/net")), "modules": sorted(os.listdir("/sys/module")),
            "temporary files": sorted(os.listdir(temporary))}


def environment(case):
    return dict(os.environ, TMPDIR=str(case.directory / "tmp"))


def command(*words):
    """Without the packages, because how long they take is not what is tested."""
    return [str(w) for w in (RUN, "trixie", "--without-packages", "--build", paths.BUILD, "--guest-image",
                             paths.BUILD / "guest-image", "--", *words)]


def as_in_a_terminal():
    """A background job of a script ignores SIGINT, and so does all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(case, *words):
    """A run whose command has begun."""
    log = case.directory / "out"
    with open(log, "wb") as out:
        popen = processes.own(subprocess.Popen(command(*words), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE,
                                               start_new_session=True, env=environment(case), preexec_fn=as_in_a_terminal))
    if not events.wait_for_text(log, "begun", 240):
        popen.kill()
        raise AssertionError(f"the command does not begin: {popen.communicate()[1].decode(errors='replace')}")
    return popen


def end(popen):
    """Its exit code."""
    popen.communicate(timeout=60)
    processes.disown(popen)
    return popen.returncode


def test_output_exit_code_results(case):
    before = machine_state(case)
    results = case.directory / "results"
    words = command("sh", "-c", "echo out; echo err >&2; mkdir -p /results/a; uname -r >/results/a/kernel; exit 42")
    words[1:1] = ["--results", str(results)]
    done = processes.run(words, seconds=300, check=False, env=environment(case))
    equal((done.returncode, done.stdout), (42, b"out\n"), what=done.stderr.decode(errors="replace"))
    contains(done.stderr, "err", "exit code 42")
    contains((results / "a" / "kernel").read_text(), "cloud-amd64")
    equal(machine_state(case), before)


def test_interrupt(case):
    before = machine_state(case)
    popen = start(case, "sh", "-c", "echo begun; sleep 1000")
    os.killpg(popen.pid, signal.SIGINT)  # as a terminal does it
    equal(end(popen), 130)
    equal(machine_state(case), before)


def test_kill(case):
    before = machine_state(case)
    popen = start(case, "sh", "-c", "echo begun; sleep 1000")
    popen.kill()
    equal(end(popen), -signal.SIGKILL)
    equal(machine_state(case), before)


def test_hang(case):
    """A command that says nothing for too long: the console, and an exit code of its own."""
    before = machine_state(case)
    words = command("sh", "-c", "echo begun; echo last words >/dev/console; sleep 1000")
    words[1:1] = ["--quiet-seconds", "30"]  # a busy machine takes its time for "begun"
    done = processes.run(words, seconds=400, check=False, env=environment(case))
    equal(done.returncode, 125, what=done.stderr.decode(errors="replace"))
    contains(done.stderr, "said nothing for 30 s", "last words")
    equal(machine_state(case), before)
