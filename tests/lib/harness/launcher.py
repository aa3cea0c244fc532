# SPDX-License-Identifier: Apache-2.0
"""coco-vmm as from a terminal, without any shim; its guest is mute unless told otherwise."""
import json

from . import initrd, paths, processes, vmconfig


class Launcher:
    def __init__(self, case, **changes):
        changes.setdefault("guest", {}).setdefault("initrd", initrd.write(case.directory / "mute.img", initrd.MUTE))
        self.base = case.node.run_dir
        self.run_dir = self.base / "aaaabbbbccccddddeeee"
        self.share = case.directory / "share"
        self.share.mkdir()
        self.config = vmconfig.write(case.directory / "vm.conf", **changes)
        self.options = ["--config", self.config, "--run-dir", self.run_dir, "--share", self.share]
        case.defer(self.destroy)

    def call(self, *arguments, check=True, seconds=60):
        return processes.run([paths.LAUNCHER, *arguments], check=check, seconds=seconds)

    def launch(self, *more, check=True, request=None):
        """The JSON lines of one launch; request: what it waits for."""
        wait, stdin = (("--wait",), (json.dumps(request) + "\n").encode()) if request is not None else ((), None)
        result = processes.run([paths.LAUNCHER, "launch", *self.options, *wait, *more], check=check, seconds=60, stdin=stdin)
        return [json.loads(line) for line in result.stdout.splitlines()], result

    def destroy(self, check=True):
        return self.call("destroy", "--run-dir", self.run_dir, check=check)

    def listing(self):
        return json.loads(self.call("list", "--base", self.base, "--json").stdout or b"[]")
