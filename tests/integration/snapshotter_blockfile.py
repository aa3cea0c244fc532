# SPDX-License-Identifier: Apache-2.0
"""The blockfile snapshotter (where the machine's containerd is 1.6, which has none, that of Debian 13): an image imported with
it runs from a disk of the VM, and what a container writes is in its snapshot, in whole."""
from harness.blockfile import BlockfileNode, tool
from harness.case import contains, equal
from harness.containerd_release import Release

RUNTIMES = ("coco",)


def release_for(node):
    if node.line >= (1, 7):
        return node.release
    release = Release("trixie")
    release.prepare()
    return release


def test_run(case):
    node = BlockfileNode(case.runtime, release=release_for(case.node))
    case.defer(node.close)
    node.start()
    result = node.run("sh", "-c", "grep ' / ' /proc/mounts; ls /sys/block")
    contains(result.stdout, "/dev/vda / ext4 rw", "\nvda\n")
    verify = case.clean(node)
    container = case.container_on(node, "sh", "-c", "echo kept > /made; echo written; sleep 1000", log=case.directory / "log")
    container.wait_for_log("written")
    container.task("delete", "--force", container.id)
    snapshots = {path: tool("debugfs", "-R", "cat /made", path) for path in (node.folder / "snapshots").iterdir()}
    written = [path for path, text in snapshots.items() if text == "kept\n"]
    equal(len(written), 1, repr(snapshots))
    state = tool("dumpe2fs", "-h", written[0])
    contains(state, "clean")
    assert "needs_recovery" not in state, state
    container.remove()
    verify()
