# SPDX-License-Identifier: Apache-2.0
"""A disk is being attached to a VM that does not answer, when something else happens to its container: every call is answered,
and the disk is free again."""
import os
import signal

from harness import events, processes
from harness.blockfile import tool
from harness.case import contains, equal
from harness.sandbox import Sandbox
from harness.ttrpc import NOT_FOUND

RUNTIMES = ("coco",)


def attaching(case):
    """A sandbox whose QEMU is stopped, and a container whose Create waits for its disk: (sandbox, QEMU, container, the call)."""
    sandbox = Sandbox(case)
    image = case.directory / "root.img"
    tool("mke2fs", "-q", "-t", "ext4", "-d", sandbox.root, image, "48M")
    sandbox.run()
    qemu = sandbox.status()[2][0]
    os.kill(qemu, signal.SIGSTOP)
    member = container_on(sandbox, image)
    call = member.send_create()
    slot = case.node.pod_dir(sandbox.id) / "vm" / "hot01"
    assert events.wait_until(slot.exists, [slot.parent], 30), f"nothing is attached at {slot}"
    return sandbox, qemu, member, call


def container_on(sandbox, image):
    return sandbox.member("echo on a disk", rootfs=[{1: "ext4", 2: str(image), 4: ["loop", "rw"]}])


def end(sandbox):
    sandbox.good("ShutdownSandbox")
    sandbox.wait_gone()
    equal([str(p) for p in sandbox.node.leftover_processes()], [])


def test_the_sandbox_is_stopped(case):
    sandbox, _, _, call = attaching(case)
    sandbox.good("StopSandbox")
    reply = sandbox.connection.reply_to(call, 30)
    assert reply.code != 0, reply
    contains(reply.message, "root file system of container")
    end(sandbox)


def test_the_vm_is_lost(case):
    sandbox, qemu, _, call = attaching(case)
    processes.kill(qemu)
    assert sandbox.connection.reply_to(call, 30).code != 0
    sandbox.good("WaitSandbox")
    end(sandbox)


def test_the_container_is_deleted(case):
    """As containerd does when its client gives up. The container is gone when its Create is answered, and its id and its disk
    are free."""
    sandbox, qemu, member, call = attaching(case)
    reply = member.call("Delete")
    equal((reply.code, reply.message), (NOT_FOUND, "container not created: not found"))
    os.kill(qemu, signal.SIGCONT)
    reply = sandbox.connection.reply_to(call, 60)
    equal(reply.message, f"container {member.id} was deleted while it was created")
    equal(member.call("State").code, NOT_FOUND)
    again = container_on(sandbox, case.directory / "root.img")
    equal(again.start().end(), (0, "on a disk\n"))
    end(sandbox)
