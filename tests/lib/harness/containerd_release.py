# SPDX-License-Identifier: Apache-2.0
"""containerd as a release of Debian has it: with its own ctr, its own shim for runc, and its own runc. Unpacked into the
build directory from the host's own mirror and kept; nothing is installed.

containerd's programs ask little of their libc, and run with the host's. runc asks for a newer one: its copy here is
told, in its ELF header, to run with the loader and the libraries that were unpacked beside it. So no environment variable
is needed, which the other programs that containerd starts, our shim among them, would get as well."""
import pathlib
import re
import shutil
import subprocess

from . import debian, paths

FOLDER = paths.BUILD / "containerd"
PACKAGES = ("containerd", "runc", "libc6", "libseccomp2")
MACHINE = None  # the release that stands for the machine's own containerd
RELEASES = {"bookworm": "1.6", "trixie": "1.7", "forky": "2.1"}  # which line of containerd each is there for
NEWER = ("trixie", "forky")  # than the one of Debian 12
LAYOUT = 1  # to be counted up when what is unpacked, or how, changes


class Release:
    """One of RELEASES. Its programs are in `bin`, once prepare() has returned."""

    def __init__(self, name):
        self.name, self.line = name, RELEASES[name]
        self.folder = FOLDER / name
        self.bin = self.folder / "bin"

    def __str__(self):
        return f"containerd {self.line}"

    def prepare(self):
        """Fetches and unpacks what is not there yet. True when it had to."""
        stamp, made = self.folder / "made", f"{LAYOUT} {self.folder}\n"  # runc's header has the folder's name in it
        if stamp.exists() and stamp.read_text() == made:
            return False
        shutil.rmtree(self.folder, ignore_errors=True)
        apt = debian.Apt(self.folder / "apt", (self.name,))
        for name in PACKAGES:
            self._call("dpkg-deb", "-x", apt.download(name), self.folder / "tree")
        self._furnish()
        shutil.rmtree(self.folder / "apt")
        stamp.write_text(made)
        return True

    def _furnish(self):
        self.bin.mkdir()
        tree = self.folder / "tree"
        for name in ("containerd", "ctr", "containerd-shim-runc-v2"):
            (self.bin / name).symlink_to(tree / "usr" / "bin" / name)
        shutil.copy(tree / "usr" / "sbin" / "runc", self.bin / "runc")
        loader, = [found for found in tree.glob("**/x86_64-linux-gnu/ld-linux-x86-64.so.2")]
        libraries = ":".join(map(str, {loader.parent, tree / "usr" / "lib" / "x86_64-linux-gnu"}))
        self._call("patchelf", "--set-interpreter", loader, "--force-rpath", "--set-rpath", libraries, self.bin / "runc")
        for name in ("containerd", "ctr", "runc"):
            self._call(self.bin / name, "--version")
        found = version(self.bin / "containerd")
        assert found.startswith(f"{self.line}."), f"Debian {self.name} has containerd {found}, and {self.line} is wanted"

    @staticmethod
    def _call(*command):
        code, text = debian.run(*command)
        assert code == 0, f"{' '.join(map(str, command))}: status {code}: {text.strip()[-600:]}"


def version(program):
    """"2.1.9" of a containerd; the three lines say it in different places of one line."""
    text = subprocess.run([str(program), "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=True).stdout
    return re.search(r" v?(\d+\.\d+\.\d+)", text)[1]


def path_of(release, path):
    """PATH with that release's programs in front."""
    return path if release is MACHINE else f"{release.bin}:{path}"


def program(name, environment):
    """Where a node's environment has a program, as an absolute path."""
    return pathlib.Path(shutil.which(name, path=environment["PATH"])).absolute()
