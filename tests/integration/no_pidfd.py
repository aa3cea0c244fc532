# SPDX-License-Identifier: Apache-2.0
"""Where the kernel (or a seccomp filter, or a tool that emulates system calls) has no pidfds: no VM is started that could
not be ended, what cannot be ended is said, and nobody says that a VM is gone which lives."""
import json
import os

from harness import initrd, paths, processes, vmconfig
from harness.case import contains, equal, one_line
from harness.shim import Shim

RUNTIMES = ("coco",)
WITHOUT = paths.TESTS / "lib" / "without-syscall"
CALLS = ("pidfd_open", "pidfd_send_signal")
MISSING = "Function not implemented"


def test_shim_does_not_start(case):
    for call in CALLS:
        shim = Shim(case)
        case.defer(shim.delete)
        result = processes.run([WITHOUT, call, *shim.command("start")], env=shim.environment(), cwd=shim.bundle, check=False)
        equal((result.returncode, result.stdout), (1, b""))
        equal(one_line(result.stderr), f"watch processes with '{call}': {MISSING}")


def test_launcher(case):
    """It launches nothing; an earlier VM that it cannot end is named, is still listed, and lives."""
    config = vmconfig.write(case.directory / "vm.conf",
                            guest={"initrd": initrd.write(case.directory / "mute.img", initrd.MUTE)})
    run_dir = case.node.run_dir / "aaaabbbbccccddddeeee"
    launch = [paths.LAUNCHER, "launch", "--config", config, "--run-dir", run_dir]
    destroy = [paths.LAUNCHER, "destroy", "--run-dir", run_dir]
    for call in CALLS:
        result = processes.run([WITHOUT, call, *launch], check=False)
        last = json.loads(result.stdout.splitlines()[-1])
        equal((last["ok"], last["message"]), (False, f"watch processes with '{call}': {MISSING}"))
    pid = json.loads(processes.run(launch).stdout.splitlines()[-1])["pid"]
    case.defer(processes.run, destroy)
    for call, verb in zip(CALLS, ("open", "kill")):
        result = processes.run([WITHOUT, call, *destroy], check=False)
        equal(result.returncode, 1)
        contains(one_line(result.stderr), f"destroy VM: {verb} process ", MISSING)
    os.kill(pid, 0)
    contains(processes.run([WITHOUT, "pidfd_open", paths.LAUNCHER, "list", "--base", case.node.run_dir]).stdout, str(pid), "running")


def test_delete_says_what_is_left(case):
    """containerd must not forget a pod whose VM lives."""
    container = case.container()
    qemu, shim = case.node.qemu_pid(container.id), case.node.shim_pid(container.id)
    case.node.stop()
    case.defer(case.node.start)
    delete = ["containerd-shim-coco-v2", "-namespace", "default", "-address", case.node.socket, "-id", container.id,
              "-publish-binary", "/usr/bin/containerd", "-bundle", case.node.bundle(container.id), "delete"]
    for call in CALLS:
        result = processes.run([WITHOUT, call, *delete], env=case.node.environment, cwd=case.node.bundle(container.id),
                               check=False)
        equal((result.returncode, result.stdout), (1, b""))
        contains(one_line(result.stderr), f"end processes of '{case.node.pod_dir(container.id)}': kill ",
                 f"by its pidfd: {MISSING}")
    for pid in (qemu, shim):
        os.kill(pid, 0)
