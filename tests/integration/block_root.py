# SPDX-License-Identifier: Apache-2.0
"""Root file systems on disks, as the blockfile, devmapper and erofs snapshotters hand them to Create: given to the VM as
virtio-blk disks, without virtiofs; what is written is on the disk, and clean, after Delete; snapshots keep owner and mode."""
import os
import subprocess

from harness import ociconfig, vmconfig, wire
from harness.case import contains, equal
from harness.sandbox import Sandbox
from harness.shim import Shim

RUNTIMES = ("coco",)
ROOT_LINE = "grep ' / ' /proc/mounts | cut -d ' ' -f 3,4"
UPPER = ["X-containerd.mkdir.path={{ mount 0 }}/upper:0755", "X-containerd.mkdir.path={{ mount 0 }}/work:0755",
         "workdir={{ mount 0 }}/work", "upperdir={{ mount 0 }}/upper"]
HUNDRED, TOO_MANY = 100, 128


def tool(*command):
    result = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            check=False, env=dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin"))
    assert result.returncode == 0, f"{command}: {result.stderr}"
    return result.stdout


def ext4(case, name="rw.img", root=None, size="48M"):
    """An image as root's snapshotter keeps it: nobody else may read it."""
    path = case.directory / name
    tool("mke2fs", "-q", "-t", "ext4", *(("-d", root) if root else ()), path, size)
    path.chmod(0o600)
    return path


def erofs(case, name, root):
    path = case.directory / name
    tool("mkfs.erofs", "--quiet", path, root)
    path.chmod(0o600)
    return path


def layer(case, name, **files):
    root = case.directory / name
    (root / "etc").mkdir(parents=True)
    for file, text in files.items():
        (root / "etc" / file).write_text(text)
    return erofs(case, f"{name}.erofs", root)


def mount(kind, source, *options):
    return {1: kind, 2: str(source), 4: list(options)}


def container(case, rootfs, script, config=None, change=None):
    """A shim with the container created in it, and the file that its output goes to."""
    spec = ociconfig.base("rootfs", "sh", "-c", script)
    if change:
        change(spec)
    shim = Shim(case, spec=spec)
    shim.start(env={"COCO_CONFIG": str(config)} if config else None)
    output = shim.bundle / "output"
    reply = shim.create(rootfs=rootfs, stdout=f"file://{output}", stderr=f"file://{output}")
    return shim, reply, output


def run(case, rootfs, script, **more):
    """What the script printed; the container is deleted, and so its VM."""
    shim, reply, output = container(case, rootfs, script, **more)
    equal(reply.code, 0, reply.message)
    virtiofsd = [p for p in case.node.leftover_processes() if "virtiofsd" in p.name]
    equal(shim.call("Start", {1: shim.id}).code, 0)
    status = wire.one(shim.call("Wait", {1: shim.id}).payload, 1, 0)
    equal(shim.call("Delete", {1: shim.id}).code, 0)
    shim.shutdown()
    lines = output.read_text().splitlines()
    equal(status, 0, str(lines))
    return lines, virtiofsd


def check_ext4(image, path, text):
    """Written, and clean: nobody has to replay a journal."""
    state = tool("dumpe2fs", "-h", image)
    contains(state, "clean")
    assert "needs_recovery" not in state, state
    equal(tool("debugfs", "-R", f"cat {path}", image), text)


def test_blockfile(case):
    """One ext4 image with option loop."""
    image = ext4(case, root=ociconfig.root_file_system(case.directory))
    before = image.stat()
    lines, virtiofsd = run(case, [mount("ext4", image, "loop", "rw")], f"echo kept > /made; {ROOT_LINE}; ls /sys/block")
    contains(lines[0], "ext4 rw")
    equal(lines[1:], ["vda"])
    equal(virtiofsd, [])
    check_ext4(image, "/made", "kept\n")
    equal((image.stat().st_uid, image.stat().st_mode), (before.st_uid, before.st_mode))


def test_blockfile_view(case):
    """Read-only: nothing can be written, and nothing is."""
    image = ext4(case, root=ociconfig.root_file_system(case.directory))
    before = image.read_bytes()
    lines, _ = run(case, [mount("ext4", image, "loop", "ro")], f"touch /made || echo refused; {ROOT_LINE}")
    contains(lines[-1], "ext4 ro")
    equal(lines[-2], "refused")
    assert image.read_bytes() == before, "a view was written to"


def test_devmapper(case):
    """A block device, of which only root's node exists; here it is a loop device, as any machine has."""
    image = ext4(case, root=ociconfig.root_file_system(case.directory))
    device = tool("losetup", "--find", "--show", image).strip()
    case.defer(tool, "losetup", "--detach", device)
    before = os.stat(device)
    lines, virtiofsd = run(case, [mount("ext4", device)], f"echo kept > /made; {ROOT_LINE}")
    contains(lines[0], "ext4 rw")
    equal(virtiofsd, [])
    check_ext4(device, "/made", "kept\n")
    after = os.stat(device)
    equal((after.st_uid, after.st_gid, after.st_mode), (before.st_uid, before.st_gid, before.st_mode))


def layered(case, root=None):
    """(mounts, ext4 to write to) as the erofs snapshotter of containerd 2.2 and later gives them with default_size."""
    base = erofs(case, "base.erofs", root or ociconfig.root_file_system(case.directory))
    below, above = layer(case, "below", both="below\n", low="low\n"), layer(case, "above", both="above\n")
    upper = ext4(case)
    return [mount("ext4", upper, "rw", "loop"), *(mount("erofs", path, "ro", "loop") for path in (above, below, base)),
            mount("format/mkdir/overlay", "overlay", *UPPER, "lowerdir={{ overlay 1 3 }}")], upper


def test_erofs_layers(case):
    """Erofs below, the top one first, and an ext4 for what is written; the guest makes the overlay."""
    mounts, upper = layered(case)
    lines, virtiofsd = run(case, mounts, f"cat /etc/both /etc/low; echo kept > /etc/made; {ROOT_LINE}; cd /; ls -d bin tmp")
    equal(lines[:2], ["above", "low"])
    contains(lines[2], "overlay rw")
    equal(lines[3:], ["bin", "tmp"])
    equal(virtiofsd, [])
    check_ext4(upper, "/upper/etc/made", "kept\n")


def test_hundred_layers(case):
    """More disks than a CPU has interrupts for."""
    layers = [layer(case, f"l{i}", **{f"f{i}": f"{i}\n"}) for i in range(HUNDRED)]
    lower = erofs(case, "base.erofs", ociconfig.root_file_system(case.directory))
    mounts = [mount("ext4", ext4(case), "rw", "loop"), *(mount("erofs", path, "ro", "loop") for path in (*layers, lower)),
              mount("format/mkdir/overlay", "overlay", *UPPER, f"lowerdir={{{{ overlay 1 {HUNDRED + 1} }}}}")]
    lines, _ = run(case, mounts, "ls /etc | grep -c '^f'; cat /etc/f0 /etc/f99; ls /sys/block | wc -l")
    equal(lines, [str(HUNDRED), "0", "99", str(HUNDRED + 2)])


def test_directory_of_the_host(case):
    """A bind mount beside a root on a disk: virtiofs is there for it, and for nothing else."""
    image = ext4(case, root=ociconfig.root_file_system(case.directory))
    shared = case.directory / "shared"
    shared.mkdir()
    lines, virtiofsd = run(
        case, [mount("ext4", image, "loop", "rw")], f"echo there > /shared/file; {ROOT_LINE}",
        change=lambda spec: spec["mounts"].append({"destination": "/shared", "type": "bind", "source": str(shared),
                                                   "options": ["rbind"]}))
    contains(lines[0], "ext4 rw")
    assert virtiofsd, "no virtiofsd"
    equal((shared / "file").read_text(), "there\n")


def test_overlay_written_to_the_host(case):
    """The erofs snapshotter without default_size: layers are mounted here, since what is written belongs into a directory of
    the host."""
    mounts, _ = layered(case)
    for name in ("fs", "work"):
        (case.directory / name).mkdir()
    mounts = [*mounts[1:-1], mount("format/mkdir/overlay", "overlay", f"workdir={case.directory}/work",
                                   f"upperdir={case.directory}/fs", "lowerdir={{ overlay 0 2 }}")]
    lines, virtiofsd = run(case, mounts, f"cat /etc/both /etc/low; echo kept > /etc/made; {ROOT_LINE}")
    equal(lines[:2], ["above", "low"])
    contains(lines[2], "virtiofs")
    assert virtiofsd, "no virtiofsd"
    equal((case.directory / "fs" / "etc" / "made").read_text(), "kept\n")


class PodOnDisks:
    """Its pause container is on an ext4 image, of which each test gets a copy."""

    def __init__(self, case):
        self.id = case.node.new_id()
        self.image = ext4(case, "pause.img", root=ociconfig.root_file_system(case.directory))
        pause = self.member(case, [mount("ext4", self.image, "loop", "rw")], "exec sleep 1000", "sandbox")
        equal(pause.reply.code, 0, pause.reply.message)
        equal(pause.call("Start", {1: self.id}).code, 0)
        case.defer(self.end, pause)

    def copy(self, case, name="copy.img"):
        path = case.directory / name
        path.write_bytes(self.image.read_bytes())
        path.chmod(0o600)
        return path

    def member(self, case, rootfs, script, kind="container"):
        spec = ociconfig.base("rootfs", "sh", "-c", script)
        spec["annotations"] = {"io.kubernetes.cri.container-type": kind, "io.kubernetes.cri.sandbox-id": self.id}
        shim = Shim(case, identifier=self.id if kind == "sandbox" else None, spec=spec)
        shim.start()
        shim.output = shim.bundle / "output"
        shim.reply = shim.create(rootfs=rootfs, stdout=f"file://{shim.output}", stderr=f"file://{shim.output}")
        return shim

    def run(self, *arguments):
        """What a container has said at its end."""
        shim = self.member(*arguments)
        equal(shim.reply.code, 0, shim.reply.message)
        equal(shim.call("Start", {1: shim.id}).code, 0)
        equal(wire.one(shim.call("Wait", {1: shim.id}).payload, 1), 0, shim.output.read_text())
        equal(shim.call("Delete", {1: shim.id}).code, 0)
        return shim.output.read_text().splitlines()

    def end(self, pause):
        for method, more in (("Kill", {3: 9}), ("Wait", {}), ("Delete", {})):
            equal(pause.call(method, {1: pause.id} | more).code, 0, method)
        pause.shutdown()


def test_disks_of_a_pod(case):
    """The further containers' too: attached while the VM runs, free when the container is deleted, and used again."""
    mounts, upper = layered(case)
    image = case.vm.copy(case)
    look = f"{ROOT_LINE}; echo kept > /made; grep -c . /etc/low 2>/dev/null || true"
    for number in range(2):
        device = tool("losetup", "--find", "--show", image).strip() if number else str(image)
        if number:
            case.defer(tool, "losetup", "--detach", device)
        lines = case.vm.run(case, [mount("ext4", device, *(() if number else ("loop",)))], look)
        contains(lines[0], "ext4 rw")
        check_ext4(device, "/made", "kept\n")
    lines = case.vm.run(case, mounts, look)
    contains(lines[0], "overlay rw")
    equal(lines[1:], ["1"])
    check_ext4(upper, "/upper/made", "kept\n")


def test_disks_of_a_pod_that_fail(case):
    """A disk that is in use, and one that is no file system: the container is refused, and its disk is free again."""
    refused = case.vm.member(case, [mount("ext4", case.vm.image, "loop", "rw")], "true")
    contains(refused.reply.message, "root file system of container", "lock")
    garbage = case.directory / "garbage.img"
    garbage.write_bytes(os.urandom(1 << 20))
    for _ in range(2):
        refused = case.vm.member(case, [mount("ext4", garbage, "loop", "rw")], "true")
        contains(refused.reply.message, "create container", "mount ext4", "Invalid argument")
    contains(case.vm.run(case, [mount("ext4", case.vm.copy(case), "loop", "rw")], ROOT_LINE)[0], "ext4 rw")


for function in (test_disks_of_a_pod, test_disks_of_a_pod_that_fail):
    function.shared_vm = PodOnDisks


def test_end_of_a_sandbox(case):
    """Shut down while the disk of a container is mounted: what was written is on it all the same."""
    sandbox = Sandbox(case).run()
    image = ext4(case, root=sandbox.root)
    equal(sandbox.member("echo kept > /made; exit 5", rootfs=[mount("ext4", image, "loop", "rw")]).start().wait(), 5)
    sandbox.good("ShutdownSandbox")
    sandbox.wait_gone()
    sandbox.delete(check=True)
    equal(tool("debugfs", "-R", "cat /made", image), "kept\n")


def test_image_in_use(case):
    """Two VMs that write to one image would destroy it: the second one does not start."""
    image = ext4(case, root=ociconfig.root_file_system(case.directory))
    first, reply, _ = container(case, [mount("ext4", image, "loop", "rw")], "true")
    equal(reply.code, 0, reply.message)
    second, reply, _ = container(case, [mount("ext4", image, "loop", "rw")], "true")
    assert reply.code != 0, "two VMs have the image"
    contains(reply.message, "start VM of pod", "lock")
    for shim in (first, second):
        shim.shutdown()


def refused(case, rootfs, *words, config=None):
    shim, reply, _ = container(case, rootfs, "true", config)
    assert reply.code != 0, reply
    contains(reply.message, *words)
    shim.shutdown()
    shim.delete(check=True)


def test_refusals(case):
    """What is no disk, or too many of them, is named; nothing is left."""
    verify = case.clean()
    os.mkfifo(case.directory / "fifo")
    (case.directory / "empty").touch()
    os.symlink(case.directory, case.directory / "link")
    small = ext4(case, "small.img", size="2M")
    overlay = mount("format/mkdir/overlay", "overlay", *UPPER, "lowerdir={{ overlay 1 9 }}")
    refused(case, [mount("ext4", case.directory / "missing.img", "loop")], "missing.img", "No such file")
    refused(case, [mount("ext4", case.directory, "loop")], str(case.directory), "neither a file nor a block device")
    refused(case, [mount("ext4", case.directory / "link", "loop")], "link", "neither a file nor a block device")
    refused(case, [mount("erofs", case.directory / "fifo", "loop")], "fifo", "neither a file nor a block device")
    refused(case, [mount("ext4", case.directory / "empty", "loop")], "empty", "the file is empty")
    refused(case, [mount("mkfs/ext4", small, "loop")], "small.img", "not made")
    refused(case, [mount("ext4", small, "loop"), mount("erofs", small, "loop"), overlay], "overlay 1 9", "no such mount")
    refused(case, [mount("ext4", small, "loop"), *[mount("erofs", small, "loop")] * TOO_MANY, overlay], "128 layers", "127")
    verify()


def test_wrong_file_system(case):
    """The guest says which disk it could not mount, and as what."""
    refused(case, [mount("erofs", ext4(case, size="2M"), "ro", "loop")], "create container", "mount erofs", "Invalid argument")


def test_disks_only(case):
    """[guest] rootfs = block: no directory of the host gets into the VM."""
    config = vmconfig.write(case.directory / "coco.conf", guest={"rootfs": "block"})
    root = ociconfig.root_file_system(case.directory)
    refused(case, [mount("bind", root, "rbind")], "rootfs = block", "no directory of the host", config=config)
    lines, virtiofsd = run(case, [mount("ext4", ext4(case, root=root), "loop", "rw")], "echo ran", config=config)
    equal((lines, virtiofsd), (["ran"], []))


def test_the_host_is_full(case):
    """What does not fit is an error of the one who writes, and not the end of everything: QEMU would stop the VM."""
    small = case.directory / "small"
    small.mkdir()
    tool("mount", "-t", "tmpfs", "-o", "size=14m", "tmpfs", small)
    case.defer(lambda: subprocess.run(["umount", "-l", small], check=False))
    image = ext4(case, name="small/rw.img", root=ociconfig.root_file_system(case.directory))
    fill = "dd if=/dev/zero of=/f bs=1M count=30 conv=fsync 2>/dev/null && echo it fits; echo alive"
    shim, reply, output = container(case, [mount("ext4", image, "rw")], fill)
    equal(reply.code, 0, reply.message)
    equal(shim.call("Start", {1: shim.id}).code, 0)
    equal(shim.call("Wait", {1: shim.id}, seconds=90).code, 0)
    equal(output.read_text(), "alive\n")
    shim.call("Delete", {1: shim.id})
    shim.shutdown()
