# SPDX-License-Identifier: Apache-2.0
"""The node's second disk: the packages of this tree, as a user would install them, and the tests. Made again when any of them
has changed; what is compiled is compiled by ninja, which knows what has changed."""
import fcntl
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

from . import base as base_module
from .base import TOP, NodeError

BUILDER = TOP / "packaging" / "deb" / "build"
SOURCES = ("guest-protocol", "vmm", "shim", "guest", "hypervisor-configs", "packaging", "meson.build", "meson_options.txt",
           "LICENSE", "tests/node/compile")
TESTS = ("tests/lib", "tests/integration", "tests/node", "tests/bench", "tests/container", "tests/replay",
         "docs/differences.md")


def run(what, command, **options):
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, errors="replace", check=False, **options)
    if done.returncode != 0:
        raise NodeError(f"{what}: status {done.returncode}:\n{(done.stdout + done.stderr).strip()[-3000:]}")
    return done.stdout


def files_below(names):
    """All files of these files and folders of the tree, sorted."""
    found = []
    for path in (TOP / name for name in names):
        found += [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    return sorted(found)


def epoch():
    """The time of the last commit, which the packages carry."""
    done = subprocess.run(["git", "-C", str(TOP), "-c", f"safe.directory={TOP}", "log", "-1", "--format=%ct"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.strip() or str(int((TOP / "meson.build").stat().st_mtime))


class Project:
    """build: where the tests were built (pattern, guest image); base: the node that it is for."""

    def __init__(self, base, build, guest_image):
        self.base, self.build, self.guest_image = base, pathlib.Path(build).resolve(), pathlib.Path(guest_image).resolve()
        self.disk, self.stamp = base.folder / "project.img", base.folder / "project.json"
        self.packages = base.folder / "packages"

    def package_inputs(self):
        """What decides the content of the packages."""
        digest = hashlib.sha256(self.base.stamp.read_bytes())
        for file in [*files_below(SOURCES), self.guest_image / "manifest.json"]:
            digest.update(f"{file.name}\0".encode() + file.read_bytes())
        return digest.hexdigest()

    def make_packages(self):
        """coco-guest-image of the guest image that the tests use, coco-runtime for the node's suite."""
        self.packages.mkdir(parents=True, exist_ok=True)
        stamp, inputs = self.base.folder / "packages.inputs", self.package_inputs()
        if stamp.exists() and stamp.read_text() == inputs:
            return
        stamp.unlink(missing_ok=True)
        environment = dict(os.environ, SOURCE_DATE_EPOCH=epoch())
        for old in self.packages.glob("*.deb"):
            old.unlink()
        run("package the guest image", [BUILDER, "--only", "image", "--guest-image", self.guest_image, "--out",
                                        self.packages], env=environment)
        if self.base.suite in base_module.OWN_BUILD:
            compiled = self.base.folder / "compiled"
            compiled.mkdir(exist_ok=True)
            self.base.run_inside(base_module.COMPILE, self.base.tree, TOP, compiled, self.packages, epoch())
        else:
            run("package the runtime", [BUILDER, "--only", "runtime", "--build", self.build / "deb", "--out", self.packages],
                env=environment)
        stamp.write_text(inputs)

    def content(self):
        """{path on the disk: file}"""
        found = {f"packages/{p.name}": p for p in self.packages.glob("*.deb")}
        for name in ("pattern", "memory-hog", "echo-server"):
            program = self.build / "tests" / "container" / name
            if not program.exists():
                raise NodeError(f"find '{program}': build the tests first (meson compile -C {self.build})")
            found[f"build/tests/container/{name}"] = program
        image = self.build / "test-image.tar"  # of the harness, which makes it there where it is not, or too old
        if image.exists():
            found["build/test-image.tar"] = image
        return found | {str(file.relative_to(TOP)): file for file in files_below(TESTS)}

    def make(self):
        """True when the disk had to be made. Several may ask at once."""
        with open(self.base.folder / "project.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return self._make()

    def _make(self):
        self.make_packages()
        content = self.content()
        digest = hashlib.sha256()
        for name in sorted(content):
            digest.update(f"{name}\0{content[name].stat().st_mode}\0".encode() + content[name].read_bytes())
        stamp = json.dumps({"content": digest.hexdigest()})
        if self.disk.exists() and self.stamp.exists() and self.stamp.read_text() == stamp:
            return False
        self.stamp.unlink(missing_ok=True)
        tree = self.base.folder / "project.tree"
        shutil.rmtree(tree, ignore_errors=True)
        for name, file in content.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, tree / name)
        base_module.make_disk(tree, self.disk, "256M")
        shutil.rmtree(tree)
        self.stamp.write_text(stamp)
        return True


def make(suite, cache, build, guest_image=None, refresh=False, say=lambda text: print(text, file=sys.stderr, flush=True)):
    """Base and project of a suite, told step by step; returns the base and the project."""
    started = time.monotonic()
    base = base_module.Base(suite, cache)
    made = base.make(refresh)
    say(f"node {suite}: base {'made' if made else 'is there'} ({time.monotonic() - started:.0f} s)")
    started = time.monotonic()
    project = Project(base, build, guest_image or pathlib.Path(build) / "guest-image")
    made = project.make()
    say(f"node {suite}: project {'made' if made else 'is unchanged'} ({time.monotonic() - started:.0f} s)")
    return base, project
