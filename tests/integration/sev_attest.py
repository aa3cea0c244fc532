# SPDX-License-Identifier: Apache-2.0
"""SEV pre-attestation without the hardware: a guest whose measurement cannot be had never runs, and nobody is asked.

The worker is told to ask for a VM without a TEE; libvirt and QEMU are real. That the firmware of a real SEV
guest gives a measurement and takes a secret needs the hardware."""
import json
import os
import shutil
import sys

from harness import initrd, paths, processes, vmconfig
from harness.case import contains, equal

RUNTIMES = ("coco",)

# Stands where coco-vmm finds its worker: adds [sev] attest to its job, and then asks QEMU, while it is still there, for its state.
WORKER = """#!{python}
import json, socket, subprocess, sys
job = json.load(sys.stdin)
job["spec"]["config"]["sev.attest"] = "{hook}"
done = subprocess.run(["{worker}", *sys.argv[1:]], stdout=subprocess.PIPE, input=json.dumps(job).encode())
try:
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.settimeout(10)
        monitor.connect("{monitor}")
        stream = monitor.makefile("rw")
        stream.readline()
        for command in ("qmp_capabilities", "query-status"):
            stream.write(json.dumps({{"execute": command}}) + "\\n")
            stream.flush()
            reply = stream.readline()
            while "event" in json.loads(reply):
                reply = stream.readline()
    open("{out}", "w").write(reply)
finally:
    sys.stdout.buffer.write(done.stdout)
    sys.stdout.flush()
sys.exit(done.returncode)
"""


def helper(name):
    return next(p for p in (paths.LAUNCHER.parent / name, paths.AGENT.parent / name) if p.exists())


def test_a_guest_without_a_measurement_never_runs(case):
    verify = case.clean()
    folder = case.directory / "bin"
    folder.mkdir()
    run_dir = case.node.run_dir / "aaaabbbbccccddddffff"
    hook = case.directory / "hook"
    hook.write_text(f'#!/bin/sh\ntouch {case.directory}/asked\necho \'{{"decision":"accept"}}\'\n')
    hook.chmod(0o755)
    shutil.copy(paths.LAUNCHER, folder / "coco-vmm")
    os.symlink(helper("coco-vmm-console"), folder / "coco-vmm-console")
    (folder / "coco-vmm-libvirt").write_text(WORKER.format(
        python=sys.executable, worker=helper("coco-vmm-libvirt"), hook=hook, out=case.directory / "status",
        monitor=run_dir / "vm/lib/qemu/domain-1-coco/monitor.sock"))
    (folder / "coco-vmm-libvirt").chmod(0o755)
    mute = initrd.write(case.directory / "mute.img", initrd.MUTE)
    config = vmconfig.write(case.directory / "vm.conf", guest={"initrd": mute})
    case.defer(processes.run, [paths.LAUNCHER, "destroy", "--run-dir", run_dir])
    result = processes.run([folder / "coco-vmm", "launch", "--config", config, "--run-dir", run_dir], check=False)
    last = json.loads(result.stdout.splitlines()[-1])
    equal((last["event"], last["ok"], result.returncode), ("result", False, 1), str(last))
    contains(last["message"], "pre-attestation: QEMU tells no measurement")
    status = json.loads((case.directory / "status").read_text())
    equal((status["return"]["running"], status["return"]["status"]), (False, "prelaunch"))
    assert not (case.directory / "asked").exists(), "the hook was asked about nothing"
    verify()
