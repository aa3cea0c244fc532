# SPDX-License-Identifier: Apache-2.0
"""What happens while containerd is away is told when it is back: each event once, in order. Commands come from a client of the
shim's own socket meanwhile. containerd logs each event that it takes from a shim; a subscriber could not be there in time."""
import json
import re
import signal

from harness import events, wire
from harness.case import equal
from harness.ttrpc import TASK, Connection

SUITE = "containerd"
RUNTIMES = ("coco",)  # runc's shim of 1.7 tells them in another order
FORWARDED = re.compile(r'msg="event forwarded" .*topic=(/tasks/\S+)')
EXEC = ["/tasks/exec-added", "/tasks/exec-started", "/tasks/exit"]
PROCESS = {1: "types.containerd.io/opencontainers/runtime-spec/1/Process",
           2: json.dumps({"args": ["sh", "-c", "exit 7"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}})}


def service(node, identifier):
    """The Task service that the shim has announced to containerd."""
    bootstrap = node.bundle(identifier) / "bootstrap.json"
    third = bootstrap.exists() and json.loads(bootstrap.read_text())["version"] == 3
    return TASK.replace("v2", "v3") if third else TASK


def test_told_later_in_order(case):
    node = case.private_node(level="trace")  # where containerd 1.7 tells of events
    container = case.container_on(node)
    client = Connection(node.shim_address(container.id), seconds=60)
    case.defer(client.close)
    name = service(node, container.id)

    def call(method, fields):
        reply = client.call(name, method, wire.message({1: container.id} | fields), 60)
        equal(reply.code, 0, f"{method}: {reply.message}")
        return reply.payload

    node.stop(signal.SIGKILL)
    mark = node.log.stat().st_size
    for number in range(5):
        exec_id = {2: f"away{number}"}
        call("Exec", exec_id | {7: PROCESS})
        call("Start", exec_id)
        equal(wire.one(call("Wait", exec_id), 1), 7)
    call("Kill", {3: 9})
    equal(wire.one(call("Wait", {}), 1), 137)
    wanted = EXEC * 5 + ["/tasks/exit"]
    node.start()

    def told():
        return FORWARDED.findall(node.log.read_text(errors="replace")[mark:])
    events.wait_until(lambda: len(told()) >= len(wanted), [node.base], 60)
    equal(told(), wanted)
    container.remove()
