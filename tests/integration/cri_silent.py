# SPDX-License-Identifier: Apache-2.0
"""Pods whose guest does nothing any more, through CRI: nothing waits for a guest. One that hangs (QEMU is stopped) or that answers
and lies loses its VM soon after SIGKILL, and does not hold up the statistics of the node."""
import concurrent.futures
import signal
import time

from harness import cri, initrd, patience, paths, processes, vmconfig
from harness.case import contains, equal

SUITE = "cri"
RUNTIMES = ("coco",)
SECONDS = 300
STOP_SECONDS, STATS_SECONDS = patience.stretch(15), patience.stretch(5)


class Timed:
    """Fails when what is done in it takes longer."""

    def __init__(self, limit, what):
        self.limit, self.what = limit, what

    def __enter__(self):
        self.started = time.monotonic()

    def __exit__(self, kind, *_):
        took = time.monotonic() - self.started
        assert kind or took < self.limit, f"{self.what} took {took:.1f} s"


def pod_with_container(kubelet):
    pod = cri.Pod(kubelet)
    pod.containers.append(pod.container(f"app-{pod.id[:8]}", "exec sleep 1000"))
    return pod


def freeze(kubelet, pod):
    mark = str(kubelet.node.pod_dir(pod.id, "k8s.io"))
    found = [p for p in processes.table().values() if p.name.startswith("qemu-system") and mark in p.command]
    equal(len(found), 1, "QEMUs of the pod")
    processes.kill(found[0].pid, signal.SIGSTOP)


def remove_in_time(pod):
    with Timed(STOP_SECONDS, "StopPodSandbox and RemovePodSandbox"):
        pod.remove()


def containers_with_stats(kubelet):
    with Timed(STATS_SECONDS, "ListContainerStats"):
        return len(kubelet.call("ListContainerStats", {}).get(1, []))


def ask_pod_stats(kubelet):
    """They are of the pod's cgroup on the host, which these pods have only where containerd asks the shim for them."""
    with Timed(STATS_SECONDS, "ListPodSandboxStats"):
        try:
            kubelet.call("ListPodSandboxStats", {})
        except cri.Error as error:
            contains(str(error), "cgroup")


def test_frozen(case):
    """Three of four pods: statistics come of the fourth; a grace period that nobody hears of ends in SIGKILL; the pods go."""
    kubelet = cri.Kubelet(case)
    verify = case.clean(kubelet.node)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        *frozen, healthy = pool.map(lambda _: pod_with_container(kubelet), range(4))
        equal(containers_with_stats(kubelet), 4)
        for pod in frozen:
            freeze(kubelet, pod)
        assert containers_with_stats(kubelet) >= 1
        ask_pod_stats(kubelet)
        with Timed(STOP_SECONDS, "StopContainer"):
            kubelet.call("StopContainer", {1: frozen[0].containers[0].id, 2: 1})
        equal(frozen[0].containers[0].status()[1], 137)
        list(pool.map(remove_in_time, frozen))
    equal(healthy.containers[0].exec("echo", "well"), ("well\n", 0))
    healthy.remove()
    verify()


def test_hostile(case):
    """It answers SignalProcess and tells no exit."""
    kubelet = cri.Kubelet(case)
    guest = initrd.with_init(case.directory / "guest.img", paths.HOSTILE_AGENT)
    vmconfig.write(kubelet.node.config, network={"model": "none"}, guest=guest)
    verify = case.clean(kubelet.node)
    remove_in_time(pod_with_container(kubelet))
    verify()
