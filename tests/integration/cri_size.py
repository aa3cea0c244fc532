# SPDX-License-Identifier: Apache-2.0
"""The VM of a pod is as large as what the kubelet says of all its containers."""
import os

from harness import cri
from harness.case import equal

SUITE = "cri"
RUNTIMES = ("coco",)
SECONDS = 300


def test_limits_of_a_pod(case):
    kubelet = cri.Kubelet(case)
    verify = case.clean(kubelet.node)
    pod = cri.Pod(kubelet, resources={1: 100000, 2: 50000, 4: 200 << 20})
    container = pod.container("only", "exec sleep 1000", resources={4: 100 << 20})
    out, code = container.exec("sh", "-c", "nproc; sed -n 's/^MemTotal: *//p' /proc/meminfo")
    equal(code, 0)
    vcpus, kib, _ = out.split()
    equal(int(vcpus), min(1 + 1, os.sysconf("SC_NPROCESSORS_ONLN")))
    assert 256 + 200 - 64 <= int(kib) / 1024 <= 256 + 200, out
    pod.remove()
    verify()
