# SPDX-License-Identifier: Apache-2.0
"""The folder in which call sequences are recorded and replayed. Its path is part of the recorded bytes, so it is the same on
every machine. A tmpfs, so that an overlay can be mounted on it wherever /run is; gone with the test."""
import contextlib
import fcntl
import os
import shutil
import subprocess

from . import processes, recording
from .containerd import Node


def _remove():
    """What is left in there of a run that was killed, and the folder."""
    for process in processes.mentioning(f"{recording.BASE}/"):
        processes.kill(process.pid)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        mounts = [line.split()[4] for line in file if f" {recording.BASE}" in line]
    for target in reversed(mounts):
        subprocess.run(["umount", "-l", target], check=False)
    shutil.rmtree(recording.BASE, ignore_errors=True)


@contextlib.contextmanager
def node(megabytes):
    """A Node of ours in the fixed folder, whose containerd is not started. One at a time on a machine: others wait."""
    with contextlib.ExitStack() as stack:
        lock = os.open(recording.BASE.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_EX)
        stack.callback(_remove)
        _remove()
        recording.BASE.mkdir(mode=0o711)
        processes.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=711", "coco-replay", recording.BASE])
        place = Node("coco", base=recording.BASE)
        stack.callback(place.close)
        yield place
