# SPDX-License-Identifier: Apache-2.0
"""The newest Debian's libvirt and QEMU, unpacked into the build directory: nothing is installed, nothing on the host
changes. Packages come from the host's own mirror, through an apt with lists and cache of its own, and are kept.

libvirt's embedded driver there believes in a machine that has every TEE: its cache of what QEMU can do is asked for
once and then completed with what SEV, SEV-SNP, TDX and SGX hosts have. It still checks a domain in full and says which
QEMU arguments it would start. The cache is only valid for these very binaries and this kernel, so it is made each time."""
import os
import re
import shutil
import subprocess

from . import once, paths

SUITE = "sid"
PACKAGES = ("libvirt-daemon-driver-qemu", "libvirt-clients", "qemu-system-x86", "qemu-system-s390x", "libxml2-utils")
FOLDER = paths.BUILD / "newer-debian"
INSIDE = paths.TESTS / "lib" / "newer-libvirt"
EMULATORS = ("/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-system-s390x")

CPU = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\n" \
      "model name\t: AMD EPYC 7763 64-Core Processor\nstepping\t: 1\nmicrocode\t: 0xa0011d1\nflags\t\t: fpu\n\n"
SIGNATURE = "AuthenticAMD, AMD EPYC 7763 64-Core Processor, family: 25, model: 1, stepping: 1"
FLAGS = ("kvm", "sev-guest", "sev-snp-guest", "tdx-guest", "sgx-epc", "s390-pv-guest")
ABILITIES = """  <sev>
    <cbitpos>51</cbitpos>
    <reducedPhysBits>1</reducedPhysBits>
    <pdh>AAAA</pdh>
    <certChain>AAAA</certChain>
    <cpu0Id>AAAA</cpu0Id>
  </sev>
  <sgx supported='yes'>
    <flc>yes</flc>
    <sgx1>yes</sgx1>
    <sgx2>yes</sgx2>
    <section_size unit='KiB'>1048576</section_size>
    <sections>
      <section node='0' size='1048576' unit='KiB'/>
    </sections>
  </sgx>
"""
QEMU_CONF = """user = "libvirt-qemu"
group = "libvirt-qemu"
stdio_handler = "file"
cgroup_controllers = []
namespaces = []
security_driver = "none"
dynamic_ownership = 0
remember_owner = 0
"""


def run(*command, **kwargs):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, **kwargs)
    assert done.returncode == 0, f"{command[0]} {command[-1]}: status {done.returncode}: {done.stderr.strip()[-600:]}"
    return done.stdout


def mirror():
    """(URI, keyring option) of the host's own Debian main archive."""
    listed = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT) $(SIGNED_BY)",
                 "Created-By: Packages")
    for line in listed.splitlines():
        uri, release, component, *key = line.split(" ", 3)
        if component == "main" and uri.rstrip("/").endswith("/debian") and "-" not in release:
            return uri, f"[signed-by={key[0]}] " if key and key[0].startswith("/") else ""
    raise AssertionError("apt-get indextargets: the host's apt sources have no Debian archive (component main)")


class NewerDebian:
    """A root file system that programs run in by chroot, in a mount and process namespace of their own."""

    def __init__(self):
        self.root = FOLDER / "root"
        for name in ("lists/partial", "cache/archives/partial"):
            (FOLDER / name).mkdir(parents=True, exist_ok=True)
        (FOLDER / "status").write_text("")  # nothing is "installed" there
        values = {"Dir::Etc::SourceList": FOLDER / "sources.list", "Dir::Etc::SourceParts": "/dev/null",
                  "Dir::Etc::Preferences": "/dev/null", "Dir::Etc::PreferencesParts": "/dev/null",
                  "Dir::State::Lists": FOLDER / "lists", "Dir::State::Status": FOLDER / "status",
                  "Dir::Cache": FOLDER / "cache", "Dir::Cache::pkgcache": "pkgcache.bin",
                  "Dir::Cache::srcpkgcache": "srcpkgcache.bin", "APT::Architecture": "amd64", "APT::Sandbox::User": "",
                  "APT::Install-Recommends": "0", "Acquire::Languages": "none", "Acquire::Retries": "3",
                  "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
                  "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
                  "APT::Keep-Downloaded-Packages": "true", "DPkg::Post-Invoke": "", "APT::Update::Post-Invoke": ""}
        self.options = [word for key, value in values.items() for word in ("-o", f"{key}={value}")]

    def prepare(self):
        """Fetches and unpacks what is not there yet."""
        with once.maker("newer-debian"):
            self._prepare()

    def _prepare(self):
        stamp = FOLDER / "unpacked"
        if not stamp.exists():
            uri, key = mirror()
            (FOLDER / "sources.list").write_text(f"deb {key}{uri} {SUITE} main\n")
            run("apt-get", "-q", *self.options, "update")
            run("apt-get", "-q", "-y", "--download-only", *self.options, "install", *PACKAGES)
            shutil.rmtree(self.root, ignore_errors=True)
            self.root.mkdir()
            for package in sorted((FOLDER / "cache" / "archives").glob("*.deb")):
                run("dpkg", "-x", package, self.root)
            stamp.write_text("")
        self.furnish()

    def furnish(self):
        """What packages' scripts and a running system would have made."""
        for name in ("bin", "sbin", "lib", "lib64"):
            if not (self.root / name).exists() and (self.root / "usr" / name).is_dir():
                (self.root / name).symlink_to(f"usr/{name}")
        node = "sys/devices/system/node/node0"
        for name in ("dev", "proc", "tmp", "run", "etc", "libvirt/etc", "job/in", "job/out", node):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        texts = {"etc/passwd": "root:x:0:0::/root:/bin/sh\nlibvirt-qemu:x:64055:64055::/:/bin/false\n",
                 "etc/group": "root:x:0:\nlibvirt-qemu:x:64055:\n", "libvirt/etc/qemu.conf": QEMU_CONF,
                 f"{node}/meminfo": "Node 0 MemTotal: 4194304 kB\nNode 0 MemFree: 4194304 kB\n",
                 f"{node}/cpumap": "1\n", f"{node}/cpulist": "0\n", "cpuinfo": CPU,
                 "sys/devices/system/node/online": "0\n", "sys/devices/system/node/possible": "0\n"}
        for name, text in texts.items():
            (self.root / name).write_text(text)

    def inside(self, what):
        run("unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", INSIDE, what, self.root)

    def versions(self):
        """("12.8", "11.1") of libvirt and QEMU."""
        libvirt = run("chroot", self.root, "/usr/bin/virsh", "--version").strip()
        qemu = run("chroot", self.root, EMULATORS[0], "--version")
        return libvirt.rsplit(".", 1)[0], re.search(r"version (\d+\.\d+)", qemu)[1]

    def forge(self):
        """Asks QEMU for its capabilities and adds those of a host with everything."""
        shutil.rmtree(self.root / "libvirt" / "cache", ignore_errors=True)
        self.inside("probe")
        caches = list((self.root / "libvirt/cache/qemu/capabilities").glob("*.xml"))
        assert len(caches) == len(EMULATORS), caches
        for cache in caches:
            cache.write_text(forged(cache.read_text()))

    def convert(self, documents):
        """{name: XML} -> {name: (arguments or None, complaint)}."""
        for place in ("in", "out"):
            for old in (self.root / "job" / place).iterdir():
                old.unlink()
        for name, text in documents.items():
            (self.root / "job" / "in" / name).write_text(text)
        self.inside("convert")
        results = {}
        for name in documents:
            out, err = ((self.root / "job" / "out" / f"{name}.{end}").read_text() for end in ("args", "err"))
            complaints = [line[7:] for line in err.splitlines() if line.startswith("error: ")]
            results[name] = (out.strip() or None, "; ".join(complaints))
        return results

    def validate(self, text, schemas="/usr/share/libvirt/schemas"):
        """What libxml2 says of a domain against libvirt's own schema; empty when it is valid."""
        (self.root / "job" / "domain.xml").write_text(text)
        done = subprocess.run(["chroot", str(self.root), "/usr/bin/xmllint", "--noout", "--relaxng",
                               f"{schemas}/domain.rng", "/job/domain.xml"], capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stderr

    def take_host_schemas(self):
        """Where validate() finds the schemas of this host's libvirt."""
        place = self.root / "job" / "schemas"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree("/usr/share/libvirt/schemas", place)
        return "/job/schemas"


def twins(text, pattern):
    """Doubles each element of QEMU's TCG side for KVM, in front."""
    found = re.findall(pattern, text, re.DOTALL)
    assert found, f"the capability cache has no {pattern}"
    first = text.index(found[0])
    return text[:first] + "".join(found).replace("type='tcg'", "type='kvm'") + text[first:]


def forged(text):
    """The capability cache of the same QEMU on a host with KVM and every TEE."""
    kernel = os.uname()
    text = re.sub(r"  <(hostCPUSignature|microcodeVersion|kernelVersion)>.*?</\1>\n", "", text)
    have = text.split("  <version>")[0]
    flags = "".join(f"  <flag name='{name}'/>\n" for name in FLAGS if f"<flag name='{name}'/>" not in have)
    text = text.replace("  <version>", f"{flags}  <version>", 1)
    text = text.replace("  <package>", f"  <hostCPUSignature>{SIGNATURE}</hostCPUSignature>\n"
                                       f"  <microcodeVersion>{0xa0011d1}</microcodeVersion>\n  <package>", 1)
    text = text.replace("  <arch>", f"  <kernelVersion>{kernel.release} {kernel.version}</kernelVersion>\n  <arch>", 1)
    for pattern in (r"  <hostCPU type='tcg'.*?</hostCPU>\n", r"  <cpu type='tcg'(?:[^>]*/>|.*?</cpu>)\n",
                    r"  <machine type='tcg'[^>]*/>\n"):
        if re.search(pattern, text, re.DOTALL):
            text = twins(text, pattern)
    return text.replace("</qemuCaps>", ABILITIES + "</qemuCaps>")


def fetch():
    NewerDebian().prepare()
