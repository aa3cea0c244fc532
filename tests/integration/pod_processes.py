# SPDX-License-Identifier: Apache-2.0
"""The processes of a pod on the host: in the pod's cgroup, where its limits hold for them and where `delete` finds them; with the
OOM score of the pod's containers; each QEMU with a user and a root directory of its own."""
import os
import pathlib
import re
import shutil

from harness import cri, ociconfig, processes, vmconfig
from harness.case import equal
from harness.container import kill_shim

RUNTIMES = ("coco",)
CAP_SYS_RESOURCE = 24
HIERARCHIES = pathlib.Path("/sys/fs/cgroup")


def cgroups(pid):
    """The paths of a process, without the root and what it shares with this one."""
    def paths(of):
        return {line.split(":", 2)[2] for line in pathlib.Path(f"/proc/{of}/cgroup").read_text().splitlines()}
    return paths(pid) - paths("self") - {"/"}


def directories(path):
    return [str(d) for d in [HIERARCHIES, *HIERARCHIES.iterdir()] if (d / path.lstrip("/")).is_dir()]


def score(pid):
    return int(pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text())


def identities(pid):
    """The user, and all groups."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    uids, gids, groups = (re.search(rf"^{name}:(.*)", status, re.MULTILINE)[1].split() for name in ("Uid", "Gid", "Groups"))
    assert len(set(uids)) == 1, uids
    return int(uids[0]), tuple(sorted({int(gid) for gid in gids + groups}))


def check_root(pid, own):
    """What a guest that broke out of its QEMU would find: programs, its devices, its own files."""
    root = pathlib.Path(f"/proc/{pid}/root")
    found = {entry.name for entry in root.iterdir()}
    libraries = {path.name for path in pathlib.Path("/").glob("lib*")}
    equal(found - libraries - {"etc"}, {"usr", "dev", "proc", own.parts[1]})
    assert "etc" not in found or os.listdir(root / "etc") == ["resolv.conf"], os.listdir(root / "etc")
    assert (root / own.relative_to("/") / "vm" / "log").is_dir()
    equal([entry.name for entry in (root / own.parent.relative_to("/")).iterdir()], [own.name], "run directories")
    equal([entry.name for entry in (root / own.relative_to("/")).iterdir()], ["vm"], "files of the shim")
    assert not (root / "proc" / "sys").exists()
    mounts = {line.split()[1]: line.split()[3].split(",") for line in pathlib.Path(f"/proc/{pid}/mounts").read_text().splitlines()}
    assert {"hidepid=invisible", "hidepid=2"} & set(mounts["/proc"]), mounts
    assert "ro" in mounts["/"] and "ro" in mounts["/usr"], mounts


def can_lower_scores():
    line = re.search(r"CapEff:\s*(\w+)", pathlib.Path("/proc/self/status").read_text())
    return bool(int(line[1], 16) >> CAP_SYS_RESOURCE & 1)


def vm_processes(directory):
    """All but the shim."""
    found = {p.name: p.pid for p in processes.mentioning(str(directory)) if not p.name.startswith("containerd-shim")}
    for name in ("qemu-system", "virtiofsd", "coco-vmm-consol"):
        assert any(n.startswith(name) for n in found), found
    return found


def with_score(case, number):
    """A container whose spec has an OOM score; ctr's own specs have none."""
    spec = ociconfig.base(ociconfig.root_file_system(case.directory), "sleep", "1000")
    identifier = case.node.new_id()
    spec["process"]["oomScoreAdj"] = number
    spec["linux"]["cgroupsPath"] = f"/default/{identifier}"
    config = ociconfig.write(case.directory / "config.json", spec)
    return case.container(identifier=identifier, config=config)


def test_two_containers(case):
    """ctr's: each in the cgroup of its spec, and gone with it."""
    verify = case.clean()
    wanted = {case.container().id: 0, with_score(case, 500).id: 500}
    users = set()
    for identifier, number in wanted.items():
        for name, pid in vm_processes(case.node.pod_dir(identifier)).items():
            equal(cgroups(pid), {f"/default/{identifier}"}, name)
            equal(score(pid), number, name)
        equal(cgroups(case.node.shim_pid(identifier)), set(), "the shim's, which is containerd's")
        users.add(identities(case.node.qemu_pid(identifier)))
        check_root(case.node.qemu_pid(identifier), case.node.pod_dir(identifier))
    assert len(users) == len(wanted) and all(a >= 1000 and b == (a,) for a, b in users), users
    for identifier in wanted:
        case.node.ctr("task", "rm", "-f", identifier)
        case.node.ctr("container", "rm", identifier)
        equal(directories(f"/default/{identifier}"), [])
    claims = {path.readlink() for path in pathlib.Path("/run/coco/uids").iterdir()}
    equal(claims & {case.node.pod_dir(identifier) for identifier in wanted}, set(), "users that were not given back")
    verify()


def test_any_name(case):
    """A shim that is killed leaves QEMU to `delete`, whatever QEMU is called: here as Red Hat calls it."""
    emulator = case.directory / "bin" / "qemu-kvm"
    emulator.parent.mkdir(mode=0o755)
    shutil.copy("/usr/bin/qemu-system-x86_64", emulator)
    for name in ("lib", "share"):  # where it looks for its modules and files
        (case.directory / name).symlink_to(f"/usr/{name}")
    config = vmconfig.write(case.directory / "kvm.conf", host={"qemu": str(emulator)})
    node = case.private_node(config=config)
    verify = case.clean(node)
    container = case.container_on(node)
    path = f"/default/{container.id}"
    found = [p for p in processes.table().values() if p.state not in "ZX" and cgroups_or_none(p.pid) == {path}]
    equal(sum(p.name == "qemu-kvm" for p in found), 1, f"{[str(p) for p in found]}")
    events = case.events(node)
    kill_shim(node, container.id)
    events.wait("/tasks/delete", container.id, seconds=30)
    events.close()
    processes.wait_gone([p.pid for p in found], 10)
    container.remove()
    equal(directories(path), [])
    verify()


def cgroups_or_none(pid):
    try:
        return cgroups(pid)
    except OSError:
        return None


def test_pod(case):
    """CRI's: below the pod's cgroup, which the kubelet has made and set limits on."""
    kubelet = cri.Kubelet(case)
    verify = case.clean(kubelet.node)
    parent = f"/{kubelet.node.id_prefix}-pod"
    pod = cri.Pod(kubelet, cgroup_parent=parent)
    found = vm_processes(next(kubelet.node.run_dir.iterdir()))
    for name, pid in found.items():
        equal(cgroups(pid), {f"{parent}/coco_{pod.id}"}, name)
        # The pause container's, as long as there is no other.
        equal(score(pid), -998 if can_lower_scores() else score("self"), name)
    for wanted, lowest in ((700, 700), (500, 500), (900, 500)):
        container = pod.container(f"asks-{wanted}", "exec sleep 1000", resources={5: wanted})
        equal({name: score(pid) for name, pid in found.items()}, dict.fromkeys(found, lowest), f"with one of {wanted}")
    container.call("StopContainer", f2=0)
    pod.remove()
    equal(directories(f"{parent}/coco_{pod.id}"), [])
    for directory in directories(parent):
        os.rmdir(directory + parent)
    verify()


def test_pod_in_slice(case):
    """CRI's under the systemd driver: the kubelet names a slice, containerd a unit in it, and neither needs systemd here. The pod's
    processes are below the slice that counts them."""
    kubelet = cri.Kubelet(case)
    verify = case.clean(kubelet.node)
    top = kubelet.node.id_prefix.replace("-", "") + "pods"
    parent = f"/{top}.slice/{top}-besteffort.slice/{top}-besteffort-pod1_2.slice"
    pod = cri.Pod(kubelet, cgroup_parent=parent)
    for name, pid in vm_processes(next(kubelet.node.run_dir.iterdir())).items():
        equal(cgroups(pid), {f"{parent}/coco_{pod.id}"}, name)
    pod.remove()
    equal(directories(f"{parent}/coco_{pod.id}"), [])
    for path in (parent, os.path.dirname(parent), os.path.dirname(os.path.dirname(parent))):
        for directory in directories(path):
            os.rmdir(directory + path)
    verify()
