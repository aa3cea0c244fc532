# SPDX-License-Identifier: Apache-2.0
"""Our programs in valgrind's memcheck: a program, and whatever of ours it starts, each with a log of its own.

valgrind of Debian 12 does not know pidfd_open; that of Debian 13 does and runs on 12, so its package is unpacked into the
build directory. No valgrind knows pidfd_send_signal and the new calls for mounts yet: tests/lib/pidfd-signal.c, mount-calls.c."""
import os
import re
import shlex

from . import debian, paths, processes

PACKAGE = ("valgrind", "1:3.24.0-3", "usr/libexec/valgrind/memcheck-amd64-linux",
           "abf6eb9e63917b4c65c728808ad92562c1fb103be2aa4cb88833d690b616e336")
# What is started but is not ours runs as always.
FOREIGN = ("/bin/*", "/sbin/*", "/usr/*", "*/virtiofsd")
OPTIONS = ("--leak-check=full", "--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite,indirect",
           "--num-callers=30", "--trace-children=yes",
           f"--trace-children-skip={','.join(FOREIGN)}", f"--suppressions={paths.TESTS / 'lib' / 'memcheck.supp'}")
COMMAND = re.compile(r"== Command: (\S+)(.*)")
ERRORS = re.compile(r"== ERROR SUMMARY: (\d+) errors")


def fetch():
    """Debian's valgrind; the path of the file that is checked."""
    return debian.file_of(*PACKAGE)


class Memcheck:
    """forks=False: what a child does between fork and exec, on a copy of its parent's heap, is not told. libvirt forks
    from threads of its own."""

    def __init__(self, case, forks=False):
        self.options = OPTIONS + (() if forks else ("--child-silent-after-fork=yes",))
        # A link, because the folder has the version's colon in its name, and LD_PRELOAD is split there.
        self.package = case.directory / "valgrind"
        self.package.symlink_to(fetch().parents[3])
        self.logs, self.bin = case.directory / "memcheck", case.directory / "memcheck-bin"
        self.logs.mkdir()
        self.bin.mkdir()

    def program(self, path):
        """A script of the same name, in self.bin, that runs the program in memcheck."""
        script = self.bin / path.name
        words = [self.package / "usr/bin/valgrind.bin", *self.options, f"--log-file={self.logs}/%p", path]
        stand_ins = ":".join(str(paths.BUILD / "tests/lib" / name) for name in ("pidfd-signal.so", "mount-calls.so"))
        script.write_text(f"#!/bin/sh\nexport VALGRIND_LIB={shlex.quote(str(self.package / 'usr/libexec/valgrind'))}\n"
                          f"export LD_PRELOAD={shlex.quote(stand_ins)}\n"
                          f"exec {shlex.join(map(str, words))} \"$@\"\n")
        script.chmod(0o755)
        return script

    def path(self):
        """$PATH with these scripts before everything else."""
        return f"{self.bin}:{os.environ['PATH']}"

    def wait(self):
        """Until all that run in it have ended, and with that have written what they have to say."""
        left = processes.wait_gone([p.pid for p in processes.mentioning(f"--log-file={self.logs}/")], 60)
        assert not left, f"still there after 60 s: {left}"

    def reports(self):
        """[(program, arguments, number of errors or None, text)]; None: it ended by a signal or became another program."""
        self.wait()
        found = []
        for log in self.logs.iterdir():
            text = log.read_text(errors="replace")
            command, errors = COMMAND.search(text), ERRORS.search(text)
            found.append((os.path.basename(command[1]), command[2], int(errors[1]) if errors else None, text))
        return found

    def verify(self, *programs):
        """No error in any of them, and each of these programs has come to its end in there."""
        reports = self.reports()
        for name, _, errors, text in reports:
            assert not errors and (errors == 0 or " at 0x" not in text), f"memory errors in {name}:\n{text}"
        ended = {name for name, _, errors, _ in reports if errors == 0}
        assert set(programs) <= ended, f"of {programs} only {ended} came to their end"
