# SPDX-License-Identifier: Apache-2.0
"""What `start` is told and answers, for containerd 1.6 (plain), 1.7 to 2.2 (JSON) and 2.3 on (protobuf)."""
import hashlib
import json
import os
import pathlib
import signal
import stat
import time

from harness import ociconfig, processes, wire
from harness.case import contains, equal
from harness.containerd import NAMESPACE
from harness.shim import BINARIES, Shim
from harness.ttrpc import NOT_FOUND, Connection

COCO = ("coco",)  # runc's shim knows what its own containerd asks for
JSON = {"MAX_SHIM_VERSION": "2"}
V3 = "containerd.task.v3.Task"


def params(shim, **more):
    """BootstrapParams as containerd 2.3.4 writes them."""
    return wire.message({1: shim.id, 2: NAMESPACE, 3: -4 & (1 << 64) - 1, 4: "v2.3.4", 5: f"{shim.node.socket}.ttrpc",
                         6: str(shim.node.socket), 7: "/usr/bin/containerd"} | more.get("fields", {}))


def verify_served(shim):
    """It answers; and ends when it is told to."""
    equal(shim.call("State", {1: "nobody"}).code, NOT_FOUND)
    equal(shim.shutdown().code, 0)


def test_plain(case):
    """containerd 1.6 sets no MAX_SHIM_VERSION."""
    if case.runtime == "runc" and case.node.line >= (2, 0):
        return verify_version_3(case)
    shim = Shim(case)
    result = shim.start()
    assert result.stdout.startswith(b"unix:///"), result
    equal((shim.bundle / "address").read_bytes(), result.stdout)
    equal(result.stderr, b"")
    verify_served(shim)


def verify_version_3(case):
    """runc's shim of 2.x has forgotten 1.6: version 3, whoever asks."""
    shim = Shim(case)
    equal(json.loads(shim.start().stdout)["version"], 3)
    verify_served(shim)


def test_json(case):
    shim = Shim(case)
    result = shim.start(env=JSON)
    answer = json.loads(result.stdout)
    equal((answer["version"], answer["protocol"], set(answer)), (2, "ttrpc", {"version", "address", "protocol"}))
    equal((shim.bundle / "address").read_text(), answer["address"])  # not the JSON, which containerd 2 does not read there
    equal(result.stderr, b"")
    verify_served(shim)


def test_protobuf(case):
    """The socket is where containerd wants it, and goes with the pod."""
    sockets = case.directory / "s"
    shim = Shim(case)
    result = shim.start(env=JSON, stdin=params(shim, fields={9: str(sockets)}))
    answer = wire.fields(result.stdout)
    equal((answer[1], answer[3], set(answer)), ([3], [b"ttrpc"], {1, 2, 3, 6}))
    (extension,) = answer[6]
    mounts = wire.fields(wire.one(extension, 1))
    equal((mounts[1], wire.fields(mounts[2][0])),
          ([b"containerd.types.MountCapabilities"], {1: [b"erofs"], 2: [b"mkdir", b"format"]}))
    path = pathlib.Path(shim.address.removeprefix("unix://"))
    joined = f"{shim.node.socket}/{NAMESPACE}/{shim.id}"  # what Go's shim hashes
    equal((path.parent, path.name), (sockets, hashlib.sha256(joined.encode()).hexdigest()))
    equal(stat.S_IMODE(path.stat().st_mode), 0o600)
    equal((shim.bundle / "address").read_text(), shim.address)
    equal(result.stderr, b"")
    equal(shim.call("State", {1: "nobody"}).code, NOT_FOUND)
    shim.delete(check=True)
    assert not os.path.lexists(path), "the socket is left"


def test_options_are_not_params(case):
    """An Any parses as BootstrapParams too; what does not repeat id and namespace is not that."""
    config = case.directory / "other.conf"
    config.write_bytes(case.node.config.read_bytes())
    options = wire.message({1: "runtimeoptions.v1.Options", 2: wire.message({2: str(config)})})
    shim = Shim(case)
    result = shim.start(env=JSON, stdin=options)
    equal(json.loads(result.stdout)["version"], 2)
    shim.delete(check=True)
    other = Shim(case)
    result = other.start(env=JSON, stdin=params(other, fields={2: "elsewhere"}))
    equal(json.loads(result.stdout)["version"], 2)


def test_input_without_end(case):
    """More than any options have, and than is read: answered all the same, as if there were none."""
    shim = Shim(case)
    result = shim.start(env=JSON, stdin=b"\x0a" + bytes(12 << 20))
    equal((json.loads(result.stdout)["version"], result.stderr), (2, b""))
    verify_served(shim)


def test_config_of_options(case):
    """In both forms the config file that the options name is the one that is read."""
    missing = str(case.directory / "missing.conf")
    options = {1: "runtimeoptions.v1.Options", 2: wire.message({2: missing})}
    first, second = Shim(case), Shim(case)
    first.start(env=JSON, stdin=wire.message(options))
    second.start(env=JSON, stdin=params(second, fields={8: wire.message({1: wire.message(options)})}))
    for shim in (first, second):
        reply = shim.create()
        assert reply.code != 0 and missing in reply.message, reply
        shim.shutdown()


def test_inherited_descriptors_are_dropped(case):
    """containerd leaks what its own parent leaked into it; a shim that kept it would hold files for the life of a pod."""
    leaked = os.open(case.directory, os.O_RDONLY | os.O_DIRECTORY)
    case.defer(os.close, leaked)
    shim = Shim(case)
    shim.start(env=JSON, pass_fds=(leaked,))
    equal(shim.call("Connect", {1: shim.id}).code, 0)  # from here on it is what it stays
    pid = int((shim.bundle / "shim.pid").read_text())
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    assert str(case.directory) not in links, links
    equal(sorted(os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1)), ["/dev/null", "/dev/null"])
    equal(os.getpgid(pid), pid, "a group of its own: ^C for containerd is not for the shim")
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    ignored = int(next(line for line in status.splitlines() if line.startswith("SigIgn:")).split()[1], 16)
    assert ignored >> (signal.SIGPIPE - 1) & 1, status
    score = int(pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text())
    equal(score, int(pathlib.Path("/proc/self/oom_score_adj").read_text()) + 1, "oom_score_adj")


def test_members_of_a_pod_share_the_shim(case):
    """A container of a pod that has a shim gets that shim's address, printed and in its own bundle; its `delete` leaves the
    pod alone, unless the shim is dead: then it ends what is left."""
    first = Shim(case, spec=in_group(case))
    first.start()
    second = Shim(case, spec=in_group(case))
    result = second.start()
    equal(result.stdout.decode(), first.address)
    equal((second.bundle / "address").read_text(), first.address)
    pid = int((first.bundle / "shim.pid").read_text())
    second.delete(check=True)
    equal(first.call("State", {1: "nobody"}).code, NOT_FOUND)
    processes.kill(pid)
    equal(processes.wait_gone([pid], 10), [])
    second.delete(check=True)
    equal([p for p in case.node.leftover_processes() if "qemu" in p.name], [])


def in_group(case):
    spec = ociconfig.base("rootfs", "sleep", "1000")
    spec["annotations"] = {"io.containerd.runc.v2.group": f"pod-{case.node.id_prefix}"}
    return spec


def crashed(case):
    """A shim that was killed: its socket and its VM are left."""
    shim = Shim(case)
    shim.start()
    pid = int((shim.bundle / "shim.pid").read_text())
    processes.kill(pid)
    equal(processes.wait_gone([pid], 10), [])
    return shim


def test_start_after_a_crash(case):
    """The address is in use by nobody: `start` takes it over, and clears what was left."""
    shim = crashed(case)
    old, before = shim.address, {p.pid for p in case.node.leftover_processes()}
    result = shim.start()
    equal((shim.address, result.stderr), (old, b""))
    verify_served(shim)
    equal([str(p) for p in case.node.leftover_processes() if p.pid in before], [])


def test_delete_after_a_crash(case):
    """What containerd publishes as the task's end: killed, now. Nothing on standard error, which it would log; twice the same."""
    shim = crashed(case)
    for _ in range(2):
        result = shim.delete(check=True)
        answer = wire.fields(result.stdout)
        equal((answer[2], result.stderr), ([137], b""))
        assert abs(wire.one(answer[3][0], 1) - time.time()) < 60, answer


def test_delete_without_shutdown(case):
    """After the last container nothing leads to a shim that was not shut down: `delete` ends it."""
    shim = Shim(case, spec=ociconfig.base(ociconfig.root_file_system(case.directory), "true"))
    shim.start()
    equal(shim.create().code, 0)
    pid = int((shim.bundle / "shim.pid").read_text())
    for method in ("Start", "Wait", "Delete"):
        equal(shim.call(method, {1: shim.id}).code, 0, method)
    shim.delete(check=True)
    equal(processes.wait_gone([pid], 10), [])


def test_nobody_hears_the_address(case):
    """`start` cannot say where: what it started by then is gone with it."""
    shim = Shim(case)
    result = processes.run(["sh", "-c", 'exec "$0" "$@" > /dev/full', *shim.command("start")], env=shim.environment(),
                           cwd=shim.bundle, check=False)
    assert result.returncode != 0
    contains(result.stderr, "No space left on device")
    equal(([str(p) for p in case.node.leftover_processes()], list(case.node.run_dir.iterdir())), ([], []))


def test_signals_that_mean_nothing(case):
    """Those of terminals and users do not end a pod."""
    shim = Shim(case)
    shim.start()
    pid = int((shim.bundle / "shim.pid").read_text())
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        os.kill(pid, number)
    verify_served(shim)


def test_longest_names(case):
    """containerd allows 76 characters for an id; with a socket directory of 42 the path of the socket is 107 bytes long."""
    parent = case.directory.parent.parent
    sockets = parent / ("s" * (42 - len(str(parent)) - 1))
    case.defer(lambda: sockets.exists() and sockets.rmdir())
    shim = Shim(case, identifier=f"{case.node.new_id()}-".ljust(76, "x"))
    shim.start(env=JSON, stdin=params(shim, fields={9: str(sockets)}))
    equal(len(shim.address.removeprefix("unix://")), 107)
    verify_served(shim)


def test_terminated(case):
    """SIGTERM ends the shim with its VM, whatever runs; `delete` finds nothing to do."""
    shim = Shim(case, spec=ociconfig.base(ociconfig.root_file_system(case.directory), "sleep", "1000"))
    shim.start()
    equal(shim.create().code, 0)
    equal(shim.call("Start", {1: shim.id}).code, 0)
    pid = int((shim.bundle / "shim.pid").read_text())
    processes.kill(pid, signal.SIGTERM)
    equal(processes.wait_gone([pid], 30), [])
    equal([str(p) for p in case.node.leftover_processes()], [])
    shim.delete(check=True)


def test_pod_of_cri(case):
    """A sandbox and a container as CRI names them: one shim and one VM; the end of the one is not the end of the other. An
    `address` that is missing (containerd 2 with Task v3 runs no `start` for the second) is written by Create."""
    root = ociconfig.root_file_system(case.directory)
    shims, pod = [], case.node.new_id()
    look = f"test \"$(hostname)\" = {os.uname().nodename} && grep -q ' /dev/shm tmpfs rw,nosuid,nodev,noexec' /proc/mounts && exit 5"
    for kind, command in (("sandbox", ("sleep", "1000")), ("container", ("sh", "-c", look))):
        spec = ociconfig.base(root, *command)
        # As CRI for a pod with the host's network: the host's name, which runc would not let it set.
        spec.pop("hostname")
        namespaces = spec["linux"]["namespaces"]
        spec["linux"]["namespaces"] = [n for n in namespaces if n["type"] != "uts"] if kind == "sandbox" else [
            n | {"path": f"/proc/1/ns/{n['type']}"} for n in namespaces if n["type"] != "mount"]
        spec["annotations"] = {"io.kubernetes.cri.container-type": kind, "io.kubernetes.cri.sandbox-id": pod}
        shims.append(Shim(case, identifier=pod if kind == "sandbox" else None, spec=spec))
    sandbox, member = shims
    for shim in shims:
        shim.start()
        equal((shim.address, (shim.bundle / "address").read_text()), (sandbox.address, sandbox.address))
    (member.bundle / "address").unlink()
    for shim in shims:
        equal(shim.create().code, 0)
        equal(shim.call("Start", {1: shim.id}).code, 0)
    equal((member.bundle / "address").read_text(), sandbox.address)
    equal(len([p for p in case.node.leftover_processes() if "qemu-system" in p.name]), 1)
    equal(wire.one(member.call("Wait", {1: member.id}).payload, 1), 5)
    equal(member.call("Delete", {1: member.id}).code, 0)
    equal(member.shutdown().code, 0)  # is ignored: the sandbox lives
    member.delete(check=True)
    equal(wire.one(sandbox.call("State", {1: sandbox.id}).payload, 4), 2)
    for method, more in (("Kill", {3: 9}), ("Wait", {}), ("Delete", {})):
        equal(sandbox.call(method, {1: sandbox.id} | more).code, 0, method)
    sandbox.shutdown()


def test_task_v3(case):
    """Both versions of the Task service are on the socket and see the same container."""
    shim = Shim(case, spec=ociconfig.base(ociconfig.root_file_system(case.directory), "sh", "-c", "exit 7"))
    shim.start(env=JSON)
    reply = shim.create()
    equal(reply.code, 0, reply.message)
    for service in (V3, "containerd.task.v2.Task"):
        equal(wire.one(shim.call("State", {1: shim.id}, service=service).payload, 4), 1, service)
    equal(shim.call("Start", {1: shim.id}, service=V3).code, 0)
    equal(wire.one(shim.call("Wait", {1: shim.id}, service=V3).payload, 1), 7)
    second = Connection(shim.address.removeprefix("unix://"))
    equal(wire.one(second.call(V3, "Delete", wire.message({1: shim.id})).payload, 2), 7)
    second.close()
    equal(shim.call("State", {1: shim.id}).code, NOT_FOUND)
    shim.shutdown()


def test_info(case):
    """RuntimeInfo, and the mounts that containerd 2.2 and later leaves to us (block_root.py)."""
    result = processes.run([BINARIES["coco"], "-info"], env=case.node.environment, stdin=b"")
    info = wire.fields(result.stdout)
    equal(info[1], [b"io.containerd.coco.v2"])
    equal([wire.fields(entry) for entry in info[5]],
          [{1: [b"containerd.io/runtime-allow-mounts"], 2: [b"mkdir/*,format/*,erofs"]}])
    equal(result.stderr, b"")


for function in (test_json, test_protobuf, test_input_without_end, test_options_are_not_params, test_config_of_options, test_task_v3,
                 test_inherited_descriptors_are_dropped, test_members_of_a_pod_share_the_shim,
                 test_info, test_start_after_a_crash, test_delete_after_a_crash,
                 test_delete_without_shutdown, test_nobody_hears_the_address, test_signals_that_mean_nothing,
                 test_longest_names, test_terminated, test_pod_of_cri):
    function.runtimes = COCO
