# SPDX-License-Identifier: Apache-2.0
"""A volume whose file server does not answer holds up the container that wants it, and no other call of the pod."""
import ctypes
import os
import select

from harness import patience
from harness.case import contains, equal
from harness.sandbox import Sandbox
from harness.ttrpc import NOT_FOUND

RUNTIMES = ("coco",)
CANCELLED = 1
MNT_DETACH = 2
LIBC = ctypes.CDLL(None, use_errno=True)


def mount_without_server(case):
    """A FUSE file system that nobody serves: whoever looks at it waits."""
    directory = case.directory / "hung"
    directory.mkdir()
    device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
    assert LIBC.mount(b"hung", bytes(directory), b"fuse", 0, options.encode()) == 0, os.strerror(ctypes.get_errno())
    case.defer(os.close, device)
    case.defer(LIBC.umount2, bytes(directory), MNT_DETACH)
    return directory


def bind(source):
    return lambda spec: spec["mounts"].append({"destination": "/data", "type": "bind", "source": str(source), "options": ["rbind"]})


def wait_for_root(sandbox, member):
    """Until its root file system is mounted: the volume is next. The kernel tells of a change of the table."""
    with open(f"/proc/{shim_pid(sandbox)}/mountinfo", "rb") as table:
        watch = select.poll()
        watch.register(table, select.POLLPRI)
        while f"/mounts/{member.id}/rootfs ".encode() not in table.read():
            assert watch.poll(patience.stretch(10) * 1000), "the root file system is not mounted"
            table.seek(0)


def shim_pid(sandbox):
    return int((sandbox.bundle / "shim.pid").read_text())


def test_one_create_hangs_alone(case):
    directory = mount_without_server(case)
    sandbox = Sandbox(case).run()
    other = sandbox.member("exec sleep 1000").start()
    hung = sandbox.member("true", change=bind(directory))
    call = hung.send_create()
    wait_for_root(sandbox, hung)
    for _ in range(3):
        equal(other.call("State", seconds=5).code, 0)
    equal(hung.call("State", seconds=5).code, 0)
    reply = hung.call("Delete", seconds=5)
    equal((reply.code, reply.message), (NOT_FOUND, "container not created: not found"))
    reply = sandbox.connection.reply_to(call, 10)
    equal(reply.code, CANCELLED)
    contains(reply.message, "mount for '/data': given up before it was done")
    equal(hung.call("State").code, NOT_FOUND)
    equal(other.call("Kill", f3=9, seconds=10).code, 0)
    equal(other.wait(), 137)
    equal(sandbox.member("echo next").start().end(), (0, "next\n"))
    sandbox.good("ShutdownSandbox")
    sandbox.wait_gone()
    equal([str(p) for p in sandbox.node.leftover_processes()], [])
