# SPDX-License-Identifier: Apache-2.0
"""The floor of a stream: the same guest without the agent, `pattern | cat` into the virtio-serial port, read on the host
by nothing but recv(). What coco's stdout reaches is told as a part of that."""
import pathlib
import socket
import stat
import subprocess
import time

from . import bare_qemu, events, initrd, paths, processes

SCRIPT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t sysfs sys /sys
while read -r module; do $b insmod "$module"; done < /lib/modules/coco.list 2> /dev/null
until $b grep -l coco.agent.0 /sys/class/virtio-ports/*/name > /tmp.port 2> /dev/null; do $b usleep 10000; done
read -r path < /tmp.port
port=/dev/$($b basename ${path%/name})
/bin/pattern 1 BYTES | $b cat > $port
while :; do $b sleep 1000; done
"""


def _initrd(path, size):
    """The guest image's own, with one more archive behind it: the kernel unpacks both."""
    own = paths.INITRD.read_bytes()
    members = [("sys", stat.S_IFDIR | 0o755, b""), ("bin/busybox", stat.S_IFREG | 0o755, pathlib.Path("/bin/busybox").read_bytes()),
               ("bin/pattern", stat.S_IFREG | 0o755, paths.PATTERN.read_bytes()),
               ("raw-init", stat.S_IFREG | 0o755, SCRIPT.replace("BYTES", str(size)).encode()), ("TRAILER!!!", 0, b"")]
    with open(path, "wb") as file:
        file.write(own + b"\0" * (-len(own) % 512))
        for number, (name, mode, data) in enumerate(members, start=1000):
            file.write(initrd.entry(number, name, mode, data))
    return path


def _receive(path, size, deadline):
    """Seconds from the first byte to the last."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.settimeout(max(1, deadline - time.monotonic()))
        buffer, got, started = bytearray(1 << 20), 0, None
        while got < size:
            n = connection.recv_into(buffer)
            assert n > 0, f"the channel ends after {got} of {size} bytes"
            started = started or time.monotonic()
            got += n
        return time.monotonic() - started


def rate(qemu, size=50_000_000):
    """MB/s; qemu is an entered BareQemu."""
    arguments = list(qemu.arguments)
    arguments[arguments.index("-initrd") + 1] = str(_initrd(qemu.directory / "raw.img", size))
    arguments[arguments.index("-append") + 1] += " rdinit=/raw-init"
    for path in (qemu.agent, qemu.share_socket):
        path.unlink(missing_ok=True)
    started = [qemu.share()]
    try:
        assert events.wait_until(qemu.share_socket.exists, [qemu.directory], 20), "virtiofsd makes no socket"
        started.append(processes.own(subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)))
        assert events.wait_until(qemu.agent.exists, [qemu.directory], 20), "QEMU does not come up"
        return size / 1e6 / _receive(qemu.agent, size, time.monotonic() + 120)
    finally:
        for popen in reversed(started):
            popen.kill()
            popen.communicate()
            processes.disown(popen)
