# SPDX-License-Identifier: Apache-2.0
"""A guest that does not come up: the error quotes the guest's last console lines, and comes as soon as it is known."""
import time

from harness import initrd, vmconfig
from harness.case import contains, one_line

RUNTIMES = ("coco",)


def boot(case, script, timeout, *pieces, limit):
    image = initrd.write(case.directory / "guest.img", script)
    config = vmconfig.write(case.directory / "coco.conf", guest={"initrd": image, "agent_timeout_s": timeout})
    verify = case.clean()
    started = time.monotonic()
    result = case.run("true", flags=("--runtime-config-path", config), check=False, seconds=120)
    took = time.monotonic() - started
    assert result.returncode != 0
    contains(one_line(result.stderr), "start VM", *pieces)
    assert took < limit, f"took {took:.1f} s, although the guest was gone long before"
    verify()


def test_agent_never_answers(case):
    boot(case, initrd.MUTE, 15, "agent", "15 s", "this guest has no agent", limit=35)


def test_panics(case):
    boot(case, initrd.PANICS, 60, "Kernel panic", limit=30)


def test_powers_off(case):
    boot(case, initrd.POWERS_OFF, 60, "this guest powers itself off", limit=30)


def test_reboots(case):
    boot(case, initrd.REBOOTS, 60, "this guest reboots", limit=30)


def test_init_is_missing(case):
    """An initrd that is not one: the kernel panics for want of a root."""
    image = case.directory / "guest.img"
    image.write_bytes(b"not an archive" * 1000)
    image.chmod(0o644)
    config = vmconfig.write(case.directory / "coco.conf", guest={"initrd": image, "agent_timeout_s": 60})
    result = case.run("true", flags=("--runtime-config-path", config), check=False, seconds=120)
    assert result.returncode != 0
    contains(result.stderr, "start VM", "anic")
