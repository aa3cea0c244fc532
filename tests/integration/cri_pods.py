# SPDX-License-Identifier: Apache-2.0
"""Pods as the kubelet makes them: through CRI, with a pause container; what is shared in a pod, what the kubelet reads of its
containers, and that all of it is there again when containerd is."""
import signal

from harness import cri
from harness.blockfile import BlockfileNode
from harness.case import contains, equal
from harness.containerd import Node

SUITE = "cri"
SECONDS = 300
MEMORY = 64 << 20


def pod_of(case, kind=Node, **options):
    """A pod, and what fails the test when anything of it is left."""
    kubelet = cri.Kubelet(case, kind)
    verify = case.clean(kubelet.node)
    return kubelet, cri.Pod(kubelet, **options), verify


def test_two_containers(case):
    """They share /dev/shm, hostname and what CRI writes for /etc; the end of one is not the end of the pod."""
    kubelet, pod, verify = pod_of(case)
    equal(pod.state(), cri.READY)
    first = pod.container("first", "echo from the first > /dev/shm/f; hostname > /dev/shm/name; trap '' TERM; "
                                   "cat /etc/resolv.conf; sleep 1000")
    first.wait_output(["search a.example", "nameserver 10.0.0.1"])
    second = pod.container("second", "cat /dev/shm/f; test $(cat /dev/shm/name) = $(hostname) && echo same; echo problem >&2; exit 3")
    second.wait_output(["from the first", "same"])
    second.wait_output(["problem"], "stderr")
    equal(second.wait_exited(), (cri.EXITED, 3, "Error"))
    equal(first.exec("sh", "-c", "echo in it; exit 4"), ("in it\n", 4))
    second.call("RemoveContainer")
    equal((first.status()[0], pod.state()), (cri.RUNNING, cri.READY))
    if case.runtime == "coco":
        equal(len([p for p in kubelet.node.leftover_processes() if "qemu-system" in p.name]), 1, "VMs")
    first.call("StopContainer", f2=1)
    equal(first.status()[1], 137)
    pod.remove()
    verify()


def test_processes_are_seen(case):
    """With a PID namespace of the pod, and only then."""
    _, pod, verify = pod_of(case, shares_pid=True)
    pod.container("first", "exec sleep 4711")
    second = pod.container("second", "exec sleep 1000")
    contains(second.exec("ps")[0], "sleep 4711")
    contains(second.exec("cat", "/proc/1/cmdline")[0], "sleep 1000 & wait")  # the pause container
    equal(second.exec("sh", "-c", "kill -9 1; ps | grep -cE 'kthread[d]|coco-agen[t]|/ini[t]'"), ("0\n", 1))
    equal(pod.state(), cri.READY)
    pod.remove()
    verify()


def test_resources(case):
    """What the kubelet reads, and the limits that it sets and changes; a container over its limit is told as OOMKilled."""
    _, pod, verify = pod_of(case)
    container = pod.container("limited", "exec sleep 1000", resources={1: 100000, 2: 50000, 4: MEMORY})
    time, memory = container.usage()
    assert time > 0 and 0 < memory < MEMORY, (time, memory)
    equal(limit(container, case), str(MEMORY))
    container.call("UpdateContainerResources", f2={4: 2 * MEMORY})
    equal(limit(container, case), str(2 * MEMORY))
    hungry = pod.container("hungry", "exec tail /dev/zero", resources={4: MEMORY})
    equal(hungry.wait_exited(), (cri.EXITED, 137, "OOMKilled"))
    equal(container.status()[0], cri.RUNNING)
    pod.remove()
    verify()


def limit(container, case):
    """Of its memory, as it sees it."""
    files = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"
    return container.exec("sh", "-c", f"cat {files[0]} 2>/dev/null || cat {files[1]}")[0].strip()


def on_disks(case):
    """With the blockfile snapshotter each container's root is a disk: the pause container's from the start on, the others'
    attached to the VM and detached again."""
    _, pod, verify = pod_of(case, BlockfileNode)
    look = "grep -c '^/dev/vd. / ext4 rw' /proc/mounts; echo kept > /made; cat /made"
    for number in range(2):
        containers = [pod.container(f"c{number}-{name}", f"{look}; exec sleep 1000") for name in ("first", "second")]
        for container in containers:
            container.wait_output(["1", "kept"])
            container.call("StopContainer", f2=0)
            container.call("RemoveContainer")
    pod.remove()
    verify()


def test_on_disks(case):
    if case.node.line >= (1, 7):
        on_disks(case)
    else:
        equal(BlockfileNode.snapshotter in case.node.ctr("plugins", "ls").stdout.decode(), False, "a snapshotter of 1.6")


test_on_disks.runtimes = ("coco",)


def survives(kubelet, pod, number):
    container = pod.container(f"stays-{number}", "trap 'exit 7' TERM; echo before; while :; do sleep 1000 & wait; done")
    container.wait_output(["before"])
    kubelet.restart(number)
    equal((pod.state(), container.status()[0]), (cri.READY, cri.RUNNING))
    equal(container.exec("echo", "again"), ("again\n", 0))
    after = pod.container(f"after-{number}", "echo after; exit 5")
    equal(after.wait_exited()[1], 5)
    after.wait_output(["after"])
    container.call("StopContainer", f2=30)
    equal(container.status()[1], 7)


def test_containerd_goes(case):
    """When it is told to, and by kill -9."""
    kubelet, pod, verify = pod_of(case)
    for number in (signal.SIGTERM, signal.SIGKILL):
        survives(kubelet, pod, number)
    pod.remove()
    verify()


EVERY_CONTAINERD = (test_two_containers, test_containerd_goes, test_on_disks)
