# SPDX-License-Identifier: Apache-2.0
"""A pod that insists on a TEE, by the name of its runtime or by an annotation, starts with no other config."""
import json
import shutil

from harness import ociconfig
from harness.case import contains, equal, one_line
from harness.shim import BINARIES, Shim

RUNTIMES = ("coco",)
INVALID_ARGUMENT = 3


class Linked(Shim):
    """The shim by another name, as a RuntimeClass has it."""
    def command(self, verb, *more):
        link = self.case.directory / "containerd-shim-coco-snp-v2"
        if not link.is_symlink():
            link.symlink_to(shutil.which(BINARIES["coco"], path=self.node.environment["PATH"]))
        return [str(link), *super().command(verb, *more)[1:]]


def refused(case, shim, *pieces):
    shim.start()
    reply = shim.create()
    equal(reply.code, INVALID_ARGUMENT, reply.message)
    contains(reply.message, "[vm] tee: it is 'none', and 'snp' is required", str(case.node.config), *pieces)
    shim.shutdown()
    shim.delete()


def test_the_name(case):
    """Whatever $COCO_CONFIG says, and the runtime's options."""
    verify = case.clean()
    refused(case, Linked(case))
    verify()


def test_the_name_picks_a_file(case):
    """Through a link, too."""
    shim = Linked(case)
    environment = {key: value for key, value in shim.environment().items() if key != "COCO_CONFIG"}
    shim.environment = lambda: environment
    shim.start()
    contains(shim.create().message, "qemu-snp.conf")
    shim.shutdown()


def test_the_annotation(case):
    verify = case.clean()
    spec = ociconfig.base("rootfs", "true")
    spec["annotations"] = {"io.coco-runtime.tee": "snp"}
    refused(case, Shim(case, config_text=json.dumps(spec)))
    flags = ("--annotation", "io.coco-runtime.tee=none")
    equal(case.run("echo", "ran", flags=flags).stdout, b"ran\n")
    flags = ("--annotation", "io.coco-runtime.tee=what it may be")
    contains(one_line(case.run("echo", "ran", flags=flags, check=False).stderr), "is not the name of a TEE")
    verify()
