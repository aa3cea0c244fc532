# SPDX-License-Identifier: Apache-2.0
"""What several lanes of one run (harness/lanes.py) may want to make or fetch in the build directory at the same time: one of
them does it, the others wait and find it there."""
import contextlib
import fcntl
import os

from . import paths


@contextlib.contextmanager
def maker(name):
    """While inside, nobody else is that asks for the same name; a process that dies lets go."""
    fd = os.open(paths.BUILD / f".{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
