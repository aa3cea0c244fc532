# SPDX-License-Identifier: Apache-2.0
"""`cococtl measure` against the launch measurements in tests/unit/vmm/data/measurement-vectors.json, with the real
firmware and kernel that they are of. A package that cannot be had fails every vector that needs it. The vectors of
tables and structures, which need no file, are in the unit tests (LEFT)."""
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from . import debian, paths

VECTORS = paths.TESTS / "unit" / "vmm" / "data" / "measurement-vectors.json"
PAGE = paths.SOURCE / "docs" / "measurement.md"
COCOCTL = paths.BUILD / "cococtl" / "cococtl"
# test-measure.c, test-id-block.c
LEFT = {"sev-launch-measure-hmac": 1, "sev-hashes-table": 1, "vmsa-sha384": 5, "snp-id-block": 1}
TOTAL = 79
SYNTHETIC = {"kernel": (8192, 7, 3), "initrd": (12345, 11, 5)}


class Inputs:
    """The files that the vectors name, by name."""

    def __init__(self, table, folder):
        self.table, self.folder, self.known = table, folder, {}

    def path(self, name):
        """Raises PackageMissing, each time the same."""
        if name not in self.known:
            try:
                self.known[name] = self.make(self.table[name], name)
            except debian.PackageMissing as missing:
                self.known[name] = missing
        if isinstance(self.known[name], Exception):
            raise self.known[name]
        return str(self.known[name])

    def make(self, entry, name):
        if "package" in entry:
            package, version = entry["package"].split(" ")[:2]
            return debian.file_of(package, version, entry["path_in_package"], entry["sha256"])
        size, factor, offset = SYNTHETIC[name]
        path = self.folder / name
        path.write_bytes(bytes((i * factor + offset) & 0xff for i in range(size)))
        assert debian.sha256(path) == entry["sha256"], f"the synthetic {name} is not that of the vectors"
        return path


def kernel_options(inputs, combination, append, kernel="kernel"):
    options = []
    if "k" in combination:
        options += ["--kernel", inputs.path(kernel)]
    if "i" in combination:
        options += ["--initrd", inputs.path("initrd")]
    if "c" in combination:
        options += ["--cmdline", append]
    return options


def sev_options(vector, inputs, append):
    options = ["--tee", {"seves": "sev-es"}.get(vector["mode"], vector["mode"])]
    if "vcpus" in vector:
        options += ["--vcpus", str(vector["vcpus"]), "--cpu-model", vector["vcpu_type"]]
    if "guest_features" in vector:
        options += ["--vmsa-features", vector["guest_features"]]
    if vector["mode"] == "seves":
        options += ["--sev-es-vm-type", "legacy" if vector["vm_type"].startswith("legacy") else "current"]
    combination = vector["kernel_combo"].replace("none", "")
    return options + kernel_options(inputs, combination, append), "launch_digest"


def rtmr_options(vector, inputs, append):
    """The order of the load options comes from the firmware: of the vector's generation."""
    generation = "deb13" if "suffix" in vector["note"] else "sid-generic"
    options = ["--tee", "tdx", "--firmware", inputs.path(generation)]
    return options + kernel_options(inputs, "kic", append, "vmlinuz"), vector["mode"].removeprefix("tdx-")


def options_of(vector, inputs, append):
    """(options of cococtl measure, the key of its JSON that the vector is about)"""
    mode = vector["mode"]
    if mode in ("sev", "seves", "snp"):
        options, key = sev_options(vector, inputs, append)
    elif mode == "snp:ovmf-hash":
        options, key = ["--tee", "snp", "--cpu-model", "EPYC"], "firmware_digest"
    elif mode == "tdx-mrtd":
        options, key = ["--tee", "tdx"] + ["--tdx-two-pass"] * vector["order"].startswith("two"), "mrtd"
    elif mode == "tdx-cfv-event-digest":
        options, key = ["--tee", "tdx"], "cfv_event"
    elif mode in ("tdx-rtmr1", "tdx-rtmr2"):
        return rtmr_options(vector, inputs, append)
    else:
        raise AssertionError(f"a vector of the mode {mode}, which no test knows")
    return options + ["--firmware", inputs.path(vector["fw"])], key


def measure(options):
    return subprocess.run([COCOCTL, "measure", "--json", "--explain", *options], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False)


def check_error(vector, done):
    """Ours are other words; the two errors of the vectors stay apart, and each is one line that names the file."""
    about = "no section for kernel hashes" if "SNP_KERNEL_HASHES" in vector["error"] else "hashes table is switched off"
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 1, f"exit code {done.returncode}, want 1: {done.stdout}"
    assert len(lines) == 1 and about in lines[0] and ".fd'" in lines[0], f"want '{about}' in one line: {lines}"
    assert json.loads(done.stdout)["error"] in lines[0], done.stdout


def check(vector, inputs, append):
    options, key = options_of(vector, inputs, append)
    done = measure(options)
    if "error" in vector:
        check_error(vector, done)
        return
    assert done.returncode == 0, f"exit code {done.returncode}: {done.stderr}"
    report = json.loads(done.stdout)
    assert report.get(key) == vector["digest"], f"{key} {report.get(key)}, want {vector['digest']}: {options}"
    for name, file in report["inputs"].items():
        assert file["sha256"] == debian.sha256(inputs.folder / file["path"]), f"sha256 of the {name}"
    if key in ("launch_digest", "mrtd", "rtmr1", "rtmr2"):
        steps = [step for step in report["steps"] if step["value"] == key]
        assert steps[-1]["so_far"] == vector["digest"], f"--explain ends with {steps[-1]}"
    if key == "launch_digest" and "k" in vector["kernel_combo"].replace("none", ""):
        free = "does not compare them" in report["statements"].get("launch_digest", "")
        assert free == (vector["fw"] != "sid-amdsev"), f"whether the firmware checks the kernel: {report['statements']}"
    if "log" in vector:
        assert [step["event"] for step in steps] == vector["log"], f"events {steps}"


def check_page(table, inputs):
    """The programs in docs/measurement.md give the vectors' values."""
    snp, rtmr2 = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    wanted = {v["mode"]: v["digest"] for v in table["vectors"] if v["mode"] == "tdx-rtmr2" and "prefix" in v["note"] or
              (v["mode"], v.get("kernel_combo"), v.get("vcpus"), v.get("vcpu_type")) == ("snp", "kic", 2, "EPYC-v4")
              and v["fw"] == "sid-amdsev"}
    for program, mode, arguments in (
            (snp, "snp", [inputs.path("sid-amdsev"), inputs.path("kernel"), inputs.path("initrd"), table["append"], "2",
                          "0x800f12", "0x80b004"]),
            (rtmr2, "tdx-rtmr2", [inputs.path("initrd"), table["append"]])):
        got = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
        assert got.stdout.strip() == wanted[mode], f"{mode}: {got.stdout}{got.stderr}, want {wanted[mode]}"


def name_of(vector):
    words = [vector.get("fw", ""), vector["mode"], vector.get("kernel_combo", ""),
             f"{vector['vcpus']}x{vector['vcpu_type']}" if "vcpus" in vector else "", vector.get("order", "")[:10]]
    return "measure: " + " ".join(filter(None, words))


def run(pattern, report):
    """One line for each vector that fails, one for each firmware and mode with those that pass."""
    table = json.loads(VECTORS.read_text(encoding="utf-8"))
    modes = collections.Counter(v["mode"] for v in table["vectors"])
    left = {mode: modes[mode] for mode in LEFT}
    if left != LEFT or len(table["vectors"]) != TOTAL:
        report("measure: the vectors are complete", "failed", 0, f"{dict(modes)}")
    passed = collections.Counter()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        inputs = Inputs(table["inputs"], pathlib.Path(folder))
        for vector in (v for v in table["vectors"] if v["mode"] not in LEFT and pattern in name_of(v)):
            try:
                check(vector, inputs, table["append"])
                passed[f"measure: {vector.get('fw', 'vmlinuz')} {vector['mode']}"] += 1
            except (AssertionError, debian.PackageMissing) as error:
                report(name_of(vector), "failed", time.monotonic() - started, str(error))
        name = "measure: programs of docs/measurement.md"
        try:
            if pattern in name:
                check_page(table, inputs)
                passed[name] += 2
        except (AssertionError, debian.PackageMissing) as error:
            report(name, "failed", time.monotonic() - started, str(error))
    for name, count in passed.items():
        report(f"{name} ({count} values)", "passed", (time.monotonic() - started) / len(passed), count=count)


def fetch():
    """The packages that the vectors are of, into the build directory."""
    table = json.loads(VECTORS.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        inputs = Inputs(table["inputs"], pathlib.Path(folder))
        for name in table["inputs"]:
            inputs.path(name)
