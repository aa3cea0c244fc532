# SPDX-License-Identifier: Apache-2.0
"""The unit tests of each room in valgrind's memcheck, every test in a process of its own: no invalid access, no block
lost. The agent has no other way into it: it is a static program, whose malloc cannot be replaced."""
from harness import paths, processes
from harness.case import contains
from harness.memcheck import Memcheck

SUITE = "memcheck"
RUNTIMES = ("coco",)
NEEDS_GUEST = False
SECONDS = 900


def verify_room(case, room):
    memcheck = Memcheck(case, forks=True)
    programs = sorted(p for p in (paths.BUILD / "tests" / "unit" / room).glob("test-*") if p.is_file())
    assert programs, f"no unit tests of {room} are built"
    for program in programs:
        result = processes.run([memcheck.program(program)], seconds=300)
        contains(result.stdout + result.stderr, "Failing: 0 | Crashing: 0")
    memcheck.verify(*(program.name for program in programs))


def test_guest_protocol(case):
    verify_room(case, "guest-protocol")


def test_vmm(case):
    verify_room(case, "vmm")


def test_shim(case):
    verify_room(case, "shim")


def test_guest(case):
    verify_room(case, "guest")
