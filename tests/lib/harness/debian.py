# SPDX-License-Identifier: Apache-2.0
"""Files out of Debian packages of any release, from the host's own mirror, kept in the build directory. Nothing is
installed, and the host's apt is not touched: its lists and its cache are apt's of this folder alone."""
import hashlib
import re
import subprocess

from . import once, paths

FOLDER = paths.BUILD / "debian-packages"
# Every release whose packages the tests know by version. sid: what Debian 14 will be.
RELEASES = ("bookworm", "trixie", "sid")


class PackageMissing(Exception):
    """The message names the package and what the mirror has instead."""


def run(*command, cwd=None):
    done = subprocess.run([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", check=False, cwd=cwd)
    return done.returncode, done.stdout


def host_sources():
    """(URI, signed-by) of the host's Debian mirror and of its security mirror."""
    text = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(SIGNED_BY)",
                           "Created-By: Packages"], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in text.splitlines():
        uri, release, component, *key = line.split(" ", 3)
        if component == "main" and re.fullmatch(r"[a-z]+(-security)?", release):
            signed = f" [signed-by={key[0]}]" if key and key[0].startswith("/") else ""
            found.setdefault(release.endswith("-security"), (signed, uri))
    if False not in found:
        raise PackageMissing("the host's apt sources have no Debian mirror (component main)")
    return found


class Apt:
    """apt with sources, lists and cache of its own. The lists are fetched when the first package is asked for."""

    def __init__(self, folder, releases, security=()):
        self.folder, self.releases, self.security = folder, releases, security
        self.updated = ""
        self.options = []

    def prepare(self):
        if self.options:
            return
        sources = host_sources()
        lines = [f"deb{sources[False][0]} {sources[False][1]} {release} main" for release in self.releases]
        if True in sources:
            lines += [f"deb{sources[True][0]} {sources[True][1]} {r}-security main" for r in self.security]
        for sub in ("lists/partial", "cache/archives/partial"):
            (self.folder / sub).mkdir(parents=True, exist_ok=True)
        (self.folder / "sources.list").write_text("\n".join(lines) + "\n")
        (self.folder / "status").write_bytes(b"")
        for key, value in {"Dir::Etc::SourceList": self.folder / "sources.list", "Dir::Etc::SourceParts": "/dev/null",
                           "Dir::Etc::Preferences": "/dev/null", "Dir::Etc::PreferencesParts": "/dev/null",
                           "Dir::State::Lists": self.folder / "lists", "Dir::State::Status": self.folder / "status",
                           "Dir::Cache": self.folder / "cache", "APT::Sandbox::User": "", "APT::Architecture": "amd64",
                           "Acquire::Languages": "none", "Acquire::Retries": "3",
                           "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
                           "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false"}.items():
            self.options += ["-o", f"{key}={value}"]
        self.updated = run("apt-get", "-q", *self.options, "update")[1]

    def download(self, name, version=None):
        """The package of that version; without one the newest of the releases."""
        self.prepare()
        wanted = f"{name}={version}" if version else name
        code, text = run("apt-get", "-q", *self.options, "download", wanted, cwd=self.folder)
        if code == 0:
            return next(self.folder.glob(f"{name}_{version.replace(':', '%3a') + '_' if version else ''}*.deb"))
        known = re.findall(r"\|\s*(\S+)\s*\|", run("apt-cache", *self.options, "madison", name)[1])
        there = f"the mirror has {', '.join(known)}" if known else f"the mirror has none: {self.updated[-300:]}"
        raise PackageMissing(f"package {wanted} cannot be had: {there} ({text.strip()[-200:]})")


APT = Apt(FOLDER, RELEASES, security=("bookworm", "trixie"))


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def file_of(name, version, path, digest):
    """A file of a package, checked against its sha256; fetched once for each build directory."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with once.maker("debian-packages"):
        return _file_of(name, version, path, digest)


def _file_of(name, version, path, digest):
    folder = FOLDER / f"{name}_{version}"
    wanted = folder / path.lstrip("/")
    if not wanted.is_file() or sha256(wanted) != digest:
        package = APT.download(name, version)
        code, text = run("dpkg-deb", "-x", package, folder)
        package.unlink()
        if code:
            raise PackageMissing(f"package {name} {version}: {text}")
    if not wanted.is_file() or sha256(wanted) != digest:
        raise PackageMissing(f"package {name} {version}: {path} is not the file with sha256 {digest}")
    return wanted
