# SPDX-License-Identifier: Apache-2.0
"""An image of 100 layers. With overlayfs they are more options than mount(2) takes at once."""
from harness import paths, processes
from harness.case import equal

IMAGE = "coco.local/layered:100"
LAYERS = 100


def test_hundred_layers(case):
    node = case.node
    tar = case.directory / "layered.tar"
    processes.run([paths.TESTS / "lib" / "make-oci-image", "--out", tar, "--name", IMAGE, "--layers", str(LAYERS)])
    node.ctr("images", "import", "--snapshotter", node.snapshotter, tar)
    case.defer(node.ctr, "images", "rm", "--sync", IMAGE)
    identifier = node.new_id()
    result = node.ctr("run", "--rm", "--runtime", node.runtime_name, "--snapshotter", node.snapshotter, "--fifo-dir",
                      node.base / "fifo", IMAGE, identifier, "sh", "-c", "ls /layers | wc -l; touch /layers/x && echo written")
    equal(result.stdout, f"{LAYERS - 1}\nwritten\n".encode())
