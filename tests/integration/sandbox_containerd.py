# SPDX-License-Identifier: Apache-2.0
"""A sandbox made by containerd 2 itself, whose controller calls the Sandbox service."""
import json

from harness.case import equal

SUITE = "containerd"
RUNTIMES = ("coco",)
RELEASES = ("forky",)


def test_sandbox_of_ctr(case):
    """`ctr sandbox run`, and `ctr run --sandbox` into it: one VM, and neither `start` nor `delete` for its containers."""
    node = case.private_node(cri=True)  # which brings the service for sandboxes
    verify = case.clean(node)
    config = case.directory / "sandbox.json"
    config.write_text(json.dumps({"ociVersion": "1.0.2"}))
    identifier = node.new_id()
    node.ctr("sandbox", "run", "--runtime", node.runtime_name, config, identifier, seconds=120)
    before = {p.pid for p in node.leftover_processes()}
    for number in range(2):
        result = node.run("sh", "-c", f"echo {number}; exit {number}", flags=("--rm", "--sandbox", identifier), check=False)
        equal((result.stdout, result.returncode), (f"{number}\n".encode(), number))
    equal(before - {p.pid for p in node.leftover_processes()}, set(), "processes of the sandbox that have ended")
    equal(len([p for p in node.leftover_processes() if "qemu-system" in p.name]), 1)
    node.ctr("sandbox", "rm", identifier)
    equal([str(p) for p in node.leftover_processes()], [])
    verify()
