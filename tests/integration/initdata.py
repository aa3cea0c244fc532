# SPDX-License-Identifier: Apache-2.0
"""Initdata: an annotation becomes a read-only disk of the guest; one that is wrong is an error of Create."""
import base64
import gzip
import json
import struct

from harness import ociconfig, vmconfig
from harness.case import contains, equal, one_line
from harness.initdata import LOOK, NAMES, TOML, annotation, expect_disk
from harness.shim import Shim

RUNTIMES = ("coco",)
SHARED_VM = "processes"
INVALID_ARGUMENT = 3

def run(case, *command, config=None, check=True, **annotations):
    flags = [word for key, value in annotations.items() for word in ("--annotation", f"{NAMES[key]}={value}")]
    if config:
        flags += ["--runtime-config-path", config]
    return case.run(*command, flags=("--privileged", *flags), check=check)


def test_the_guest_sees_it(case):
    """Under the annotation's older name. (The newer one, which comes before it: below, after what is wrong.)"""
    verify = case.clean()
    expect_disk(run(case, "sh", "-c", LOOK, old=annotation()).stdout, gzip.compress(TOML, mtime=0))
    verify()


def test_without_it_there_is_no_disk(case):
    equal(run(case, "ls", "/sys/block").stdout.decode().split().count("vda"), 0)


def test_from_the_config(case):
    """A file of TOML; the annotation comes before it."""
    toml = case.directory / "initdata.toml"
    toml.write_bytes(TOML.replace(b"sha384", b"sha256"))
    config = vmconfig.write(case.directory / "with-initdata.conf", guest={"initdata": toml})
    image = run(case, "sh", "-c", LOOK, config=config).stdout.split(b"\n")[3]
    image = base64.b64decode(image)
    equal(gzip.decompress(image[16:16 + struct.unpack("<Q", image[8:16])[0]]), toml.read_bytes())
    expect_disk(run(case, "sh", "-c", LOOK, config=config, new=annotation()).stdout, gzip.compress(TOML, mtime=0))


def refused(case, value, *pieces, config=None):
    verify = case.clean()
    result = run(case, "echo", "ran", new=value, config=config, check=False)
    assert result.returncode != 0 and result.stdout == b"", f"it ran: {result}"
    contains(one_line(result.stderr), "start VM", "annotation cc_init_data", "initdata", *pieces)
    verify()


def test_what_is_wrong_is_told(case):
    """Nothing starts, nothing is left, and the same containerd runs the next one, whose older name does not count."""
    refused(case, "nonsense!", "not base64")
    refused(case, "", "empty")
    refused(case, base64.b64encode(b"plain").decode(), "not valid gzip")
    refused(case, annotation()[:40], "cut off")
    refused(case, annotation(TOML.replace(b"0.1.0", b"0.2.0")), "version '0.2.0'")
    refused(case, annotation(TOML.replace(b"sha384", b"md5")), "algorithm 'md5'")
    refused(case, annotation(TOML + b"number = 1\n"), "line 9", "'number' is not a string")
    refused(case, annotation(b"\n" * (5 << 20)), "more than 4194304 bytes")
    expect_disk(run(case, "sh", "-c", LOOK, new=annotation(), old="nonsense").stdout, gzip.compress(TOML, mtime=0))


def test_the_code_of_create(case):
    """INVALID_ARGUMENT, which a client may show to whoever wrote the annotation; the pod's shim ends as after any failure."""
    verify = case.clean()
    spec = ociconfig.base("rootfs", "true")
    spec["annotations"] = {NAMES["new"]: annotation(TOML.replace(b"version", b"edition"))}
    shim = Shim(case, config_text=json.dumps(spec))
    shim.start()
    reply = shim.create()
    equal(reply.code, INVALID_ARGUMENT, reply.message)
    contains(reply.message, "line 1: unknown key 'edition'")
    shim.shutdown()
    shim.delete()
    verify()


OWN_VM = (test_the_guest_sees_it, test_from_the_config, test_what_is_wrong_is_told, test_the_code_of_create)
