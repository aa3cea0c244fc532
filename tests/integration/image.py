# SPDX-License-Identifier: Apache-2.0
"""The guest image: two builds give identical bytes, it is small, and its manifest tells the truth about it."""
import hashlib
import importlib.machinery
import importlib.util
import json
import lzma
import pathlib
import shutil

from harness import paths, processes
from harness.case import contains, equal

SUITE = "image"
TOGETHER = "guest image cache"
RUNTIMES = ("coco",)
SECONDS = 600
FILES = ("vmlinuz", "initrd.img", "manifest.json")
LIMIT = 23_000_000
BUILT = paths.BUILD / "guest-image"


OPTIONS = ("buildtype", "optimization", "debug", "b_sanitize", "guest_static")


def build(directory, agent=paths.AGENT, flags=()):
    """With the packages that the build of the tests has fetched: the mirror is not what is tested."""
    processes.run([paths.SOURCE / "guest" / "image" / "build", "--quiet", "--out", directory, "--agent", agent,
                   "--cache", paths.BUILD / "guest-image.cache", *flags], seconds=SECONDS)
    return digests(directory)


def digests(directory):
    return {name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in FILES}


def agent_from_elsewhere(directory):
    """Made from a copy of the sources, in a build directory beside it, as the agent of the tests was made."""
    options = {option["name"]: option["value"] for option in
               json.loads(processes.run(["meson", "introspect", "--buildoptions", paths.BUILD]).stdout)}
    flags = [f"-D{name}={str(options[name]).lower()}" for name in OPTIONS]
    source, build_directory = directory / "deep" / "source", directory / "out"
    shutil.copytree(paths.SOURCE, source, symlinks=True, ignore=lambda folder, names: [
        name for name in names if name == ".git" or pathlib.Path(folder, name, "meson-private").exists()])
    processes.run(["meson", "setup", "-Dtests=disabled", *flags, build_directory, source], seconds=SECONDS)
    processes.run(["ninja", "-C", build_directory, "guest/coco-agent", "guest/libsystemd.so.0"], seconds=SECONDS)
    return build_directory / "guest" / "coco-agent"


def test_reproducible(case):
    """Neither the place of the sources nor that of the build is in the agent or in the image: the second is the one that the
    tests run."""
    agent = agent_from_elsewhere(case.directory)
    assert agent.read_bytes() == paths.AGENT.read_bytes(), "two builds of the agent differ"
    equal(build(case.directory / "another-name", agent), digests(BUILT))


def test_from_manifest(case):
    """What a manifest names is built again, byte for byte; what is not to be had is told, each thing on a line."""
    equal(build(case.directory / "two", flags=("--from", BUILT / "manifest.json")), digests(BUILT))
    manifest = case.directory / "manifest.json"
    changed = json.loads((BUILT / "manifest.json").read_text())
    changed["inputs"]["agent"] = "0" * 64
    package = changed["packages"][0]
    package["sha256"] = "1" * 64
    manifest.write_text(json.dumps(changed))
    result = processes.run([paths.SOURCE / "guest" / "image" / "build", "--from", manifest, "--out", case.directory / "three",
                            "--agent", paths.AGENT, "--cache", paths.BUILD / "guest-image.cache"], seconds=SECONDS, check=False)
    equal(result.returncode, 1)
    lines = result.stderr.decode().splitlines()
    equal(len(lines), 3, f"{lines}")
    contains(lines[1], "agent: ", "0" * 64)
    contains(lines[2], f"package {package['package']} {package['version']}", "its checksum is not the archive's")
    assert not (case.directory / "three" / "initrd.img").exists()


def test_small(_case):
    size = sum((paths.GUEST_IMAGE / name).stat().st_size for name in ("vmlinuz", "initrd.img"))
    assert size < LIMIT, f"{size} bytes"


def test_modules(_case):
    """What the kernel lacks is named; nothing lets the host feed the random number generator of a TEE."""
    manifest = json.loads((paths.GUEST_IMAGE / "manifest.json").read_text())
    names = {pathlib.Path(name).stem for name in manifest["entries"] if name.endswith(".ko")}
    tee = {"sev-guest", "tdx-guest", "efi_secret"}
    equal({name for name in tee if name.replace("-", "_") not in names}, set(manifest["left_out"]))
    assert "virtio_rng" not in names, names


def test_modules_on_demand(_case):
    """The index names modules that are there; what the guest has anyway is no second time in the archive."""
    manifest = json.loads((paths.GUEST_IMAGE / "manifest.json").read_text())
    kernel = next((paths.BUILD / "guest-image.cache" / "root").glob(f"*/*/modules/{manifest['kernel']}"), None) or \
        next((paths.BUILD / "guest-image.cache" / "root").glob(f"*/usr/*/modules/{manifest['kernel']}"))
    builder = load_builder()
    archive, index = builder.collect_demand(str(kernel), {"libcrc32c"}, str(paths.BUILD / "guest-image.cache"))
    lines = {line.split(" ")[0]: line.split(" ")[1:] for line in index.decode().splitlines()}
    equal(lines["libcrc32c"][:5], ["0"] * 5)
    for name in ("bridge", "dummy", "ip_vs", "nf_tables", "tun", "veth", "vxlan", "wireguard", "xt_MASQUERADE"):
        place, packed, size, start, length = map(int, lines[name][:5])
        block = lzma.decompress(archive[place:place + packed])
        equal(len(block), size)
        contains(block[start:start + length].decode("latin1"), f"name={name}")
    equal({d for line in lines.values() for d in line[5].split(",") if d != "-"} - lines.keys(), set(), "dependencies")
    assert "rtnl_link_vxlan" in lines["vxlan"][6].split(","), lines["vxlan"]


def load_builder():
    loader = importlib.machinery.SourceFileLoader("image_builder", str(paths.SOURCE / "guest" / "image" / "build"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("image_builder", loader))
    loader.exec_module(module)
    return module


def test_manifest(_case):
    manifest = (paths.GUEST_IMAGE / "manifest.json").read_text()
    json.loads(manifest)
    for name in ("vmlinuz", "initrd.img"):
        digest = hashlib.sha256((paths.GUEST_IMAGE / name).read_bytes()).hexdigest()
        assert digest in manifest, f"the manifest has another checksum of {name}"
