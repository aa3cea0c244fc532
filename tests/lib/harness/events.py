# SPDX-License-Identifier: Apache-2.0
"""Wait for a file, a directory or a mount to change: inotify and POLLPRI on mountinfo, no polling in a loop."""
import ctypes
import os
import pathlib
import select
import time

from . import patience

IN_EVENTS = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400  # modify … delete_self
_libc = ctypes.CDLL(None, use_errno=True)


class Watch:
    """Wakes up when something changes in one of the directories (not below) or in the mount table."""

    def __init__(self, directories=()):
        self.fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        self.mounts = open("/proc/self/mountinfo", "rb")
        self.poll = select.poll()
        self.poll.register(self.fd, select.POLLIN)
        self.poll.register(self.mounts, select.POLLPRI | select.POLLERR)
        for directory in directories:
            self.add(directory)

    def add(self, directory):
        _libc.inotify_add_watch(self.fd, os.fsencode(directory), IN_EVENTS)

    def wait(self, seconds):
        self.mounts.seek(0)
        self.poll.poll(max(0, seconds) * 1000)
        try:
            os.read(self.fd, 65536)
        except BlockingIOError:
            pass

    def close(self):
        os.close(self.fd)
        self.mounts.close()


def wait_until(condition, directories, seconds):
    """True as soon as condition() holds; looked at after each change in the directories."""
    deadline = time.monotonic() + patience.stretch(seconds)
    watch = Watch(d for d in directories if os.path.isdir(d))
    try:
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            watch.wait(left)
        return True
    finally:
        watch.close()


def wait_for_text(path, text, seconds):
    """Wait until the file holds the text (it may not exist yet; its directory must)."""
    path = pathlib.Path(path)
    needle = text if isinstance(text, bytes) else text.encode()
    return wait_until(lambda: path.exists() and needle in path.read_bytes(), [path.parent], seconds)
