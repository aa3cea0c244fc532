# SPDX-License-Identifier: Apache-2.0
"""With a terminal: it is one for the process, its size follows the client's, and control characters work."""
import fcntl
import os
import select
import signal
import struct
import termios
import time

from harness.case import equal

SHARED_VM = "streams"


class Terminal:
    """The master side of ctr's pseudo terminal, read until some text shows."""

    def __init__(self, case, *arguments):
        self.popen, self.master = case.node.on_terminal(*arguments)
        self.node, self.text = case.node, b""
        case.defer(os.close, self.master)

    def resize(self, rows, columns, shows):
        """Until the process tells of it. The kernel signals the foreground group of the terminal; ctr has no controlling one
        here, so it is told, and again: it takes the size, passes it on, and only then listens for the signal."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        for _ in range(30):
            self.popen.send_signal(signal.SIGWINCH)
            if self.wait_for(shows, 2):
                break
        self.read_until(shows)

    def write(self, data):
        os.write(self.master, data)

    def wait_for(self, text, seconds):
        """Whether more than was read so far has it, before the time is up."""
        deadline = time.monotonic() + seconds
        while text not in self.text and select.select([self.master], [], [], max(0, deadline - time.monotonic()))[0]:
            self.text += os.read(self.master, 65536)
        return text in self.text

    def read_until(self, text, seconds=60):
        deadline = time.monotonic() + seconds
        while text not in self.text:
            left = deadline - time.monotonic()
            ready = select.select([self.master], [], [], max(0, left))[0]
            assert ready, f"{text!r} did not appear: {self.text!r}\n{self.node.diagnostics()}"
            try:
                self.text += os.read(self.master, 65536)
            except OSError:  # EIO: the last slave is closed
                assert text in self.text, f"{text!r} did not appear: {self.text!r}"
        before, _, self.text = self.text.partition(text)
        return before + text

    def finish(self):
        return self.node.finish(self.popen).returncode


def run_with_terminal(case, *command):
    identifier = case.node.new_id()
    terminal = Terminal(case, *case.node.run_arguments(identifier, *command, flags=("--rm", "--tty")))
    terminal.id = identifier
    return terminal


def test_is_a_terminal(case):
    terminal = run_with_terminal(case, "sh", "-c", "tty; test -t 0 && test -t 1 && test -t 2 && echo yes; exit 3")
    terminal.read_until(b"yes\r\n")
    equal(terminal.finish(), 3)


def test_resize_is_seen(case):
    script = "trap 'stty size' WINCH; echo ready; sleep 1000 & while :; do wait; done"
    terminal = run_with_terminal(case, "sh", "-c", script)
    terminal.read_until(b"ready\r\n")
    for rows, columns in ((33, 101), (50, 132)):
        terminal.resize(rows, columns, shows=f"{rows} {columns}\r\n".encode())
    case.node.ctr("task", "kill", "--signal", "SIGKILL", terminal.id)
    equal(terminal.finish(), 137)


def test_input_and_interrupt(case):
    terminal = run_with_terminal(case, "sh", "-c", "trap 'echo caught; exit 9' INT; echo ready; read a; echo got $a; "
                                 "sleep 1000 & wait")
    terminal.read_until(b"ready\r\n")
    terminal.write(b"hello\n")
    terminal.read_until(b"got hello\r\n")
    terminal.write(b"\x03")
    terminal.read_until(b"caught\r\n")
    equal(terminal.finish(), 9)


def test_exec_with_terminal(case):
    container = case.container()
    terminal = Terminal(case, *container.exec_arguments("sh", "-c", "tty; stty size; exit 4", flags=("--tty",)))
    terminal.read_until(b"/dev/pts/")
    equal(terminal.finish(), 4)


def test_large_output(case):
    """No byte is lost on a terminal either (its line discipline turns \\n into \\r\\n)."""
    terminal = run_with_terminal(case, "sh", "-c", "seq 1 20000; echo end")
    lines = terminal.read_until(b"end\r\n").split(b"\r\n")
    equal([int(line) for line in lines[:-2]], list(range(1, 20001)))
    equal(terminal.finish(), 0)


OWN_VM = (test_input_and_interrupt,)
