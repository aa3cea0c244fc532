# SPDX-License-Identifier: Apache-2.0
"""A guest that does not come up: the error quotes the guest's last console lines, and comes as soon as it is known."""
import time

from harness import initrd, patience, vmconfig
from harness.case import contains, one_line

RUNTIMES = ("coco",)
# The agent's time limit where the guest goes by itself: reached only if nobody notices that.
GONE_AT_ONCE = patience.stretch(60)


def boot(case, script, timeout, *pieces, limit):
    """`limit` is below the timeout where the end of the guest must be seen, and not waited for."""
    image = initrd.write(case.directory / "guest.img", script)
    config = vmconfig.write(case.directory / "coco.conf", guest={"initrd": image, "agent_timeout_s": timeout})
    verify = case.clean()
    started = time.monotonic()
    result = case.run("true", flags=("--runtime-config-path", config), check=False, seconds=180)
    took = time.monotonic() - started
    assert result.returncode != 0
    contains(one_line(result.stderr), "start VM", *pieces)
    assert took < limit, f"took {took:.1f} s, although the guest was gone long before"
    verify()


def test_agent_never_answers(case):
    seconds = patience.stretch(15)
    boot(case, initrd.MUTE, seconds, "agent", f"{seconds} s", "this guest has no agent", limit=seconds + patience.stretch(20))


def test_panics(case):
    boot(case, initrd.PANICS, GONE_AT_ONCE, "Kernel panic", limit=GONE_AT_ONCE)


def test_powers_off(case):
    boot(case, initrd.POWERS_OFF, GONE_AT_ONCE, "this guest powers itself off", limit=GONE_AT_ONCE)


def test_reboots(case):
    boot(case, initrd.REBOOTS, GONE_AT_ONCE, "this guest reboots", limit=GONE_AT_ONCE)


def test_init_is_missing(case):
    """An initrd that is not one: the kernel panics for want of a root."""
    image = case.directory / "guest.img"
    image.write_bytes(b"not an archive" * 1000)
    image.chmod(0o644)
    config = vmconfig.write(case.directory / "coco.conf", guest={"initrd": image, "agent_timeout_s": GONE_AT_ONCE})
    result = case.run("true", flags=("--runtime-config-path", config), check=False, seconds=180)
    assert result.returncode != 0
    contains(result.stderr, "start VM", "anic")
