# SPDX-License-Identifier: Apache-2.0
"""Processes: the harness adopts every orphan (PR_SET_CHILD_SUBREAPER), so a process that a test leaves behind is always
a descendant of the harness, and is found, named and reaped by pid. PID 1 may reap nothing (containers)."""
import ctypes
import os
import pathlib
import select
import signal
import subprocess
import time

from . import patience

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "become a subreaper")


class Process:
    """One line of the process table. `start` tells two users of one pid apart."""

    def __init__(self, pid):
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
        self.name, rest = stat[stat.index("(") + 1:stat.rindex(")")], stat[stat.rindex(")") + 2:].split()
        self.pid, self.state, self.parent, self.start = pid, rest[0], int(rest[1]), int(rest[19])
        self.arguments = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]

    @property
    def command(self):
        return b" ".join(self.arguments).decode(errors="replace") or f"[{self.name}]"

    @property
    def key(self):
        return (self.pid, self.start)

    def __str__(self):
        return f"{self.pid} {self.state} {self.command[:200]}"


def table():
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found[int(entry)] = Process(int(entry))
            except (OSError, ValueError, IndexError):
                pass  # gone meanwhile
    return found


def descendants(pid, processes=None):
    """All live (not zombie) processes below pid."""
    processes = processes or table()
    children = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process)
    found, todo = [], [pid]
    while todo:
        for child in children.get(todo.pop(), []):
            todo.append(child.pid)
            if child.state not in "ZX":
                found.append(child)
    return found


def mentioning(text):
    """Live processes with text in their command line."""
    return [p for p in table().values() if p.state not in "ZX" and text in p.command and p.pid != os.getpid()]


_owned = set()  # pids that a subprocess.Popen of ours waits for itself


def own(popen):
    _owned.add(popen.pid)
    return popen


def disown(popen):
    _owned.discard(popen.pid)


def forget_owned():
    """In a process that was just forked: they are its parent's children."""
    _owned.clear()


def end_all(spare=()):
    """Every process below this one, and what they start meanwhile. spare: children that stay, with all below them."""
    for _ in range(5):
        everything = table()
        kept = {p.pid for child in spare for p in descendants(child, everything)} | set(spare)
        found = [p for p in descendants(os.getpid(), everything) if p.pid not in kept]
        if not found:
            break
        for process in found:
            kill(process.pid)
        wait_gone([process.pid for process in found], 10)
    reap_orphans()


def reap_orphans():
    """Collect adopted children that have ended; never a child that somebody here waits for."""
    for process in table().values():
        if process.parent == os.getpid() and process.state == "Z" and process.pid not in _owned:
            try:
                os.waitpid(process.pid, os.WNOHANG)
            except ChildProcessError:
                pass


def wait_gone(pids, seconds):
    """Wait until all pids have ended; returns those that have not."""
    deadline = time.monotonic() + patience.stretch(seconds)
    left = []
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            if not poll.poll(max(0, deadline - time.monotonic()) * 1000):
                left.append(pid)
        finally:
            os.close(fd)
    reap_orphans()
    return left


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def run(command, *, seconds=60, stdin=None, env=None, cwd=None, check=True, pass_fds=()):
    """Run a command to its end; bytes in, bytes out."""
    popen = own(subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE if stdin is not None
                                 else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 env=env, cwd=cwd, pass_fds=pass_fds))
    try:
        out, err = popen.communicate(stdin, timeout=patience.stretch(seconds))
    except BaseException:
        popen.kill()
        popen.communicate()
        raise
    finally:
        disown(popen)
    result = subprocess.CompletedProcess(command, popen.returncode, out, err)
    if check and result.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {result.returncode}: "
                             f"{err.decode(errors='replace').strip()[-2000:]}")
    return result


def memory(pid):
    """kB of one process: rss, pss, private (clean + dirty), private_dirty."""
    fields = {}
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        key, _, value = line.partition(":")
        fields[key] = int(value.split()[0])
    return {"rss": fields["Rss"], "pss": fields["Pss"],
            "private": fields["Private_Clean"] + fields["Private_Dirty"], "private_dirty": fields["Private_Dirty"]}


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
