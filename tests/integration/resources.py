# SPDX-License-Identifier: Apache-2.0
"""Resources of a running task: Update takes effect where the process lives, statistics are complete and add up, and running
out of memory is told."""
import json
import shutil

from harness import events, ociconfig, paths, wire
from harness.case import contains, equal
from harness.shim import Shim

SHARED_VM = "tasks"
KIND = "types.containerd.io/opencontainers/runtime-spec/1/"
MEBI = 1 << 20
# The guest has cgroup2. runc's containers have what the machine has: v1, v2, or v1 controllers beside an empty v2.
FILES = {"memory": ("memory.max", "memory/memory.limit_in_bytes"), "pids": ("pids.max", "pids/pids.max"),
         "times": ("cpu.stat", "cpuacct/cpuacct.stat"), "quota": ("cpu.max", "cpu/cpu.cfs_quota_us"), "weight": ("cpu.weight", "cpu/cpu.shares")}


class Task:
    """A running task that can see its cgroup, driven without containerd."""

    def __init__(self, case, *command, resources=None, capabilities=()):
        root = ociconfig.root_file_system(case.directory)
        spec = ociconfig.base(root, *(command or ("sleep", "1000")))
        spec["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                               "options": ["ro", "nosuid", "noexec", "nodev", "relatime"]})
        spec["linux"]["resources"] |= resources or {}
        spec["linux"]["cgroupsPath"] = f"/{case.node.base.name}"
        for names in spec["process"]["capabilities"].values():
            names += capabilities
        self.root, self.shim, self.number = root, Shim(case, spec=spec), 0
        self.shim.start()
        reply = self.shim.create()
        equal(reply.code, 0, reply.message)
        equal(self.shim.call("Start", {1: self.shim.id}).code, 0)

    def read(self, name):
        """What the process itself finds in the file of that setting."""
        self.number += 1
        output = f"/tmp/out{self.number}"
        script = f"cd /sys/fs/cgroup; exec > {output}; " + " || ".join(f"cat {path} 2>/dev/null" for path in FILES[name])
        spec = json.dumps({"args": ["sh", "-c", script], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}})
        target = {1: self.shim.id, 2: f"e{self.number}"}
        for method, more in (("Exec", {7: {1: KIND + "Process", 2: spec}}), ("Start", {}),
                             ("Wait", {}), ("Delete", {})):
            reply = self.shim.call(method, target | more)
            equal(reply.code, 0, f"{method}: {reply.message}")
        return (self.root / output[1:]).read_text().strip()

    def times(self):
        """User and system time in nanoseconds, as the process finds them."""
        values = dict(line.split() for line in self.read("times").splitlines())
        if "user_usec" in values:
            return int(values["user_usec"]) * 1000, int(values["system_usec"]) * 1000
        return int(values["user"]) * 10_000_000, int(values["system"]) * 10_000_000

    def update(self, resources):
        reply = self.shim.call("Update", {1: self.shim.id, 2: {1: KIND + "LinuxResources", 2: json.dumps(resources)}})
        equal(reply.code, 0, reply.message)

    def stats(self):
        reply = self.shim.call("Stats", {1: self.shim.id})
        equal(reply.code, 0, reply.message)
        any_ = wire.one(reply.payload, 1, b"")
        kind = wire.one(any_, 1, b"").decode()
        assert kind in ("io.containerd.cgroups.v1.Metrics", "io.containerd.cgroups.v2.Metrics"), kind
        return kind.split(".")[3], wire.fields(wire.one(any_, 2, b""))

    def end(self):
        for method, more in (("Kill", {3: 9, 4: True}), ("Wait", {}), ("Delete", {})):
            equal(self.shim.call(method, {1: self.shim.id} | more).code, 0, method)
        equal(self.shim.shutdown().code, 0)


def test_update(case):
    """Memory, pids and CPU, as the kubelet sends them, devices included (which it means for the host)."""
    task = Task(case, resources={"memory": {"limit": 64 * MEBI}, "pids": {"limit": 50}})
    equal((task.read("memory"), task.read("pids")), (str(64 * MEBI), "50"))
    task.update({"devices": [{"allow": False, "access": "rwm"}], "memory": {"limit": 96 * MEBI, "swap": 96 * MEBI},
                 "pids": {"limit": 77}, "cpu": {"shares": 512, "quota": 50000, "period": 100000}})
    equal((task.read("memory"), task.read("pids")), (str(96 * MEBI), "77"))
    assert task.read("quota") in ("50000 100000", "50000"), task.read("quota")
    # 512 shares are half the default; cgroup2 has them on a scale of its own.
    assert task.read("weight") in ("512", "20", "50", "59"), task.read("weight")
    task.end()


def numbers(message):
    return {number: values[-1] for number, values in wire.fields(message).items()}


def test_statistics(case):
    """Times lie between those that the task itself reads before and after, user and system not confused; memory is below
    its limit, and pids are counted."""
    task = Task(case, "sh", "-c", "(while :; do :; done) & sleep 1000",
                resources={"memory": {"limit": 64 * MEBI, "swap": 64 * MEBI}, "pids": {"limit": 50}})
    before = task.times()
    version, metrics = task.stats()
    after = task.times()
    if version == "v1":
        pids, memory = numbers(metrics[2][0]), wire.fields(metrics[4][0])
        usage = wire.fields(wire.fields(metrics[3][0])[1][0])
        total, system, user = usage[1][0], usage.get(2, [0])[0], usage.get(3, [0])[0]
        used, limit = wire.one(memory[33][0], 2), wire.one(memory[33][0], 1)
    else:
        pids, memory, cpu = numbers(metrics[1][0]), wire.fields(metrics[4][0]), wire.fields(metrics[2][0])
        total, user, system = (1000 * cpu.get(number, [0])[0] for number in (1, 2, 3))
        used, limit = memory[32][0], memory[33][0]
    if version == "v1":  # usage: field order of MemoryEntry is limit, usage, max, failcnt
        assert limit == 64 * MEBI, (limit, used)
    assert 0 < used <= 64 * MEBI, used
    assert pids[1] >= 2 and pids[2] == 50, pids
    for first, middle, last in zip(before, (user, system), after):
        assert first <= middle <= last, (before, (user, system), after)
    assert total > 0, total
    task.end()


def test_one_entry_for_each_device(case):
    """Block I/O: no device is listed twice for one kind of number."""
    task = Task(case)
    version, metrics = task.stats()
    if version == "v2":
        entries = [numbers(entry) for entry in wire.fields(metrics.get(6, [b""])[0]).get(1, [])]
        devices = [(entry.get(1, 0), entry.get(2, 0)) for entry in entries]
        equal(len(devices), len(set(devices)), f"{devices}")
    else:
        for number, entries in wire.fields(metrics.get(5, [b""])[0]).items():
            keys = [(wire.one(entry, 1, b""), wire.one(entry, 3), wire.one(entry, 4)) for entry in entries]
            equal(len(keys), len(set(keys)), f"field {number}: {keys}")
    task.end()


def test_out_of_memory(case):
    """/tasks/oom comes, before or with the exit, once at least; and the exit is 137."""
    watch = case.events()
    container = case.container("sh", "-c", "head -c 200000000 /dev/zero | tail -c 199000000 > /dev/null; sleep 1000",
                               flags=("--memory-limit", str(32 * MEBI)))
    line = watch.wait("/tasks/oom", container.id, 60)
    assert json.loads(line[line.index("{"):])["container_id"] == container.id, line
    equal(container.status(), "RUNNING")  # the shell lives on


def test_first_process_runs_out_of_memory(case):
    """The end that a kubelet calls OOMKilled: exit status 137, /tasks/oom and the count of kills in the statistics."""
    watch = case.events()
    container = case.container("tail", "/dev/zero", flags=("--memory-limit", str(32 * MEBI)))
    contains(watch.wait("/tasks/exit", container.id, 60).replace(" ", ""), '"exit_status":137')
    if case.runtime == "coco":  # with runc's shim two threads tell, in any order, and one may end before it does
        watch.wait("/tasks/oom", container.id, 60)
        topics = [topic for topic, line in watch.seen if container.id in line]
        assert topics.index("/tasks/oom") < topics.index("/tasks/exit"), topics
    metrics = container.metrics()
    counts = metrics.get("memory_events") or metrics["memory_oom_control"]
    assert counts.get("oom_kill", 0) >= 1, metrics


def with_memory_hog(case, limit, *command):
    """The config of a container whose root has the program that reads itself, on a shared directory."""
    root = ociconfig.root_file_system(case.directory)
    shutil.copy(paths.MEMORY_HOG, root / "bin")
    spec = ociconfig.base(root, *command)
    if limit:
        spec["linux"]["resources"]["memory"] = {"limit": limit}
    return ociconfig.write(case.directory / "config.json", spec)


def test_no_memory_but_its_own_program(case):
    """A container in which only the pages of its programs can be dropped, and are needed at once again, is out of memory. In
    a VM such pages are its own, and a kernel that always finds one to drop kills nobody."""
    watch = case.events()
    grows, stays = "memory-hog; status=$?; echo ended with $status", "exec memory-hog 127 1000"
    # On the machine the pages of a program are whose who read them first: there the second has enough.
    script = f"{grows}; {stays if case.runtime == 'coco' else 'exit $status'}"
    container = case.container(config=with_memory_hog(case, 128 * MEBI, "sh", "-c", script), log=case.directory / "log")
    contains(watch.wait("/tasks/exit", container.id, 60).replace(" ", ""), '"exit_status":137')
    contains((case.directory / "log").read_text(), "ended with 137")
    watch.wait("/tasks/oom", container.id, 60)
    metrics = container.metrics()
    counts = metrics.get("memory_events") or metrics["memory_oom_control"]
    if case.runtime == "coco":
        topics = [topic for topic, line in watch.seen if container.id in line and topic in ("/tasks/oom", "/tasks/exit")]
        equal(topics[-1], "/tasks/exit", f"{topics}")
        equal((topics.count("/tasks/oom"), counts["oom_kill"]), (2, 2))
    assert counts.get("oom_kill", 0) >= 1, metrics


def oom_kills(container):
    metrics = container.metrics()
    return (metrics.get("memory_events") or metrics["memory_oom_control"]).get("oom_kill", 0)


def test_several_that_only_read_their_programs(case):
    """The same with more processes than processors: killing one is enough. (With 41 MiB each, half of the program fits, and they
    go on, slowly.)"""
    watch = case.events()
    script = "for i in 1 2 3; do memory-hog 42 1000 & done; wait"
    container = case.container(config=with_memory_hog(case, 128 * MEBI, "sh", "-c", script), log=case.directory / "log")
    watch.wait("/tasks/oom", container.id, 30)
    equal(container.status(), "RUNNING")
    equal(oom_kills(container), 1)


def test_no_memory_in_the_pod(case):
    """Containers without limits of their own are out of memory when the pod is, and the guest lives on."""
    watch = case.events()
    script = "memory-hog; echo ended with $?; sleep 1000"
    container = case.container(config=with_memory_hog(case, 0, "sh", "-c", script), log=case.directory / "log")
    watch.wait("/tasks/oom", container.id, 180)  # most of it is the way to the limit
    assert events.wait_for_text(case.directory / "log", "ended with 137", 20)
    equal(container.status(), "RUNNING")
    assert oom_kills(container) >= 1


test_several_that_only_read_their_programs.runtimes = ("coco",)
test_no_memory_in_the_pod.runtimes = ("coco",)


def test_files_at_the_limit(case):
    """Writing and reading more files than memory holds, and a program of which not all fits, are slow, and no reason to kill."""
    script = ("dd if=/dev/zero of=/tmp/file bs=1M count=80 && for i in 1 2 3; do cat /tmp/file > /dev/null; done && "
              "rm /tmp/file && memory-hog 56 6 && echo all done")
    watch = case.events()
    container = case.container(config=with_memory_hog(case, 64 * MEBI, "sh", "-c", script), log=case.directory / "log")
    watch.wait("/tasks/exit", container.id, 120)
    contains((case.directory / "log").read_text(), "all done")
    assert "/tasks/oom" not in [topic for topic, line in watch.seen if container.id in line], watch.seen


def test_network_without_interfaces(case):
    """A container without a network of its own has no traffic to tell of: the loopback is not counted."""
    container = case.container()
    assert not container.metrics().get("network"), container.metrics()


NETWORK = {"v1": 7, "v2": 9}
COLUMNS = (0, 1, 2, 3, 8, 9, 10, 11)  # of /proc/net/dev: bytes, packets, errors, dropped; received, sent


def test_network(case):
    """The numbers of each interface of the pod are those that its kernel shows. The only interface that the guest has, its
    loopback, becomes one like others when it has another name."""
    script = ("ip link set lo down && ip link set lo name wan0 && ip link set wan0 up && "
              "ping -c 3 -s 1000 127.0.0.1 > /tmp/ping && cat /proc/net/dev > /tmp/dev; sleep 1000")
    task = Task(case, "sh", "-c", script, capabilities=["CAP_NET_ADMIN", "CAP_NET_RAW"])
    assert events.wait_for_text(task.root / "tmp" / "dev", "wan0:", 60), (task.root / "tmp" / "ping").read_text()
    line = next(line for line in (task.root / "tmp" / "dev").read_text().splitlines() if "wan0:" in line)
    columns = [int(word) for word in line.split(":")[1].split()]
    version, metrics = task.stats()
    (entry,) = metrics[NETWORK[version]]
    entry = wire.fields(entry)
    equal(entry[1], [b"wan0"])
    equal([entry.get(number, [0])[0] for number in range(2, 10)], [columns[column] for column in COLUMNS])
    assert columns[0] > 3000, line
    task.end()


test_network.runtimes = ("coco",)  # runc's shim tells nothing of the network


OWN_VM = (test_statistics, test_network)
