# SPDX-License-Identifier: Apache-2.0
"""Tiny guests that fail on purpose: an initrd with a static busybox and a shell script as PID 1 instead of the agent."""
import os
import stat

from . import paths

# What goes wrong, as the script of PID 1.
MUTE = "echo 'this guest has no agent' > /dev/console\nwhile :; do /bin/busybox sleep 1000; done\n"
PANICS = "echo 'this init is about to leave' > /dev/console\nexit 3\n"
POWERS_OFF = "echo 'this guest powers itself off' > /dev/console\n/bin/busybox poweroff -f\n"
REBOOTS = "echo 'this guest reboots' > /dev/console\n/bin/busybox reboot -f\n"


def entry(number, name, mode, data=b"", device=(0, 0)):
    """One newc member."""
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0]
    out = b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0"
    out += b"\0" * (-len(out) % 4) + data
    return out + b"\0" * (-len(out) % 4)


def write(path, script):
    with open("/bin/busybox", "rb") as file:
        busybox = file.read()
    members = [("dev", stat.S_IFDIR | 0o755, b"", (0, 0)), ("bin", stat.S_IFDIR | 0o755, b"", (0, 0)),
               ("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)),
               ("bin/busybox", stat.S_IFREG | 0o755, busybox, (0, 0)),
               ("init", stat.S_IFREG | 0o755, b"#!/bin/busybox sh\n" + script.encode(), (0, 0)),
               ("TRAILER!!!", 0, b"", (0, 0))]
    with open(path, "wb") as file:
        for number, (name, mode, data, device) in enumerate(members, start=1):
            file.write(entry(number, name, mode, data, device))
    os.chmod(path, 0o644)
    return path


def with_init(path, program):
    """The guest's own initrd and another init, as the guest section of a config. The kernel takes two archives in a row; the
    compressed one must be the last, and so wins where both have a name."""
    with open(path, "wb") as file:
        file.write(entry(1, "other-init", stat.S_IFREG | 0o755, program.read_bytes()))
        file.write(entry(2, "TRAILER!!!", 0))
        file.write(paths.INITRD.read_bytes())
    os.chmod(path, 0o644)
    return {"initrd": path, "cmdline": "rdinit=/other-init"}
