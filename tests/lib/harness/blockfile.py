# SPDX-License-Identifier: Apache-2.0
"""A containerd (1.7 or later) whose snapshots are ext4 images: its blockfile snapshotter."""
import os
import subprocess

from .containerd import Node

SEARCH = os.environ["PATH"] + ":/usr/sbin:/sbin"


def tool(*command):
    result = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                            check=False, env=dict(os.environ, PATH=SEARCH))
    assert result.returncode == 0, f"{command}: {result.stderr}"
    return result.stdout


class BlockfileNode(Node):
    snapshotter = "blockfile"

    def __init__(self, runtime, **options):
        super().__init__(runtime, **options)
        self.folder = self.base / "root" / "io.containerd.snapshotter.v1.blockfile"
        self.folder.mkdir(parents=True)
        # What each snapshot without a parent is a copy of.
        tool("mke2fs", "-q", "-t", "ext4", "-m", "0", self.folder / "scratch", "64M")
