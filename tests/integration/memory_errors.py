# SPDX-License-Identifier: Apache-2.0
"""The shim and the launcher in valgrind's memcheck, and the shim built with the address and the undefined-behaviour
sanitizer, for a life with all that a task does: no invalid access, no block lost."""
import json
import os

from harness import ociconfig, paths, processes, wire
from harness.case import contains, equal
from harness.memcheck import Memcheck
from harness.shim import BINARIES, Shim

SUITE = "endurance"
RUNTIMES = ("coco",)
SECONDS = 900
# The libvirt worker is in memcheck too, but coco-vmm ends it when it has its answer: only its accesses are judged.
PROGRAMS = ("containerd-shim-coco-v2", "coco-vmm", "coco-vmm-console")
SPEC = "types.containerd.io/opencontainers/runtime-spec/1/"
# atexit: a few lines at the end, which prove that the sanitizer was there.
SANITIZERS = "log_path={log}:detect_leaks=1:atexit=1:halt_on_error=1:print_stacktrace=1"


def sanitized(case):
    """Build the shim once more; the directory for PATH. Not optimized, with no more than line numbers: most of the time is the
    compiler's."""
    build = case.directory / "build"
    processes.run(["meson", "setup", build, paths.SOURCE, "-Db_sanitize=address,undefined", "-Dtests=disabled", "-Doptimization=0",
                   "-Ddebug=false", "-Dc_args=-g1"], seconds=120)
    processes.run(["ninja", "-C", build, f"shim/{BINARIES['coco']}"], seconds=500)
    return build / "shim"


def life(shim, output):
    """Create, three execs, one that cannot run, pause, update, statistics, errors, kill, delete."""
    def call(method, fields=None, code=0):
        reply = shim.call(method, {1: shim.id} | (fields or {}), 120)
        equal(reply.code, code, f"{method}: {reply.message}")
        return reply
    call("State", code=5)
    equal(shim.create(stdout=f"file://{output}", stderr=f"file://{output}").code, 0)
    equal(shim.create().code, 6)
    call("Start")
    for name, command in (("a", ["sh", "-c", "echo $$"]), ("b", ["true"]), ("c", ["false"]), ("d", ["not-there"])):
        spec = json.dumps({"args": command, "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}})
        call("Exec", {2: name, 5: f"file://{output}", 7: {1: SPEC + "Process", 2: spec}})
        call("Start", {2: name}, 2 if name == "d" else 0)
        call("Wait", {2: name})
        call("Delete", {2: name})
    call("Exec", {2: "e", 7: {1: SPEC + "Process", 2: "garbage"}}, 3)
    call("Pause")
    call("Resume")
    call("Update", {2: {1: SPEC + "LinuxResources", 2: '{"pids":{"limit":99}}'}})
    for method in ("Stats", "Pids", "State", "Connect"):
        call(method)
    call("Kill", {3: 9, 4: True})
    equal(wire.one(call("Wait").payload, 1), 137)
    call("Delete")


def test_memcheck_sees_errors(case):
    """The proof that the tests below could fail."""
    memcheck = Memcheck(case)
    processes.run([memcheck.program(paths.BUILD / "tests" / "lib" / "faulty")])
    (_, _, errors, text), = memcheck.reports()
    equal(errors, 2)
    contains(text, "Conditional jump or move depends on uninitialised value(s)", "16 bytes in 1 blocks are definitely lost")
    try:
        memcheck.verify("faulty")
    except AssertionError as error:
        contains(str(error), "memory errors in faulty")
    else:
        raise AssertionError("errors pass")


def test_memcheck_life_of_a_task(case):
    """All that a shim does; its launcher with the libvirt worker and the console logger."""
    memcheck = Memcheck(case)
    memcheck.program(paths.SHIM)
    root = ociconfig.root_file_system(case.directory)
    shim = Shim(case, spec=ociconfig.base(root, "sh", "-c", "echo up; sleep 1000"))
    shim.start(env={"PATH": memcheck.path()})
    life(shim, case.directory / "output")
    shim.shutdown()
    memcheck.verify(*PROGRAMS)
    assert "coco-vmm-libvirt" in {name for name, *_ in memcheck.reports()}, "the libvirt worker was not in memcheck"
    served = [name for name, arguments, errors, _ in memcheck.reports() if " -socket " in arguments and errors == 0]
    equal(served, [paths.SHIM.name], "the server itself")


def test_memcheck_with_containerd(case):
    """Create, start, exec, kill, delete by containerd."""
    memcheck = Memcheck(case)
    memcheck.program(paths.SHIM)
    node = case.private_node(env={"PATH": memcheck.path()})
    container = case.container_on(node)
    equal(container.exec("sh", "-c", "echo out; exit 3", check=False).returncode, 3)
    container.kill()
    container.remove()
    memcheck.verify(*PROGRAMS)


def test_life_of_a_task(case):
    directory, log = sanitized(case), case.directory / "log"
    shim = Shim(case, spec=ociconfig.base(ociconfig.root_file_system(case.directory), "sh", "-c", "echo up; sleep 1000"))
    options = SANITIZERS.format(log=log)
    shim.start(env={"PATH": f"{directory}:{os.environ['PATH']}", "ASAN_OPTIONS": options, "UBSAN_OPTIONS": options})
    pid = int((shim.bundle / "shim.pid").read_text())
    life(shim, case.directory / "output")
    shim.shutdown()
    equal(processes.wait_gone([pid], 60), [], "the shim stays")
    report = (log.parent / f"{log.name}.{pid}").read_text()
    contains(report, "AddressSanitizer exit stats")
    assert "ERROR: " not in report and "runtime error: " not in report, report[:3000]
