# SPDX-License-Identifier: Apache-2.0
"""The domains of every TEE config against the newest libvirt and QEMU that Debian has: valid by libvirt's own schema,
accepted by its QEMU driver, and turned into the QEMU arguments that were reviewed (tee-arguments/). What libvirt would
refuse, coco-vmm refuses first, in words that name the key and the file. Needs no TEE and no KVM.

COCO_UPDATE_GOLDEN=1 rewrites tee-arguments/."""
import functools
import json
import os
import re
import shlex

from harness import newer_debian, paths, processes
from harness.case import equal

SUITE = "tee"
RUNTIMES = ("coco",)
NEEDS_GUEST = False
TOGETHER = "newer Debian"  # they share what its QEMU and libvirt made of the domains
SECONDS = 600  # the first one fetches 70 MB of packages
DOMAINS = paths.TESTS / "unit" / "vmm" / "golden" / "tee"
GOLDEN = paths.TESTS / "integration" / "tee-arguments"
GENERATION = "12.8.0"
VERSIONS = ("12.8", "11.1")  # of libvirt and QEMU that wrote the golden files
# As far as it gets without an s390x machine: all of libvirt's checks but the one that asks the host.
SE = "unsupported configuration: S390 PV launch security is not supported by this host or kernel"
# What a younger libvirt or QEMU must leave as it is; the rest of the arguments is how they talk to each other.
ESSENTIAL = ("-accel", "-cpu", "-bios", "-m", "-smp", "-kernel", "-initrd", "-append")


def domains(generation=GENERATION):
    """{name: XML} of a generation of libvirt, the newest by default."""
    ending = f"-libvirt-{generation}.xml"
    found = {path.name.removesuffix(ending): path.read_text() for path in sorted(DOMAINS.glob(f"*{ending}"))}
    assert len(found) > (12 if generation == GENERATION else 7), found
    return found


@functools.lru_cache(maxsize=1)
def debian():
    newer = newer_debian.NewerDebian()
    newer.prepare()
    return newer


@functools.lru_cache(maxsize=1)
def converted():
    """{name: (arguments or None, complaint)}, of all domains in one go."""
    debian().forge()
    return debian().convert(domains())


def launcher(*arguments):
    """(exit status, output, errors) of coco-vmm."""
    done = processes.run([paths.LAUNCHER, *arguments], check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def lines_of(arguments):
    """An option and its value a line; what is different each time is masked."""
    words = shlex.split(arguments)
    while "=" in words[0] and not words[0].startswith("/"):
        words.pop(0)  # the environment
    text = "\n".join(words).replace("\n-", "\0-").replace("\n", " ").replace("\0", "\n")
    return re.sub(r"-uuid \S+", "-uuid UUID", text) + "\n"


def essential(text):
    """The lines that decide what is launched and measured, with the machine's version masked."""
    kept = [line for line in text.splitlines() if line.split(" ")[0] in ESSENTIAL or "lsec0" in line]
    return re.sub(r"pc-q35-[\d.]+", "pc-q35", "\n".join(kept))


def test_schema(_case):
    for name, text in domains().items():
        equal((name, debian().validate(text)), (name, ""))


def test_schema_of_this_host(_case):
    """The domains of the generation that this host's libvirt belongs to, against its schema."""
    said = processes.run([paths.LAUNCHER.with_name("coco-vmm-libvirt"), "--version"]).stdout.decode()
    version = tuple(map(int, said.rsplit("version ", 1)[1].split(".")))
    generations = {path.stem.rsplit("-", 1)[1] for path in DOMAINS.glob("none-libvirt-*.xml")}
    ours = max((g for g in generations if tuple(map(int, g.split("."))) <= version),
               key=lambda g: tuple(map(int, g.split("."))))
    schemas = debian().take_host_schemas()
    for name, text in domains(ours).items():
        equal((name, debian().validate(text, schemas)), (name, ""))


def test_the_schema_refuses_what_is_wrong(_case):
    """So that the test before cannot pass for want of a schema."""
    text = domains()["snp"]
    for wrong in (text.replace("sev-snp", "cca"), text.replace("<policy>0x00030000</policy>", ""),
                  text.replace("kernelHashes", "kernelhashes")):
        assert wrong != text
        assert "fails to validate" in debian().validate(wrong), debian().validate(wrong)


def test_arguments(_case):
    update = os.environ.get("COCO_UPDATE_GOLDEN")
    same = debian().versions() == VERSIONS
    for name, (arguments, complaint) in converted().items():
        if name.split("-")[0] == "se":
            equal((name, complaint), (name, SE))
            continue
        assert arguments, f"{name}: libvirt says: {complaint}"
        golden = GOLDEN / name
        if update:
            golden.parent.mkdir(exist_ok=True)
            golden.write_text(lines_of(arguments))
        expected, actual = golden.read_text(), lines_of(arguments)
        if same:
            equal((name, actual), (name, expected))
        else:
            equal((name, essential(actual)), (name, essential(expected)))


def test_every_tee_has_its_object(_case):
    """The one that QEMU's machine points to; and none without a TEE."""
    objects = {"none": None, "sev": "sev-guest", "snp": "sev-snp-guest", "tdx": "tdx-guest"}
    for name, (arguments, _) in converted().items():
        tee = name.split("-")[0]
        if tee in objects:
            found = re.findall(r'"qom-type":"([a-z-]+)","id":"lsec0"', arguments)
            equal((name, found), (name, [objects[tee]] if objects[tee] else []))
            equal((name, "confidential-guest-support=lsec0" in arguments), (name, objects[tee] is not None))


# (domain, what is replaced in it, by what, libvirt's word on it or None where only QEMU would find it,
#  our config, our word on it)
REFUSED = (
    ("snp-host-data", "<hostData>.*</hostData>", "<hostData>AAEC</hostData>",
     "Unexpected length of 'hostData', expected 32 got 3",
     "[vm]\ntee = snp\n[snp]\nhost_data = 000102\n", "line 4: [snp] host_data: 32 bytes are needed, and these are 3"),
    ("snp-full", "<guestVisibleWorkarounds>.*</guestVisibleWorkarounds>",
     "<guestVisibleWorkarounds>AAEC</guestVisibleWorkarounds>",
     "Unexpected length of 'guestVisibleWorkarounds', expected 16 got 3",
     "[vm]\ntee = snp\n[snp]\nguest_visible_workarounds = 000102\n",
     "line 4: [snp] guest_visible_workarounds: 16 bytes are needed, and these are 3"),
    ("snp-full", "<idBlock>.*</idBlock>", "<idBlock>AAEC</idBlock>",
     "Unexpected length of 'idBlock', expected 96 got 3",
     "[vm]\ntee = snp\n[snp]\nid_block = {bad}\nid_auth = {auth}\n",
     "line 4: [snp] id_block: '{bad}' is neither 96 bytes nor the base64 of them"),
    ("snp-full", "<idAuth>.*</idAuth>", "<idAuth>AAEC</idAuth>",
     "Unexpected length of 'idAuth', expected 4096 got 3",
     "[vm]\ntee = snp\n[snp]\nid_block = {block}\nid_auth = {bad}\n",
     "line 5: [snp] id_auth: '{bad}' is neither 4096 bytes nor the base64 of them"),
    ("tdx", "0x10000000", "0x10000002", "Only bit0(debug) and bit28(sept-ve-disable) are supported",
     "[vm]\ntee = tdx\n[tdx]\npolicy = 0x10000002\n",
     "line 4: [tdx] policy: '0x10000002' sets bits that must be 0: 0x2"),
    ("tdx-full", "<mrOwner>.*</mrOwner>", "<mrOwner>AAEC</mrOwner>", "mrOwner",
     "[vm]\ntee = tdx\n[tdx]\nmrowner = 000102\n", "line 4: [tdx] mrowner: 48 bytes are needed, and these are 3"),
    ("tdx", '<cpu mode="host-passthrough"/>',
     '<cpu mode="custom" match="exact" check="none"><model>EPYC-v4</model></cpu>', None,
     "[vm]\ntee = tdx\ncpu = EPYC-v4\n", "line 3: [vm] cpu: must be empty: a TDX guest has the CPU of its host"),
    ("snp", 'type="kvm"', 'type="qemu"', None,
     "[vm]\ntee = snp\naccel = tcg\n", "line 3: [vm] accel: tcg emulates a CPU, and no emulated CPU has tee = snp"),
    ("snp", "<policy>.*</policy>", "<policy>0x10000</policy>", None,
     "[vm]\ntee = snp\n[snp]\npolicy = 0x10000\n",
     "line 4: [snp] policy: '0x10000' lacks a bit that must be 1: 0x20000"),
)


def test_what_libvirt_refuses_is_refused_before(case):
    files = {name: case.directory / name for name in ("bad", "block", "auth")}
    files["bad"].write_bytes(bytes(3))
    files["block"].write_bytes(bytes(96))
    files["auth"].write_bytes(bytes(4096))
    documents = {}
    for number, (name, pattern, replacement, *_) in enumerate(REFUSED):
        documents[f"refused-{number}"] = re.sub(pattern, replacement, domains()[name], flags=re.DOTALL)
        assert documents[f"refused-{number}"] != domains()[name], pattern
    converted()
    answers = debian().convert(documents)
    for number, (_, _, _, theirs, config, ours) in enumerate(REFUSED):
        arguments, complaint = answers[f"refused-{number}"]
        equal((number, theirs is None, theirs is None or theirs in complaint, complaint),
              (number, arguments is not None, True, complaint))
        path = case.directory / f"{number}.conf"
        path.write_text(config.format(**files))
        equal(launcher("xml", "--config", path), (1, "", f"coco-vmm: config '{path}' {ours.format(**files)}\n"))


DOMAIN = """<domain type="test"><name>coco</name><memory unit="MiB">64</memory>
<os><type>hvm</type></os>%s</domain>"""
SECURITY = '<launchSecurity type="sev-snp"><policy>0x30000</policy></launchSecurity>'


def worker(case, tee, xml):
    """What the libvirt worker says last to a config with that TEE, with libvirt's test driver, which starts anything."""
    run_dir = case.directory / "w"
    (run_dir / "vm").mkdir(parents=True, exist_ok=True)
    (run_dir / "vm" / "domain.xml").write_text(xml)
    config = {"vm.tee": tee, "host.uri": "test:///default", "host.qemu": "/bin/true"}
    spec = {"config_name": "t.conf", "config": config, "config_given": list(config), "accel": "tcg", "transport": "channel",
            "vcpus": 1, "memory_mib": 64, "cmdline": "", "hotplug": False, "disks": [], "nics": []}
    job = {"verb": "start", "cache_dir": str(case.directory / "cache"), "qemu_uid": 0, "spec": spec, "slots": [],
           "vcpus": 0, "memory_mib": 0, "descriptors": []}
    done = processes.run([paths.LAUNCHER.with_name("coco-vmm-libvirt"), "--run-dir", run_dir], check=False,
                         stdin=json.dumps(job).encode())
    last = json.loads(done.stdout.decode().splitlines()[-1])
    equal((done.returncode, last["event"]), (1, "failed"))
    return last["code"], last["message"]


def test_a_domain_that_protects_less_is_not_started(case):
    """The launcher's own XML is right; so this is what a defect, or a change of the file, would come to."""
    equal(worker(case, "snp", DOMAIN % ""),
          ("no-tee", "check protection: the domain XML has launch security 'none' and not 'sev-snp'"))
    equal(worker(case, "snp", DOMAIN % SECURITY.replace("sev-snp", "sev")),
          ("no-tee", "check protection: the domain XML has launch security 'sev' and not 'sev-snp'"))
    equal(worker(case, "snp", DOMAIN % SECURITY.replace("0x30000", "0xb0000")),
          ("no-tee", "check protection: the domain XML has policy '0xb0000' and not 0x30000"))
    equal(worker(case, "none", DOMAIN % SECURITY),
          ("no-tee", "check protection: the domain XML has launch security 'sev-snp' and not 'none'"))


def test_libvirt_must_know_the_tee(case):
    """The XML is right, and libvirt's capabilities are asked before the start."""
    code, message = worker(case, "snp", DOMAIN % SECURITY)
    assert message.startswith("check protection: "), (code, message)


def test_an_unsupported_host_is_one_error(case):
    """On this machine, whatever it lacks: one line, and nothing is left."""
    path = case.directory / "snp.conf"
    path.write_text("[vm]\ntee = snp\n[guest]\nkernel = /proc/nonexistent\n")
    run_dir = case.directory / "run"
    status, output, _ = launcher("launch", "--config", path, "--run-dir", run_dir)
    results = [line for line in output.splitlines() if '"result"' in line]
    equal((status, len(results)), (1, 1))
    if "tee = snp cannot run on this host" in results[0]:
        assert '"code":"no-tee"' in results[0], results[0]
        assert not run_dir.exists()
    else:  # a machine with SEV-SNP gets as far as the missing kernel
        assert "/proc/nonexistent" in results[0], results[0]
