# SPDX-License-Identifier: Apache-2.0
"""Several containers at once: each in its own VM, with nothing shared."""
import pathlib
import re

from harness import processes
from harness.case import equal


def start_at_once(case, count, script):
    identifiers = [case.node.new_id() for _ in range(count)]
    started = [case.node.popen(*case.node.run_arguments(i, "sh", "-c", script.format(id=i), flags=("--rm",)))
               for i in identifiers]
    return identifiers, started


def test_three_at_once(case):
    verify = case.clean()
    identifiers, started = start_at_once(case, 3, "echo {id}; cat /proc/sys/kernel/random/boot_id; exit 5")
    results = [case.node.finish(popen, 120) for popen in started]
    equal([r.returncode for r in results], [5, 5, 5])
    lines = [r.stdout.decode().split() for r in results]
    equal([line[0] for line in lines], identifiers)
    if case.runtime == "coco":
        equal(len({line[1] for line in lines}), 3, "kernels: every container has its own")
    verify()


def test_nothing_is_shared(case):
    """Two pods: no common socket, directory, file or CID on the command lines of their processes."""
    containers = [case.container() for _ in range(2)]
    texts = []
    for container in containers:
        pod = case.node.pod_dir(container.id)
        assert pod.is_dir(), pod
        found = processes.mentioning(str(pod))
        names = sorted(p.name for p in found)
        assert any(n.startswith("qemu") for n in names) and any("virtiofs" in n for n in names), names
        texts.append({word for p in found for word in re.findall(rf"{case.node.run_dir}[^ ,\"]*|guest-cid[=\": ]+\d+",
                                                                 p.command)})
    common = texts[0] & texts[1] - {str(case.node.run_dir)}
    equal(common, set())
    sockets = [set(case.node.pod_dir(c.id).rglob("*.sock")) for c in containers]
    assert sockets[0] and sockets[1] and not sockets[0] & sockets[1]
    pids = [case.node.qemu_pid(c.id) for c in containers]
    equal(len(set(pids)), 2)
    open_files = [{str(p.readlink()) for p in pathlib.Path(f"/proc/{pid}/fd").iterdir()} for pid in pids]
    own = [{f for f in files if f.startswith(str(case.node.run_dir))} for files in open_files]
    equal(own[0] & own[1], set())


test_nothing_is_shared.runtimes = ("coco",)


def test_same_name_after_delete(case):
    identifier = case.node.new_id()
    for number in range(2):
        equal(case.run("echo", str(number), identifier=identifier).stdout, f"{number}\n".encode())


def test_one_ends_the_other_stays(case):
    stays = case.container()
    goes = case.container()
    goes.remove()
    equal(stays.out("echo", "here"), "here")
    equal(stays.status(), "RUNNING")
