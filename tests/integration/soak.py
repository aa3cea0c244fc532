# SPDX-License-Identifier: Apache-2.0
"""What takes too long for every run of the tests: a thousand execs in one VM. tests/run --suite soak."""
import json

from harness import events, initrd, ociconfig, paths, processes, vmconfig
from harness.case import contains, equal
from harness.sandbox import Sandbox
from harness.shim import Shim

DEADLINE_EXCEEDED = 4

SUITE = "soak"
SECONDS = 3600
# The agent keeps what it knows of the last 256 execs that ended, so the warm-up is longer than that.
EXECS, WARM_EXECS, EXECS_KB = 1000, 300, 256


def exec_true(shim, number):
    """One exec from Exec to Delete, without a client in between."""
    spec = json.dumps({"args": ["true"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}})
    target = {1: shim.id, 2: f"e{number}"}
    for method, more in (("Exec", {7: {1: "types.containerd.io/opencontainers/runtime-spec/1/Process", 2: spec}}),
                         ("Start", {}), ("Wait", {}), ("Delete", {})):
        reply = shim.call(method, target | more)
        equal(reply.code, 0, f"{method} {number}: {reply.message}")


def anonymous_kb(shim, number):
    """Private memory of the agent: PID 1 of the guest writes its own through a container that sees it."""
    root = shim.root / "tmp" / f"status{number}"
    spec = json.dumps({"args": ["sh", "-c", f"cat /guest-proc/1/status > /tmp/status{number}"], "cwd": "/",
                       "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}})
    target = {1: shim.id, 2: f"status{number}"}
    for method, more in (("Exec", {7: {1: "types.containerd.io/opencontainers/runtime-spec/1/Process", 2: spec}}),
                         ("Start", {}), ("Wait", {}), ("Delete", {})):
        equal(shim.call(method, target | more).code, 0, method)
    fields = dict(line.split(":", 1) for line in root.read_text().splitlines())
    assert fields["Name"].strip().startswith(("init", "coco-agent")), fields["Name"]
    return int(fields["RssAnon"].split()[0])


def test_thousand_execs(case):
    """In one VM: neither the shim nor the agent grows."""
    root = ociconfig.root_file_system(case.directory)
    spec = ociconfig.base(root, "sleep", "100000")
    spec["mounts"].append({"destination": "/guest-proc", "type": "bind", "source": "/proc", "options": ["rbind", "ro"]})
    shim = Shim(case, spec=spec)
    shim.root = root
    shim.start()
    equal(shim.create().code, 0)
    equal(shim.call("Start", {1: shim.id}).code, 0)
    pid = int((shim.bundle / "shim.pid").read_text())
    for number in range(WARM_EXECS):
        exec_true(shim, number)
    files, memory, agent = processes.open_files(pid), processes.memory(pid), anonymous_kb(shim, 1)
    for number in range(WARM_EXECS, WARM_EXECS + EXECS):
        exec_true(shim, number)
    equal(processes.open_files(pid), files, "descriptors of the shim")
    grown = processes.memory(pid)["private"] - memory["private"], anonymous_kb(shim, 2) - agent
    print(f"    {EXECS} execs: private memory of the shim {grown[0]:+d} kB, of the agent {grown[1]:+d} kB", flush=True)
    assert max(grown) < EXECS_KB, f"private memory of the shim and of the agent grew by {grown} kB"
    for method, more in (("Kill", {3: 9, 4: True}), ("Wait", {}), ("Delete", {}), ("Shutdown", {})):
        equal(shim.call(method, {1: shim.id} | more).code, 0, method)


def test_late_container(case):
    """A container that the guest makes after Create has given up is removed there. It is the second of its pod: the end of the
    first is the VM's."""
    guest = initrd.with_init(case.directory / "guest.img", paths.HOSTILE_AGENT)
    guest["cmdline"] += " slow_create"
    config = vmconfig.write(case.directory / "coco.conf", guest=guest, network={"model": "none"})
    sandbox = Sandbox(case)
    sandbox.start(config)
    sandbox.good("CreateSandbox", f2=str(sandbox.bundle))
    sandbox.good("StartSandbox")
    member = sandbox.member("true")
    reply = member.create()
    equal(reply.code, DEADLINE_EXCEEDED)
    contains(reply.message, "no answer within 60 s")
    console = case.node.pod_dir(sandbox.id) / "console.log"
    assert events.wait_for_text(console, f"hostile: remove {member.id}", 60), console.read_text()
    sandbox.good("ShutdownSandbox")
    sandbox.wait_gone()


test_late_container.runtimes = ("coco",)
test_thousand_execs.runtimes = ("coco",)
