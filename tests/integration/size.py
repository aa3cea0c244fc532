# SPDX-License-Identifier: Apache-2.0
"""A VM is as large as the limits of its pod say: coco.conf(5), [vm]."""
import os

from harness import ociconfig, vmconfig
from harness.case import contains, equal, one_line
from harness.sandbox import Sandbox, cri_options

RUNTIMES = ("coco",)
OWN_MIB = 256  # [vm] memory_mib
KERNELS_MIB = 64  # what the guest's kernel keeps for itself, at most
LOOK = "nproc; sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo"
HOSTS_CPUS = os.sysconf("SC_NPROCESSORS_ONLN")


def expect(output, vcpus, memory_mib):
    seen_vcpus, seen_kib = map(int, output.split())
    equal(seen_vcpus, vcpus, what="CPUs")
    assert memory_mib - KERNELS_MIB <= seen_kib / 1024 <= memory_mib, f"{seen_kib} kB in a VM of {memory_mib} MiB"


def run(case, node, script=LOOK, quota=0, memory=0):
    directory = case.directory / f"{quota}-{memory}"
    spec = ociconfig.base(ociconfig.root_file_system(directory), "sh", "-c", script)
    resources = spec["linux"].setdefault("resources", {})
    if quota:
        resources["cpu"] = {"quota": quota, "period": 100000}
    if memory:
        resources["memory"] = {"limit": memory}
    config = ociconfig.write(directory / "config.json", spec)
    return node.ctr(*node.run_arguments(node.new_id(), flags=("--rm",), config=config), check=False)


def test_limits_of_a_container(case):
    """One that is alone in its VM; one and a half CPUs are two, as far as the host has them."""
    node = case.private_node(config=vmconfig.write(case.directory / "coco.conf", vm={"max_vcpus": "8"}))
    expect(run(case, node, quota=150000, memory=512 << 20).stdout, 1 + 2, OWN_MIB + 512)


def test_bounds(case):
    """CPUs that the host does not have are not given; memory beyond the operator's bound is an error."""
    node = case.private_node(config=vmconfig.write(case.directory / "coco.conf", vm={"max_memory_mib": "400"}))
    expect(run(case, node, quota=100000 * (HOSTS_CPUS + 3)).stdout, HOSTS_CPUS, OWN_MIB)
    result = run(case, node, script="true", memory=145 << 20)
    assert result.returncode != 0, "it ran"
    contains(one_line(result.stderr), "start VM of pod", "[vm] max_memory_mib", "it is 400", "145 MiB")


def test_limits_of_a_sandbox(case):
    """PodSandboxConfig, which comes with the Sandbox service."""
    sandbox = Sandbox(case)
    sandbox.start()
    options = cri_options(resources={1: 100000, 2: 100000, 4: 128 << 20})
    sandbox.good("CreateSandbox", f2=str(sandbox.bundle), f4=options)
    sandbox.good("StartSandbox")
    code, output = sandbox.member(LOOK).start().end()
    equal(code, 0)
    expect(output, min(1 + 1, HOSTS_CPUS), OWN_MIB + 128)
    sandbox.good("ShutdownSandbox")
    sandbox.wait_gone()
