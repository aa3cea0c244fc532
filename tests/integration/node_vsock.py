# SPDX-License-Identifier: Apache-2.0
"""vsock context ids in a node VM: unique also when launches begin at the same moment, free again after an end and after kill -9; and
ten VMs one after another, four at once."""
import json
import re
import signal
import subprocess

from harness import paths, processes, vmconfig
from harness.case import equal
from harness.container import kill_shim

SUITE = "node"
RUNTIMES = ("coco",)
SECONDS = 900


def cid_of(case, identifier):
    pid = case.node.qemu_pid(identifier)
    command = next(p.command for p in processes.table().values() if p.pid == pid)
    return int(re.search(r'guest-cid"?[=:](\d+)', command)[1])


def test_unique_when_launched_at_once(case):
    """Four launchers, started before the first one has done anything: libvirt asks the kernel, which decides."""
    launches, run_dirs = [], []
    config = vmconfig.write(case.directory / "vm.conf")
    for number in range(4):
        run_dir, share = case.node.run_dir / f"{number:020x}", case.directory / f"share{number}"
        share.mkdir()
        case.defer(processes.run, [paths.LAUNCHER, "destroy", "--run-dir", run_dir])
        launches.append(processes.own(subprocess.Popen(
            [str(a) for a in (paths.LAUNCHER, "launch", "--config", config, "--run-dir", run_dir, "--share", share)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)))
        run_dirs.append(run_dir)
    agents = []
    for popen in launches:
        out, err = popen.communicate(timeout=300)
        processes.disown(popen)
        equal(popen.returncode, 0, what=err.decode(errors="replace"))
        agents.append(json.loads(out.splitlines()[-1])["agent"])
    assert all(re.fullmatch(r"vsock://\d+:1024", agent) for agent in agents), agents
    equal(len(set(agents)), 4, what=f"context ids of {agents}")


def test_released_at_exit_and_after_kill(case):
    """The kernel gives the lowest free id from libvirt's loop: the next VM has it again."""
    first = case.container()
    cid = cid_of(case, first.id)
    first.kill()
    first.remove()
    second = case.container()
    equal(cid_of(case, second.id), cid, what="context id after an orderly end")
    qemu = case.node.qemu_pid(second.id)
    kill_shim(case.node, second.id)
    processes.kill(qemu, signal.SIGKILL)
    processes.wait_gone([qemu], 20)
    second.remove()
    third = case.container()
    equal(cid_of(case, third.id), cid, what="context id after kill -9 of shim and QEMU")


def test_ten_after_another(case):
    verify = case.clean()
    boots = set()
    for number in range(10):
        output = case.run("sh", "-c", f"echo {number}; cat /proc/sys/kernel/random/boot_id").stdout.decode().split()
        equal(output[0], str(number))
        boots.add(output[1])
    equal(len(boots), 10, what="kernels")
    verify()


def test_four_at_once(case):
    verify = case.clean()
    identifiers = [case.node.new_id() for _ in range(4)]
    started = [case.node.popen(*case.node.run_arguments(i, "sh", "-c", f"echo {i}; cat /proc/sys/kernel/random/boot_id",
                                                        flags=("--rm",))) for i in identifiers]
    results = [case.node.finish(popen, 300) for popen in started]
    equal([r.returncode for r in results], [0] * 4, what=str([r.stderr for r in results]))
    lines = [r.stdout.decode().split() for r in results]
    equal([line[0] for line in lines], identifiers)
    equal(len({line[1] for line in lines}), 4, what="kernels")
    verify()
