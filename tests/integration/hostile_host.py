# SPDX-License-Identifier: Apache-2.0
"""What a host that is no shim says to the agent of a guest, on the wire: each request is refused, and the agent serves on."""
import shutil
import signal
import stat

from harness import paths, processes, ttrpc, wire
from harness.case import equal
from harness.launcher import Launcher
from harness.ttrpc import ALREADY_EXISTS, CANCELLED, DEADLINE_EXCEEDED, INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED

RUNTIMES = ("coco",)
AGENT, HEALTH = "grpc.AgentService", "grpc.Health"
BASE = "/run/kata-containers"
SHARED = f"{BASE}/shared/containers"
SHM = f"{BASE}/sandbox/shm"
REGULAR, LINK, FIFO = stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644


def storage(mount_point, driver="ephemeral", source="tmpfs", fstype="tmpfs", options=(), driver_options=()):
    return {1: driver, 2: list(driver_options), 3: source, 4: fstype, 5: list(options), 6: mount_point}


def container(identifier="c", storages=(), root=f"{SHARED}/root", sysctls=None, mounts=(), args=("sh",), **more):
    """A CreateContainerRequest; more: its other fields by number, with an "f" before it."""
    sysctl = [{1: key, 2: value} for key, value in (sysctls or {}).items()]
    spec = {1: "1.0.2", 2: {4: list(args), 6: "/"}, 3: {1: root}, 5: list(mounts), 8: {3: sysctl, 6: {1: "mount"}}}
    return {1: identifier, 5: list(storages), 6: spec, **{int(key[1:]): value for key, value in more.items()}}


def copy(path, mode=REGULAR, data="x", offset=0, size=None):
    return {1: path, 2: len(data) if size is None else size, 3: mode, 4: 0o755, 7: offset, 8: data}


def refused_storages():
    """Each in the request of one container."""
    yield "storage on the base", storage(BASE), INVALID_ARGUMENT
    yield "storage on the sandbox", storage(f"{BASE}/./sandbox/"), INVALID_ARGUMENT
    yield "storage over the shm", storage(f"{BASE}/shared"), INVALID_ARGUMENT
    yield "another storage on the shm", storage(SHM, options=["size=1m"]), ALREADY_EXISTS
    for place in ("/", "/proc", "/sys/fs/cgroup", "/dev", "/etc", "/run/coco-agent", "/run/coco-agent/bundles/c",
                  f"{BASE}/../coco-agent", f"{BASE}-not"):
        yield f"storage on {place}", storage(place), INVALID_ARGUMENT
    for option in ("bind", "rbind", "move", "remount", "rshared", "private", "size=1m,mpol=bind", "X-mount.mkdir"):
        yield f"option {option}", storage(f"{BASE}/x", source="/", options=[option]), INVALID_ARGUMENT
    overlay = {"driver": "overlayfs", "source": "overlay", "fstype": "overlay"}
    for option in ("lowerdir=/:/etc", "lowerdir+=/", f"lowerdir={BASE}", f"lowerdir={SHM},upperdir=/etc", "upperdir=/"):
        yield f"overlay {option}", storage(f"{BASE}/x", options=[option], **overlay), INVALID_ARGUMENT
    yield "overlay that makes a directory", storage(
        f"{BASE}/x", driver_options=["io.katacontainers.volume.overlayfs.create_directory=/etc/x"], **overlay), INVALID_ARGUMENT
    yield "proc as tmpfs", storage(f"{BASE}/x", fstype="proc"), INVALID_ARGUMENT
    yield "disk that is none", storage(f"{BASE}/x", driver="blk", source="/dev/../proc/kcore", fstype="ext4"), INVALID_ARGUMENT


def refused_requests():
    for what, one, code in refused_storages():
        yield what, "CreateContainer", container(storages=[one]), code
    for key in ("net.//.kernel.core_pattern", "net./.core.somaxconn", "kernel.//.kernel.core_pattern", "net..x"):
        yield f"sysctl {key}", "CreateContainer", container(sysctls={key: "|/bin/sh"}), INVALID_ARGUMENT
    for root in ("/", "/proc", f"{BASE}/../..", f"{BASE}/no"):
        yield f"root {root}", "CreateContainer", container(root=root), NOT_FOUND if root.endswith("no") else INVALID_ARGUMENT
    yield "an id that is a path", "CreateContainer", container("../c"), INVALID_ARGUMENT
    yield "an id of the agent's", "CreateContainer", container("shared"), INVALID_ARGUMENT
    yield "a user by name", "CreateContainer", container(f3={1: "root"}), UNIMPLEMENTED
    yield "streams over ports", "CreateContainer", container(f9=1), UNIMPLEMENTED
    for path in ("/etc/passwd", f"{SHARED}/../../../coco-agent/x", SHARED, f"{BASE}/sandbox/resolv.conf"):
        yield f"file {path}", "CopyFile", copy(path), INVALID_ARGUMENT
    yield "a file through a link", "CopyFile", copy(f"{SHARED}/out/x"), INVALID_ARGUMENT
    yield "a fifo", "CopyFile", copy(f"{SHARED}/fifo", FIFO), INVALID_ARGUMENT
    yield "a file of negative size", "CopyFile", copy(f"{SHARED}/f", offset=-1), INVALID_ARGUMENT
    yield "no such log", "GetDiagnosticData", {1: "passwd", 2: "c"}, INVALID_ARGUMENT
    yield "the log of nobody", "GetDiagnosticData", {1: "termination_log", 2: "c"}, NOT_FOUND
    for place in ("/run", "/", f"{BASE}/sandbox", f"{SHARED}/no"):
        yield f"remount of {place}", "UpdateEphemeralMounts", {1: [storage(place, options=["size=1m"])]}, INVALID_ARGUMENT
    for option in ("bind", "ro", "exec,size=1m"):
        yield f"remount with {option}", "UpdateEphemeralMounts", {1: [storage(SHM, options=[option])]}, INVALID_ARGUMENT
    yield "remount for a group", "UpdateEphemeralMounts", {1: [storage(SHM, options=["size=1m"]) | {7: {2: 5}}]}, UNIMPLEMENTED
    yield "remount with driver options", "UpdateEphemeralMounts", {1: [storage(SHM, driver_options=["x"])]}, UNIMPLEMENTED
    yield "memory at too many places", "MemHotplugByProbe", {1: list(range(1, 1026))}, INVALID_ARGUMENT
    yield "a container with devices", "CreateContainer", container(f4=[{1: "d"}]), UNIMPLEMENTED
    yield "a container with shared mounts", "CreateContainer", container(f8=[{1: "m"}]), UNIMPLEMENTED
    yield "a storage that knows no group", "CreateContainer", container(
        storages=[storage(f"{BASE}/x", "virtio-fs", fstype="virtiofs") | {7: {2: 5}}]), UNIMPLEMENTED
    yield "a second sandbox", "CreateSandbox", {5: "box"}, ALREADY_EXISTS
    yield "CPUs that are waited for", "OnlineCPUMem", {1: True}, UNIMPLEMENTED
    yield "a policy without an engine", "SetPolicy", {1: "package agent_policy"}, UNIMPLEMENTED
    yield "exec in nothing", "ExecProcess", {1: "c", 2: "e", 4: {4: ["sh"], 6: "/"}}, NOT_FOUND


def test_each_request_is_refused(case):
    launcher = Launcher(case, guest={"initrd": str(paths.INITRD)}, vm={"transport": "channel"})
    done = launcher.launch()[0][-1]
    assert done["ok"], done
    agent = ttrpc.Connection(launcher.run_dir / "agent.sock", 60)
    case.defer(agent.close)
    equal(agent.call(HEALTH, "Check", seconds=60).code, 0)
    hook = agent.call(AGENT, "CreateSandbox", wire.message({5: "box", 6: "/usr/share/oci/hooks"}))
    equal(hook.code, UNIMPLEMENTED, hook)
    shm = storage(SHM, source="shm", options=["noexec", "nosuid", "nodev", "mode=1777", "size=1048576"])
    share = storage(f"{SHARED}/", "virtio-fs", "kataShared", "virtiofs")
    inside = storage(f"{SHARED}/inside", options=["size=1m"])
    equal(agent.call(AGENT, "CreateSandbox", wire.message({5: "box", 3: [shm, share, inside], 7: [{1: "no-such"}]})).code, NOT_FOUND)
    equal(agent.call(AGENT, "CreateSandbox", wire.message({5: "box", 3: [shm, share, inside]})).code, 0)
    (launcher.share / "root").mkdir()
    equal(agent.call(AGENT, "CopyFile", wire.message(copy(f"{SHARED}/out", LINK, "/etc"))).code, 0)
    wrong = []
    for what, method, fields, code in refused_requests():
        reply = agent.call(AGENT, method, wire.message(fields))
        if reply.code != code:
            wrong.append(f"{what}: {reply}")
        equal(agent.call(HEALTH, "Check").code, 0, f"health after {what}")
    assert not wrong, "\n".join(wrong)
    good = agent.call(AGENT, "UpdateEphemeralMounts", wire.message({1: [storage(SHM, options=["remount", "size=2097152"])]}))
    equal(good.code, 0, good)
    removes_what_waits_for_a_disk(agent)
    serves_while_the_file_server_hangs(case, launcher, agent)


def removes_what_waits_for_a_disk(agent):
    """It is in the table from the first: its id is taken, and it can be removed."""
    request = wire.message(container("waits", [storage(f"{BASE}/waits/x", "blk", "1e", "ext4")]))
    waiting = agent.send(AGENT, "CreateContainer", request)
    equal(agent.call(AGENT, "CreateContainer", request).code, ALREADY_EXISTS)
    equal(agent.call(AGENT, "RemoveContainer", wire.message({1: "waits"})).code, 0)
    equal(agent.reply_to(waiting).code, CANCELLED)
    equal(agent.call(AGENT, "RemoveContainer", wire.message({1: "waits"})).code, NOT_FOUND)


def below_the_share():
    """What the agent asks the host's file server for."""
    yield "CopyFile", copy(f"{SHARED}/pieces/file", data="one ", size=7)
    yield "CopyFile", copy(f"{SHARED}/pieces/file", data="two", offset=4, size=7)
    yield "GetDiagnosticData", {1: "termination_log", 2: "writes"}
    yield "RemoveStaleVirtiofsShareMounts", {}
    yield "UpdateEphemeralMounts", {1: [storage(f"{SHARED}/inside", options=["size=2m"])]}


def keeps_writing(agent, launcher):
    """A container that is in a system call which nothing ends, from the moment when its file server stops."""
    shutil.copy("/bin/busybox", launcher.share / "root" / "busybox")
    log = {1: "/dev/termination-log", 2: f"{SHARED}/root/log", 3: "bind", 4: ["bind"]}
    (launcher.share / "root" / "log").write_text("why")
    (launcher.share / "root" / "dev").mkdir()
    script = "echo begun; while :; do echo x >/file; done"
    request = container("writes", args=("/busybox", "sh", "-c", script), mounts=[log])
    for method, fields in (("CreateContainer", request), ("StartContainer", {1: "writes"})):
        reply = agent.call(AGENT, method, wire.message(fields))
        equal(reply.code, 0, f"{method}: {reply}")
    equal(agent.call(AGENT, "ReadStdout", wire.message({1: "writes", 3: 100})).code, 0, "it has begun")


def serves_while_the_file_server_hangs(case, launcher, agent):
    keeps_writing(agent, launcher)
    servers = [process.pid for process in case.node.leftover_processes() if "virtiofsd" in process.name]
    assert servers
    (launcher.share / "unseen").mkdir()
    for pid in servers:
        processes.kill(pid, signal.SIGSTOP)
    asked = [agent.send(AGENT, method, wire.message(fields)) for method, fields in below_the_share()]
    equal(agent.call(HEALTH, "Check", seconds=10).code, 0, "health while files are looked up")
    rootless = agent.send(AGENT, "CreateContainer", wire.message(container("rootless", root=f"{SHARED}/unseen")))
    equal(agent.call(HEALTH, "Check", seconds=10).code, 0, "health while a root is looked up")
    equal(agent.call(AGENT, "RemoveContainer", wire.message({1: "rootless"}), 10).code, 0)
    equal(agent.reply_to(rootless).code, CANCELLED)
    late = agent.call(AGENT, "RemoveContainer", wire.message({1: "writes", 2: 2}), 8)
    equal(late.code, DEADLINE_EXCEEDED, f"{late}")
    stuck = agent.send(AGENT, "CreateContainer", wire.message(container("stuck", [storage(f"{SHARED}/new/x")])))
    for _ in range(3):
        equal(agent.call(HEALTH, "Check", seconds=10).code, 0, "health while the file server hangs")
    removal = agent.send(AGENT, "RemoveContainer", wire.message({1: "stuck"}))
    equal(agent.call(HEALTH, "Check", seconds=10).code, 0)
    for pid in servers:
        processes.kill(pid, signal.SIGCONT)
    for (method, fields), number in zip(below_the_share(), asked):
        reply = agent.reply_to(number, 60)
        equal(reply.code, 0, f"{method} {fields}: {reply}")
    equal((launcher.share / "pieces" / "file").read_text(), "one two")
    equal(agent.reply_to(stuck, 60).code, CANCELLED)
    equal(agent.reply_to(removal, 60).code, 0)
