# SPDX-License-Identifier: Apache-2.0
"""No space left in the run directory: one clear error, nothing left; with space again it runs."""
import subprocess

from harness import processes
from harness.case import contains, equal, one_line

RUNTIMES = ("coco",)


def small_run_dir(case, options):
    run_dir = case.directory / "r"
    run_dir.mkdir(mode=0o711)
    processes.run(["mount", "-t", "tmpfs", "-o", f"mode=711,{options}", "tmpfs", run_dir])
    case.defer(lambda: subprocess.run(["umount", "-l", run_dir], check=False))
    return run_dir


def fill(directory):
    """Every last byte."""
    with open(directory / "filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass


def attempt(case, run_dir, node):
    verify = case.clean(node)
    result = node.run("true", check=False)
    assert result.returncode != 0, "it ran on a full disk"
    contains(result.stderr, str(run_dir), "No space left")
    one_line(result.stderr)
    verify()


def test_no_bytes(case):
    run_dir = small_run_dir(case, "size=64k")
    node = case.private_node(run_dir=run_dir)
    fill(run_dir)
    attempt(case, run_dir, node)
    (run_dir / "filler").unlink()
    processes.run(["mount", "-o", "remount,size=64m", run_dir])
    equal(node.run("echo", "ran").stdout, b"ran\n")


def test_no_inodes(case):
    """tmpfs with room for a handful of files: it fails somewhere in the middle of the launch."""
    for inodes in (2, 5, 8, 12):
        case._directory = None
        run_dir = small_run_dir(case, f"nr_inodes={inodes}")
        node = case.private_node(run_dir=run_dir)
        attempt(case, run_dir, node)
        node.close()


def test_read_only(case):
    run_dir = small_run_dir(case, "size=1m")
    node = case.private_node(run_dir=run_dir)
    processes.run(["mount", "-o", "remount,ro", run_dir])
    result = node.run("true", check=False)
    assert result.returncode != 0
    contains(result.stderr, str(run_dir), "Read-only")
