# SPDX-License-Identifier: Apache-2.0
"""Where the source tree and the build directory keep what the tests run."""
import os
import pathlib

SOURCE = pathlib.Path(__file__).resolve().parents[3]
TESTS = SOURCE / "tests"
BUILD = pathlib.Path(os.environ.get("COCO_TEST_BUILD", SOURCE / "build")).resolve()

# In a node VM the installed packages are what is tested, and BUILD only has what the tests need besides.
PREFIX = os.environ.get("COCO_TEST_PREFIX")
SHIM_DIR = pathlib.Path(PREFIX, "bin") if PREFIX else BUILD / "shim"
SHIM = SHIM_DIR / "containerd-shim-coco-v2"
LAUNCHER = pathlib.Path(PREFIX, "bin", "coco-vmm") if PREFIX else BUILD / "vmm" / "coco-vmm"
AGENT = pathlib.Path(PREFIX, "libexec", "coco", "coco-agent") if PREFIX else BUILD / "guest" / "coco-agent"
HOSTILE_AGENT = BUILD / "tests" / "lib" / "hostile-agent"
PATTERN = BUILD / "tests" / "container" / "pattern"
ECHO_SERVER = BUILD / "tests" / "container" / "echo-server"
MEMORY_HOG = BUILD / "tests" / "container" / "memory-hog"
GUEST_IMAGE = pathlib.Path(os.environ.get("COCO_TEST_GUEST", BUILD / "guest-image")).resolve()
KERNEL = GUEST_IMAGE / "vmlinuz"
INITRD = GUEST_IMAGE / "initrd.img"
# QEMU's capabilities are probed once for all tests of a build: 0.6 to 3.7 s, each time they are not cached.
CAPABILITY_CACHE = BUILD / "capability-cache"
