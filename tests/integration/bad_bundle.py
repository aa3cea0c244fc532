# SPDX-License-Identifier: Apache-2.0
"""Bundles and ids that containerd would never pass on: the shim says what is wrong, and nothing is left."""
import json

from harness import ociconfig
from harness.case import contains
from harness.shim import Shim

RUNTIMES = ("coco",)

BROKEN = {
    "empty": "",
    "truncated": '{"ociVersion": "1.0.2", "process": {',
    "a list": "[]",
    "a number": "42",
    "bad types": '{"ociVersion":"1.0.2","process":{"args":"sh"},"root":{"path":"rootfs"}}',
    "no process": '{"ociVersion":"1.0.2","root":{"path":"rootfs"}}',
    "no root": '{"ociVersion":"1.0.2","process":{"args":["true"],"cwd":"/"}}',
    "deep": "[" * 200_000,
    "not UTF-8": '{"ociVersion":"1.0.2","hostname":"\\ud800","process":{"args":[]},"root":{}}',
}


def test_broken_config(case):
    """`start` refuses it, or Create does, in one line; never a crash."""
    for name, text in BROKEN.items():
        shim = Shim(case, config_text=text)
        result = shim.start(check=False)
        if result.returncode == 0:
            reply = shim.create()
            assert reply.code != 0 and reply.message, f"{name}: {reply}"
            shim.shutdown()
        else:
            assert result.returncode > 0, f"{name}: start died of signal {-result.returncode}"
            assert (result.stdout + result.stderr).strip(), f"{name}: no word about it"
        shim.delete(check=True)


def test_ids_that_climb(case):
    for name in ("..", "../../x", "a/b", "a b", "", "x" * 300):
        shim = Shim(case, identifier=name or " ")
        shim.id = name
        result = shim.start(check=False)
        assert result.returncode > 0, f"{name!r}: {result}"
        contains(result.stdout + result.stderr, "id", what=repr(name))


def test_missing_bundle_files(case):
    """Without config.json: an error that names it; `delete` of what never was is fine."""
    shim = Shim(case)
    (shim.bundle / "config.json").unlink()
    result = shim.start(check=False)
    if result.returncode == 0:
        reply = shim.create()
        assert reply.code != 0, reply
        contains(reply.message, "config.json")
        shim.shutdown()
    else:
        contains(result.stdout + result.stderr, "config.json")
    shim.delete(check=True)
    shim.delete(check=True)


def test_rootfs_that_is_not_there(case):
    spec = ociconfig.base("rootfs", "true")
    shim = Shim(case, config_text=json.dumps(spec))
    shim.start()
    reply = shim.create(rootfs=[{1: "bind", 2: str(case.directory / "not-there"), 4: ["rbind"]}])
    assert reply.code != 0, reply
    contains(reply.message, "not-there")
    shim.shutdown()
