# SPDX-License-Identifier: Apache-2.0
"""What the sanitizers of a sanitizer build have to say (tests/run --sanitize): a process of ours whose standard error
nobody reads, such as a shim, writes it to a file of its own, and the test that it ran for has failed. The agent in a guest
writes to the console; its options are compiled in (guest/agent/sanitizer-options.c)."""
import os
import pathlib

MESON_OPTIONS = ("-Db_sanitize=address,undefined", "-Dguest_static=false")


def prepare(folder):
    """For all processes from now on. Everybody may write: QEMU's user is one of them."""
    folder.chmod(0o777)
    os.environ["COCO_TEST_SANITIZERS"] = str(folder)
    os.environ["ASAN_OPTIONS"] = f"log_path={folder}/asan:detect_leaks=1"
    os.environ["UBSAN_OPTIONS"] = f"log_path={folder}/ubsan:print_stacktrace=1"


def own_folder(number):
    """For a lane of its own, whose reports are those of its tests."""
    if "COCO_TEST_SANITIZERS" in os.environ:
        folder = pathlib.Path(os.environ["COCO_TEST_SANITIZERS"], f"lane-{number}")
        folder.mkdir(exist_ok=True)
        prepare(folder)


def reports():
    """The texts since the last call."""
    folder = os.environ.get("COCO_TEST_SANITIZERS")
    files = sorted(path for path in pathlib.Path(folder).iterdir() if path.is_file()) if folder else []
    texts = [file.read_text(errors="replace") for file in files]
    for file in files:
        file.unlink()
    return texts
