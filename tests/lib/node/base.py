# SPDX-License-Identifier: Apache-2.0
"""The node's base disk, kernel and initrd: a distribution, as its packages make it, with nothing of this project.

Made by tests/node/make-base in a mount and process namespace of its own, so that nothing of it is ever mounted outside and all of
it ends when it is interrupted. It is kept until what it is made from changes: suite, packages, and the programs here.
A newer release on the mirror is taken with --refresh, never by surprise and never without a network."""
import fcntl
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[3]
MAKE_BASE, COMPILE = (TOP / "tests" / "node" / name for name in ("make-base", "compile"))
IMAGE_BUILDER = TOP / "guest" / "image" / "build"

# The node runs what a user would install to run containers, the test harness, and the cloud kernel, which has KVM, vhost and
# ext4; nothing of it needs firmware files. A library that the programs are newly linked with has to be added here: `dpkg -i` in the
# node names it.
PACKAGES = ("containerd runc crun containernetworking-plugins libvirt-daemon-driver-qemu qemu-system-x86 libglib2.0-0 "
            "libjson-c5 libprotobuf-c1 libnl-3-200 libnl-route-3-200 libvirt0 busybox-static python3 kmod mount iproute2 zlib1g libssl3 libcurl4 e2fsprogs "
            "erofs-utils nftables iptables").split()
SUITES = {
    "trixie": [*PACKAGES, "libxml2", "virtiofsd"],      # containerd 1.7, libvirt 11, QEMU 10
    "forky": [*PACKAGES, "libxml2-16", "virtiofsd"],    # containerd 2.1, libvirt 12, QEMU 11
    "bookworm": [*PACKAGES, "libxml2"],                 # containerd 1.6, libvirt 9, QEMU 7.2
}
# A node runs on its own distribution's QEMU. Debian 12's cannot do it on two processors: before 8.1 TCG may translate half-patched
# code of the kernel (seen: int3 oops in __schedule after minutes).
EMULATOR_OF = {"bookworm": "trixie"}
KERNEL = "linux-image-cloud-amd64"
# What the programs of Debian 12 ask for and the suite does not have: coco-runtime is compiled in these.
OWN_BUILD = {"forky": "libxml2.so.2"}
DISK_GIB = 8  # sparse
LAYOUT = 1  # raised when this file makes something else of the same packages
BOOT_MODULES = ("virtio_pci", "virtio_blk", "ext4")

INIT = """#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
/bin/busybox mkdir -p /proc /sys /dev /node
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do /bin/busybox insmod "$module"; done </modules.list
/bin/busybox mount -t ext4 -o noatime /dev/vda /node || exec /bin/busybox poweroff -f
/bin/busybox mkdir -p /node/project
/bin/busybox mount -t ext4 -o ro,noatime /dev/vdb /node/project || exec /bin/busybox poweroff -f
/bin/busybox mount --move /dev /node/dev
exec /bin/busybox switch_root /node /project/tests/node/init
"""


class NodeError(Exception):
    """One line for the user: step, object, cause."""


def mirror():
    """The machine's own mirror of Debian, as apt has it."""
    text = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    for line in text.splitlines():
        uri, release, component = line.split(" ")
        if component == "main" and re.fullmatch("bookworm|trixie|forky|stable|testing|sid|unstable", release):
            return uri.rstrip("/")
    raise NodeError("find Debian's mirror: this machine's apt sources have no Debian release (apt-get indextargets)")


def image_builder():
    """guest/image/build as a module, for its initrd writer and its module collector."""
    loader = importlib.machinery.SourceFileLoader("guest_image_build", str(IMAGE_BUILDER))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def make_initrd(tree):
    """Busybox and the few modules that the disks need."""
    builder = image_builder()
    folder = next((tree / "usr" / "lib" / "modules").iterdir())
    modules, _ = builder.collect_modules(str(folder), BOOT_MODULES)
    entries = {name: (stat.S_IFREG | 0o644, data) for name, data in modules}
    entries["modules.list"] = (stat.S_IFREG | 0o644, "".join(f"/{name}\n" for name, _ in modules).encode())
    busybox = next(p for p in (tree / "usr" / "bin" / "busybox", tree / "bin" / "busybox") if p.exists())
    entries["bin/busybox"] = (stat.S_IFREG | 0o755, busybox.read_bytes())
    entries["init"] = (stat.S_IFREG | 0o755, INIT.encode())
    entries["dev/console"] = (stat.S_IFCHR | 0o600, (5, 1))
    for name in list(entries):
        while "/" in name:
            name = os.path.dirname(name)
            entries.setdefault(name, (stat.S_IFDIR | 0o755, b""))
    return builder.newc(entries, 1)


def take_emulator(tree, target):
    """The distribution's QEMU with its libraries, to run outside."""
    shutil.rmtree(target, ignore_errors=True)
    (target / "lib").mkdir(parents=True)
    (target / "share").mkdir()
    loader, program = tree / "lib64" / "ld-linux-x86-64.so.2", tree / "usr" / "bin" / "qemu-system-x86_64"
    listing = subprocess.run([loader, "--library-path", tree / "usr" / "lib" / "x86_64-linux-gnu", "--list", program],
                             stdout=subprocess.PIPE, text=True, check=True).stdout
    for library in re.findall(r"=> (/\S+)", listing):
        shutil.copy(library, target / "lib")
    shutil.copy(loader, target / "ld.so")
    shutil.copy(program, target)
    for firmware in [*(tree / "usr/share/seabios").glob("bios-256k.bin"), *(tree / "usr/share/qemu").glob("*.bin"),
                     *(tree / "usr/share/qemu").glob("*.rom")]:
        if firmware.is_file():
            shutil.copy(firmware, target / "share")


def make_disk(tree, target, size):
    """A file system with the content of a folder; no loop device and no mount."""
    target.unlink(missing_ok=True)
    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-O", "^has_journal", "-E",
                    "root_owner=0:0,lazy_itable_init=1", "-d", tree, target, size],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)


class Base:
    def __init__(self, suite, cache):
        if suite not in SUITES:
            raise NodeError(f"make a node: no suite '{suite}', only {', '.join(SUITES)}")
        self.suite, self.folder = suite, pathlib.Path(cache).resolve() / suite
        self.disk, self.kernel, self.initrd = (self.folder / n for n in ("base.img", "vmlinuz", "initrd.img"))
        self.lender = Base(EMULATOR_OF[suite], cache) if suite in EMULATOR_OF else None
        self.emulator = (self.lender or self).folder / "emulator"
        self.tree, self.log, self.stamp = self.folder / "tree", self.folder / "build.log", self.folder / "base.json"

    def qemu(self):
        """The command that starts the node's QEMU outside."""
        return [self.emulator / "ld.so", "--library-path", self.emulator / "lib", self.emulator / "qemu-system-x86_64",
                "-L", self.emulator / "share"]

    def inputs(self):
        return {"suite": self.suite, "packages": SUITES[self.suite], "kernel": KERNEL, "layout": LAYOUT,
                "initrd": [INIT, *BOOT_MODULES], "make-base": hashlib.sha256(MAKE_BASE.read_bytes()).hexdigest()}

    def is_current(self):
        try:
            whole = self.disk.exists() and self.emulator.exists() and (self.tree.exists() or self.suite not in OWN_BUILD)
            return whole and json.loads(self.stamp.read_text()) == self.inputs()
        except (OSError, ValueError):
            return False

    def make(self, refresh=False):
        """True when it had to be made."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.lender:
            self.lender.make(refresh)
        with open(self.folder / "lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.is_current() and not refresh:
                return False
            self._make()
            return True

    def run_inside(self, program, *arguments):
        """A program of tests/node, in namespaces that end with it (--kill-child: also when we are killed)."""
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", program, *arguments]
        with open(self.log, "ab") as log:
            done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=False)
        if done.returncode != 0:
            tail = self.log.read_text(errors="replace").splitlines()[-8:]
            raise NodeError(f"make the node's tree of {self.suite}: status {done.returncode}, the log is {self.log}:\n  "
                            + "\n  ".join(tail))

    def _make(self):
        self.stamp.unlink(missing_ok=True)
        self.log.unlink(missing_ok=True)
        shutil.rmtree(self.tree, ignore_errors=True)
        self.run_inside(MAKE_BASE, self.suite, mirror(), self.tree, KERNEL, *SUITES[self.suite])
        kernels = [*self.tree.glob("boot/vmlinuz-*"), *self.tree.glob("usr/lib/modules/*/vmlinuz")]
        if len(kernels) != 1:
            raise NodeError(f"find the node's kernel: {len(kernels)} in boot and usr/lib/modules of {self.tree}")
        shutil.copyfile(kernels[0], self.kernel)
        self.initrd.write_bytes(make_initrd(self.tree))
        make_disk(self.tree, self.disk, f"{DISK_GIB}G")
        if not self.lender:
            take_emulator(self.tree, self.emulator)
        if self.suite not in OWN_BUILD:  # else it gets the compiler later, which the disk does not have
            shutil.rmtree(self.tree)
        self.stamp.write_text(json.dumps(self.inputs()))
