# SPDX-License-Identifier: Apache-2.0
"""What a pod costs the host beside its containers: tests/bench --overhead. Its figures stand in packaging/kubernetes/."""
import math
import pathlib
import re
import time

from . import processes
from .container import Container
from .containerd import Node

IDLE_SECONDS = 20
VM_MIB = {"none": 256, "TEE": 2048}  # [vm] memory_mib by default
ROUND_MIB = 16


def mappings(pid):
    """[(first line, {field: kB})] of a process."""
    found = []
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        field = re.match(r"(\w+): +(\d+) kB", line)
        if field:
            found[-1][1][field[1]] = int(field[2])
        elif re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            found.append((line, {}))
    return found


def pss_of(pid, wanted):
    return sum(fields["Pss"] for line, fields in mappings(pid) if wanted(line, fields))


def is_guest(_, fields):
    return fields["Size"] == VM_MIB["none"] * 1024


def is_translated(line, fields):
    """TCG's buffer; with KVM there is none."""
    return line.split()[1].startswith("rwx") and fields["Size"] > 16 * 1024


def status_kib(pid, name):
    return int(re.search(rf"^{name}:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1])


def of_the_pod(node, identifier):
    """[(what, pid)] of all that runs on the host for this pod."""
    mark, shim = str(node.pod_dir(identifier)), node.shim_pid(identifier)
    found = [("shim", shim)]
    for process in processes.table().values():
        if process.state not in "ZX" and process.pid != shim and mark in process.command:
            found.append(("QEMU" if process.name.startswith("qemu-system") else process.name, process.pid))
    return found


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / 100


def look(node, identifier):
    found = of_the_pod(node, identifier)
    qemu = next(pid for what, pid in found if what == "QEMU")
    guest, translated, guest_size = pss_of(qemu, is_guest), pss_of(qemu, is_translated), VM_MIB["none"] * 1024
    assert guest > 0, "QEMU has no mapping of the guest's size"
    parts = {}
    for what, pid in found:
        parts[what] = parts.get(what, 0) + processes.memory(pid)["pss"]
    parts["QEMU"] -= guest + translated
    parts["page tables"] = sum(status_kib(pid, "VmPTE") for _, pid in found)
    before = cpu_seconds(pid for _, pid in found)
    time.sleep(IDLE_SECONDS)
    cpu = (cpu_seconds(pid for _, pid in found) - before) / IDLE_SECONDS
    # Each page of a guest that uses all of its memory has an entry, here and with KVM in the nested tables, too.
    full_tables = 2 * guest_size // 512
    return {"parts_kB": parts, "translated_kB": translated, "guest_touched_kB": guest, "guest_kB": guest_size, "full_tables_kB": full_tables,
            "idle_millicores": round(cpu * 1000, 1)}


def fixed_mib(result):
    """{kind of VM: podFixed.memory}: the VM's own memory, for a guest fills what it has with its page cache, and all else."""
    rest = sum(result["parts_kB"].values()) / 1024
    return {kind: ROUND_MIB * math.ceil((rest + own + 2 * own / 512) / ROUND_MIB) for kind, own in VM_MIB.items()}


def bench():
    node = Node("coco")
    try:
        node.start()
        container = Container(node, "sleep", "3600")
        container.exec("true")
        result = look(node, container.id)
        result["pod_fixed_MiB"] = fixed_mib(result)
        container.remove()
        return result
    finally:
        node.close()


def report(result):
    print("what a pod costs the host beside its containers, PSS:")
    for what, kib in result["parts_kB"].items():
        print(f"  {what:44}{kib / 1024:9.1f} MiB")
    print(f"  {'all of these':44}{sum(result['parts_kB'].values()) / 1024:9.1f} MiB")
    print(f"  {'guest memory in use':44}{result['guest_touched_kB'] / 1024:9.1f} of {result['guest_kB'] // 1024} MiB, which a guest "
          "fills in time")
    print(f"  {'page tables of all guest memory':44}{result['full_tables_kB'] / 1024:9.1f} MiB")
    print(f"  {'code that TCG translated, not with KVM':44}{result['translated_kB'] / 1024:9.1f} MiB")
    print(f"  {'CPU, idle':44}{result['idle_millicores']:9.1f} millicores")
    for kind, mib in result["pod_fixed_MiB"].items():
        print(f"podFixed.memory, tee = {kind:8} ([vm] memory_mib = {VM_MIB[kind]}): {mib}Mi")
