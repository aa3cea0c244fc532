# SPDX-License-Identifier: Apache-2.0
"""The guest image: two builds give identical bytes, it is small, and its manifest tells the truth about it."""
import hashlib
import json

from harness import paths, processes
from harness.case import equal

SUITE = "image"
TOGETHER = "guest image cache"
RUNTIMES = ("coco",)
SECONDS = 600
FILES = ("vmlinuz", "initrd.img", "manifest.json")
LIMIT = 20_000_000


def build(directory):
    """With the packages that the build of the tests has fetched: the mirror is not what is tested."""
    processes.run([paths.SOURCE / "guest" / "image" / "build", "--quiet", "--out", directory, "--agent", paths.AGENT,
                   "--cache", paths.BUILD / "guest-image.cache"], seconds=SECONDS)
    return {name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in FILES}


def test_reproducible(case):
    first = build(case.directory / "one")
    second = build(case.directory / "another-name")
    equal(second, first)


def test_small(_case):
    size = sum((paths.GUEST_IMAGE / name).stat().st_size for name in ("vmlinuz", "initrd.img"))
    assert size < LIMIT, f"{size} bytes"


def test_manifest(_case):
    manifest = (paths.GUEST_IMAGE / "manifest.json").read_text()
    json.loads(manifest)
    for name in ("vmlinuz", "initrd.img"):
        digest = hashlib.sha256((paths.GUEST_IMAGE / name).read_bytes()).hexdigest()
        assert digest in manifest, f"the manifest has another checksum of {name}"
