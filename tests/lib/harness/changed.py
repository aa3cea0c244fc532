# SPDX-License-Identifier: Apache-2.0
"""What a change touches (tests/run --changed): the unit tests of its rooms and of those above them, and the files of
tests/integration that tell most about it. A person's first look; the whole run is what counts."""
import subprocess

from . import paths

UNITS = ("guest-protocol", "vmm", "shim", "guest", "cococtl", "packaging")
ABOVE = {"guest-protocol": ("shim", "guest", "cococtl"), "vmm": ("shim", "cococtl")}
# The longest prefix of a path counts. What is in none of these has unit tests only, or none.
FILES = {
    "guest-protocol/": ("exit_code", "streams"),
    "guest/": ("exit_code", "execs"),
    "guest/agent/": ("exit_code", "bad_input", "transport"),
    "guest/container/": ("exit_code", "oci_process", "oci_root"),
    "guest/image/": ("exit_code", "image"),
    "guest/pod/": ("sandbox",),
    "guest/storage/": ("mounts", "block_root"),
    "shim/": ("exit_code", "task_verbs"),
    "shim/command/": ("start_protocol", "shim_dies", "exit_code"),
    "shim/metrics/": ("resources",),
    "shim/pod/": ("task_events", "exit_code", "signals"),
    "shim/sandbox/": ("sandbox",),
    "shim/stdio/": ("stdio_forms", "streams", "terminal", "readers"),
    "shim/storage/": ("mounts", "block_root"),
    "shim/task/": ("task_semantics", "task_verbs", "task_events"),
    "shim/vm/": ("guest_dies", "launcher_faults", "exit_code"),
    "vmm/": ("launcher_alone", "exit_code"),
    "vmm/config/": ("config_errors", "launcher_alone"),
    "vmm/initdata/": ("initdata",),
    "vmm/launch/": ("launcher_alone", "launcher_faults"),
    "vmm/owner/": ("sev_attest",),
    "vmm/tee/": ("required_tee", "launcher_alone"),
    "packaging/quickstart": ("quickstart",),
    "tests/lib/harness/": ("exit_code", "interrupted"),
    "tests/replay/": ("replay",),
}


def git(*arguments):
    done = subprocess.run(["git", "-C", str(paths.SOURCE), "-c", f"safe.directory={paths.SOURCE}", *arguments],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"tests/run: --changed: {done.stderr.strip()}")
    return done.stdout.splitlines()


def since(revision):
    """Paths that differ from the revision, in commits or not, and those that git does not know yet."""
    return sorted({*git("diff", "--name-only", revision, "--"), *git("ls-files", "--others", "--exclude-standard")})


def rooms_of(path):
    """The rooms whose unit tests a file touches."""
    top, _, rest = path.partition("/")
    if path.startswith("tests/unit/"):
        return {rest.split("/")[1]}
    if path.startswith(("docs/", "hypervisor-configs/")):
        return {"packaging", "vmm"}
    if path.endswith("meson.build") and "/" not in path:
        return set(UNITS)
    return {top, *ABOVE.get(top, ())} if top in UNITS and not path.endswith(".md") else set()


def files_of(path):
    """The integration files that tell about it."""
    if path.startswith("tests/integration/"):
        return {path.split("/")[2].removesuffix(".py").replace("-arguments", "")}
    found = [prefix for prefix in FILES if path.startswith(prefix)]
    return set(FILES[max(found, key=len)]) if found and not path.endswith(".md") else set()


class Change:
    def __init__(self, revision):
        self.paths = since(revision)
        self.rooms = {room for path in self.paths for room in rooms_of(path)} & set(UNITS)
        self.files = {file for path in self.paths for file in files_of(path)}

    @property
    def other_rooms(self):
        """Those whose unit tests need not run."""
        return [room for room in UNITS if room not in self.rooms]
