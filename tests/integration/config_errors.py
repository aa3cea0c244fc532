# SPDX-License-Identifier: Apache-2.0
"""A wrong configuration: one line that names step, object and cause, and nothing left behind."""
from harness import initrd, vmconfig
from harness.case import contains, one_line

RUNTIMES = ("coco",)


def refused(case, config, *pieces, seconds=60):
    verify = case.clean()
    result = case.run("echo", "ran", flags=("--runtime-config-path", config), check=False, seconds=seconds)
    assert result.returncode != 0 and result.stdout == b"", f"it ran: {result}"
    contains(one_line(result.stderr), *pieces)
    verify()


def write(case, **changes):
    return vmconfig.write(case.directory / "wrong.conf", **changes)


def test_missing_file(case):
    refused(case, "/not/there/coco.conf", "/not/there/coco.conf", "No such file")


def test_is_a_directory(case):
    refused(case, case.directory, str(case.directory), "irectory")


def test_syntax(case):
    config = case.directory / "wrong.conf"
    for text in ("no group\n", "[vm\ntee = none\n", "[vm]\ntee none\n", "\0\0\0", "[vm]\ntee = \xff\n", ""):
        config.write_text(text)
        refused(case, config, str(config))


def test_unknown_key(case):
    refused(case, write(case, vm={"colour": "blue"}), "wrong.conf", "vm", "colour")
    refused(case, write(case, fridge={"door": "open"}), "wrong.conf", "fridge")


def test_tee_is_required(case):
    refused(case, write(case, vm={"tee": None}), "wrong.conf", "tee")


def test_bad_values(case):
    refused(case, write(case, vm={"tee": "perhaps"}), "tee", "perhaps")
    refused(case, write(case, vm={"memory_mib": "many"}), "memory_mib", "many")
    refused(case, write(case, vm={"vcpus": "0"}), "vcpus", "0")
    refused(case, write(case, vm={"machine": "no-such-machine"}), "no-such-machine")


def test_tee_that_is_not_here(case):
    """What is asked for is what runs: no silent fallback."""
    refused(case, write(case, vm={"tee": "snp"}), "snp")


def test_missing_kernel(case):
    refused(case, write(case, guest={"kernel": "/not/there/vmlinuz"}), "start VM", "kernel", "/not/there/vmlinuz")


def test_missing_initrd(case):
    refused(case, write(case, guest={"initrd": "/not/there/initrd"}), "start VM", "initrd", "/not/there/initrd")


def test_kernel_that_is_none(case):
    kernel = case.directory / "vmlinuz"
    kernel.write_bytes(b"this is no kernel\n" * 1000)
    kernel.chmod(0o644)
    refused(case, write(case, guest={"kernel": kernel, "agent_timeout_s": "8"}), "start VM")


def test_unreadable_kernel(case):
    """QEMU is not root: what only root can read does not boot, and the error says whose fault it is."""
    kernel = case.directory / "vmlinuz"
    kernel.write_bytes(b"x" * 4096)
    kernel.chmod(0o600)
    refused(case, write(case, guest={"kernel": kernel}), "start VM", str(kernel))


def test_missing_qemu(case):
    refused(case, write(case, host={"qemu": "/not/there/qemu"}), "start VM", "/not/there/qemu")


def test_qemu_that_fails(case):
    refused(case, write(case, host={"qemu": "/bin/false"}), "start VM", "/bin/false")


def test_missing_user(case):
    refused(case, write(case, host={"qemu_user": "no-such-user", "qemu_uid_range": ""}), "no-such-user")


def test_drop_in(case):
    """FILE.d/*.conf is read too, and an error in it names the drop-in."""
    config = write(case)
    folder = case.directory / "wrong.conf.d"
    folder.mkdir()
    (folder / "10-more.conf").write_text("[guest]\nkernel = /from/the/drop-in\n")
    refused(case, config, "/from/the/drop-in")
    (folder / "10-more.conf").write_text("[guest]\ncolonel = /x\n")
    refused(case, config, "10-more.conf", "colonel")


def test_good_one_after_all(case):
    """After all those failures a good configuration runs, in the same containerd."""
    refused(case, write(case, guest={"initrd": initrd.write(case.directory / "i", initrd.PANICS)}), "start VM")
    assert case.run("echo", "ran").stdout == b"ran\n"
