# SPDX-License-Identifier: Apache-2.0
"""The Sandbox service of containerd 2: the VM is there before the first container and after the last, and ends when it is
told to."""
import gzip
import time

from harness import processes, vmconfig, wire
from harness.case import contains, equal
from harness.initdata import LOOK, NAMES, TOML, annotation, expect_disk
from harness.sandbox import NOT_READY, READY, SERVICE, Sandbox, cri_options
from harness.ttrpc import ALREADY_EXISTS, INVALID_ARGUMENT, NOT_FOUND

RUNTIMES = ("coco",)
FAILED_PRECONDITION = 9


def verify_nothing_left(sandbox):
    equal([str(p) for p in sandbox.node.leftover_processes()], [])
    equal(list(sandbox.node.run_dir.iterdir()), [])
    sandbox.delete(check=True)


def test_life(case):
    sandbox = Sandbox(case)
    sandbox.start()
    sandbox.good("CreateSandbox", f2=str(sandbox.bundle))
    equal(sandbox.status()[3], [NOT_READY])
    before = time.time()
    started = wire.fields(sandbox.good("StartSandbox"))
    pid = started[1][0]
    assert abs(wire.one(started[2][0], 1) - before) < 60, started
    contains(processes.Process(pid).command, "qemu-system")
    status = sandbox.status()
    equal((status[2], status[3]), ([pid], [READY]))
    equal({wire.one(e, 1): wire.one(e, 2) for e in status[4]}, {b"pid": str(pid).encode(), b"state": b"ready"})
    platform = wire.fields(wire.one(sandbox.good("Platform"), 1))
    equal(platform[1], [b"linux"])
    assert platform[2][0] in (b"amd64", b"arm64", b"s390x"), platform
    equal(sandbox.good("PingSandbox"), b"")
    waiting = sandbox.send("WaitSandbox")
    for _ in range(2):  # the end of the last container is not the end of the sandbox
        member = sandbox.member("echo here; exit 5").start()
        equal(member.end(), (5, "here\n"))
        equal(member.call("Shutdown").code, 0)
        equal((sandbox.status()[2], sandbox.status()[3]), ([pid], [READY]))
    longer = sandbox.member("exec sleep 1000").start()
    sandbox.good("StopSandbox", f2=10)
    ended = wire.fields(sandbox.connection.reply_to(waiting).payload)
    equal(1 in ended, False, "exit status of a sandbox that was stopped")
    assert abs(wire.one(ended[2][0], 1) - time.time()) < 60, ended
    equal(longer.wait(), 137)
    equal(sandbox.status()[3], [NOT_READY])
    sandbox.good("StopSandbox")
    sandbox.good("WaitSandbox")
    sandbox.good("ShutdownSandbox")
    sandbox.wait_gone()
    verify_nothing_left(sandbox)


def test_shutdown_stops(case):
    """Without a stop before it; containers or not."""
    sandbox = Sandbox(case, with_spec=True).run()
    sandbox.member("exec sleep 1000").start()
    sandbox.good("ShutdownSandbox")
    sandbox.wait_gone()
    verify_nothing_left(sandbox)


def test_order_is_kept(case):
    sandbox = Sandbox(case)
    sandbox.start()
    for method, code in (("StartSandbox", FAILED_PRECONDITION), ("StopSandbox", NOT_FOUND), ("WaitSandbox", NOT_FOUND),
                         ("SandboxStatus", NOT_FOUND), ("PingSandbox", FAILED_PRECONDITION), ("SandboxMetrics", 14)):
        equal(sandbox.sandbox(method).code, code, method)
    reply = sandbox.call("CreateSandbox", {1: "another"}, service=SERVICE)
    equal((reply.code, reply.message), (NOT_FOUND, "sandbox another: not found"))
    reply = sandbox.sandbox("CreateSandbox", f5="/nonexistent/netns")
    equal(reply.code, INVALID_ARGUMENT)
    contains(reply.message, "open network namespace '/nonexistent/netns': No such file or directory")
    sandbox.good("CreateSandbox", f5="/proc/self/ns/net")
    equal(sandbox.sandbox("CreateSandbox").code, ALREADY_EXISTS)
    reply = sandbox.member("true").create()
    equal((reply.code, reply.message.split(": ")[1]), (FAILED_PRECONDITION, f"sandbox {sandbox.id} does not run"))
    sandbox.good("StartSandbox")
    info = {wire.one(e, 1): wire.one(e, 2) for e in sandbox.status()[4]}
    equal(info[b"networkSandboxPath"], b"/proc/self/ns/net")
    equal(sandbox.sandbox("StartSandbox").code, FAILED_PRECONDITION)
    sandbox.good("StopSandbox")
    equal(sandbox.sandbox("StartSandbox").code, FAILED_PRECONDITION)
    equal(sandbox.sandbox("PingSandbox").code, FAILED_PRECONDITION)
    equal(sandbox.member("true").create().code, FAILED_PRECONDITION)
    sandbox.good("ShutdownSandbox")
    sandbox.wait_gone()
    verify_nothing_left(sandbox)


def test_start_fails(case):
    """One error that says why; the sandbox counts as stopped, and is removed as any."""
    config = vmconfig.write(case.directory / "broken.conf", guest={"kernel": "/nonexistent/kernel"}, network={"model": "none"})
    sandbox = Sandbox(case)
    sandbox.start(config=config)
    sandbox.good("CreateSandbox")
    reply = sandbox.sandbox("StartSandbox")
    assert reply.code != 0
    contains(reply.message, f"start VM of pod {sandbox.id}: ", "/nonexistent/kernel")
    equal(sandbox.status()[3], [NOT_READY])
    equal(wire.one(sandbox.good("WaitSandbox"), 1), 137)
    sandbox.good("ShutdownSandbox")
    sandbox.wait_gone()
    verify_nothing_left(sandbox)


def test_stopped_while_it_starts(case):
    """Start is answered, and so are two that stop it meanwhile and one that shuts it down."""
    sandbox = Sandbox(case)
    sandbox.start()
    sandbox.good("CreateSandbox")
    starting = sandbox.send("StartSandbox")
    stopping = [sandbox.send(method) for method in ("StopSandbox", "StopSandbox", "ShutdownSandbox")]
    equal([sandbox.connection.reply_to(call, 60).code for call in stopping], [0, 0, 0])
    reply = sandbox.connection.reply_to(starting, 60)
    contains(f"{reply}", f"start VM of pod {sandbox.id}: ", "stopped")
    sandbox.wait_gone()
    verify_nothing_left(sandbox)


def test_vm_is_lost(case):
    """Who waits for the sandbox or for a container in it is told."""
    sandbox = Sandbox(case).run()
    member = sandbox.member("exec sleep 1000").start()
    waiting = sandbox.send("WaitSandbox")
    processes.kill(sandbox.status()[2][0])
    equal(wire.one(sandbox.connection.reply_to(waiting, 60).payload, 1), 137)
    equal(member.wait(), 137)
    equal(sandbox.status()[3], [NOT_READY])
    equal(member.call("Delete").code, 0)
    sandbox.good("StopSandbox")
    sandbox.good("ShutdownSandbox")
    sandbox.wait_gone()
    verify_nothing_left(sandbox)


def test_shim_is_killed(case):
    """`delete` ends what is left."""
    sandbox = Sandbox(case).run()
    sandbox.member("exec sleep 1000").start()
    pid = int((sandbox.bundle / "shim.pid").read_text())
    processes.kill(pid)
    equal(processes.wait_gone([pid], 10), [])
    sandbox.delete(check=True)
    verify_nothing_left(sandbox)


def until_the_end(case, **create):
    sandbox = Sandbox(case).run(**create)
    case.defer(sandbox.wait_gone)
    case.defer(sandbox.good, "ShutdownSandbox")
    return sandbox


def plain(case):
    return until_the_end(case)


def configured(case):
    return until_the_end(case, f4=cri_options(
        "pod-1", ["10.0.0.1"], ["a.example", "b.example"], ["ndots:5"], {NAMES["new"]: annotation()},
        {"net.ipv4.ip_local_port_range": "4711 4815", "kernel.shm_rmid_forced": "1"}))


def test_config_of_the_pod(case):
    """What CRI says in PodSandboxConfig is in /etc of each container, unless its spec brings a file of its own; and its sysctls
    hold for all of them."""
    sandbox = case.vm
    own = case.directory / "own"
    own.write_text("own\n")
    look = "cat /etc/hostname /etc/resolv.conf; hostname; cat /etc/hosts"

    def change(spec):
        spec.pop("hostname")
        spec["mounts"].append({"destination": "/etc/hosts", "type": "bind", "source": str(own), "options": ["rbind", "ro"]})

    resolv = "search a.example b.example\nnameserver 10.0.0.1\noptions ndots:5\n"
    equal(sandbox.member(look, shares=("uts",), change=change).start().end(), (0, f"pod-1\n{resolv}pod-1\nown\n"))
    look = "cat /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shm_rmid_forced"
    equal(sandbox.member(look, shares=("ipc",)).start().end(), (0, "4711\t4815\n1\n"))


def test_initdata(case):
    """It comes with CreateSandbox, before there is a VM."""
    def change(spec):
        spec["linux"]["resources"] = {"devices": [{"allow": True, "access": "rwm"}]}

    status, text = case.vm.member(LOOK, change=change).start().end()
    equal(status, 0)
    expect_disk(text.encode(), gzip.compress(TOML, mtime=0))


def test_what_members_share(case):
    """/dev/shm with the ipc namespace, the hostname with the uts namespace, and neither without; the network always."""
    sandbox, shares = case.vm, ("ipc", "uts")
    equal(sandbox.member("echo one > /dev/shm/f; hostname together", shares, change=privileged).start().end(), (0, ""))
    look = "cat /dev/shm/f 2>/dev/null || echo none; hostname"
    equal(sandbox.member(look, shares, change=without_hostname).start().end(), (0, "one\ntogether\n"))
    equal(sandbox.member(look).start().end(), (0, "none\nbox\n"))
    server = sandbox.member("exec nc -l -p 77 -e echo over the network").start()
    script = "until nc 127.0.0.1 77 </dev/null 2>/dev/null; do :; done"
    equal(sandbox.member(script).start().end(), (0, "over the network\n"))
    equal(server.end()[0], 0)


def test_shared_processes(case):
    """Without a pause container there is a process 1 for them alone: not the guest's, nothing to see in, no signal ends it."""
    sandbox = case.vm
    equal(sandbox.member("true").start().end(), (0, ""))  # it may be the first, whose processes are the pod's, and is gone
    other = sandbox.member("exec sleep 4711", ("pid",)).start()
    look = "ps | grep -c 'sleep 471[1]'; ps | grep -cE 'kthread[d]|coco-agen[t]|/ini[t]'; kill 1; kill -9 1; ls /proc/1/root/; " \
           "grep -E '^(Uid|CapPrm|CapBnd)' /proc/1/status; sleep 0 & exec true"
    code, output = sandbox.member(look, ("pid",), change=may_trace).start().end()
    equal(code, 0)
    equal(output.split("\n")[:2], ["1", "0"])
    contains(output, "65534", "CapPrm:\t0000000000000000")
    equal(sandbox.member("ps | grep 'sleep 471[1]' | { read pid rest; kill $pid; }", ("pid",)).start().end(), (0, ""))
    equal(other.end()[0], 128 + 15)
    equal(sandbox.member("ps | grep -c 'kthread[d]'").start().end(), (1, "0\n"))


def may_trace(spec):
    for names in spec["process"]["capabilities"].values():
        names.append("CAP_SYS_PTRACE")


def privileged(spec):
    for names in spec["process"]["capabilities"].values():
        names.append("CAP_SYS_ADMIN")


def without_hostname(spec):
    spec.pop("hostname")


def test_metrics(case):
    """What the VM uses of the host: no guest can make it smaller."""
    sandbox = case.vm
    metric = wire.fields(wire.one(sandbox.good("SandboxMetrics"), 1))
    equal(metric[2], [sandbox.id.encode()])
    data = wire.fields(metric[3][0])
    assert data[1][0] in (b"io.containerd.cgroups.v1.Metrics", b"io.containerd.cgroups.v2.Metrics"), data
    metrics = wire.fields(data[2][0])
    if data[1][0].endswith(b"v1.Metrics"):
        cpu, memory = wire.one(wire.one(metrics[3][0], 1), 1) / 1e9, wire.one(wire.one(metrics[4][0], 33), 2)
    else:
        cpu, memory = wire.one(metrics[2][0], 1) / 1e6, wire.one(metrics[4][0], 32)
    assert 0.1 < cpu < 600, f"{cpu} s"
    assert 30e6 < memory < 4e9, f"{memory} bytes"


test_config_of_the_pod.shared_vm = test_initdata.shared_vm = configured
test_what_members_share.shared_vm = test_shared_processes.shared_vm = test_metrics.shared_vm = plain
