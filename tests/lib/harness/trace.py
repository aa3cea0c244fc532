# SPDX-License-Identifier: Apache-2.0
"""Where the time of an exec goes, hop by hop: COCO_TRACE makes shim and agent log how long each call took them."""
import re
import statistics
import time

from . import events, vmconfig
from .container import Container
from .containerd import Node

LINE = re.compile(r"trace: (\w+) (\S+) (\d+) us")
AGENT = "called grpc.AgentService/"


def hops(text):
    """{"served Start": [milliseconds, …], …} of a log."""
    found = {}
    for hop, what, value in LINE.findall(text):
        found.setdefault(f"{hop} {what}", []).append(int(value) / 1000)
    return found


def _read_from(path, mark):
    with open(path, "rb") as file:
        file.seek(mark)
        return file.read().decode(errors="replace")


def exec_of_true(runs):
    """Medians in milliseconds; the shares of shim, wire and agent are differences within one run."""
    node = Node("coco", env={"COCO_TRACE": "1"})
    try:
        node.config = vmconfig.write(node.base / "coco.conf", guest={"cmdline": "COCO_TRACE=1"})
        node.start()
        container = Container(node, "sleep", "3600")
        console = node.pod_dir(container.id) / "console.log"
        container.exec("true")  # the first one fills the guest's page cache
        events.wait_for_text(console, "crun exec", 10)
        time.sleep(0.5)  # the lines of the warm-up are written when the guest is idle
        marks = node.log.stat().st_size, console.stat().st_size
        walls = []
        for _ in range(runs):
            started = time.monotonic()
            container.exec("true")
            walls.append((time.monotonic() - started) * 1000)
        time.sleep(0.5)
        host, guest = hops(_read_from(node.log, marks[0])), hops(_read_from(console, marks[1]))
        container.remove()
        return _shares(host, guest, walls)
    finally:
        node.close()


def _shares(host, guest, walls):
    middle = {name: statistics.median(values) for name, values in
              {**{f"shim: {k}": v for k, v in host.items()}, **{f"agent: {k}": v for k, v in guest.items()}}.items()}
    start, call = middle["shim: served Start"], middle[f"shim: {AGENT}ExecProcess"]
    served, crun = middle["agent: served ExecProcess"], middle["agent: crun exec"]
    return {"runs": len(walls), "wall_ms": statistics.median(walls), "shim_exec_ms": middle["shim: served Exec"],
            "shim_start_ms": start, "shim_own_ms": middle["shim: served Exec"] + start - call,
            "wire_ms": call - served, "agent_ms": served, "agent_own_ms": served - crun, "crun_ms": crun}


def report(shares):
    def row(name, key):
        print(f"{name:58}{shares[key]:>9.2f} ms")

    print(f"exec of true, medians of {shares['runs']}")
    row("ctr task exec … true, as ctr sees it", "wall_ms")
    row("  shim: Exec, from the request to the answer", "shim_exec_ms")
    row("  shim: Start, from the request to the answer", "shim_start_ms")
    row("    the shim's own part of both", "shim_own_ms")
    row("    on the wire to the agent and back", "wire_ms")
    row("    agent: ExecProcess, from the request to the answer", "agent_ms")
    row("      the agent's own part", "agent_own_ms")
    row("      crun exec", "crun_ms")
