# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the shim: containerd calls `delete`, and VM, processes, mounts, sockets and directories are gone; the exit is
reported as 137."""
from harness import ociconfig
from harness.case import contains, equal
from harness.container import kill_shim
from harness.shim import Shim

RUNTIMES = ("coco",)  # runc's shim leaves its socket and its processes


def test_while_running(case):
    verify = case.clean()
    events = case.events()
    container = case.container()
    kill_shim(case.node, container.id)
    line = events.wait("/tasks/exit", container.id, seconds=30)
    contains(line.replace(" ", ""), '"exit_status":137')
    events.wait("/tasks/delete", container.id, seconds=30)
    equal(container.status(), None)
    container.remove()
    events.close()
    verify()


def test_the_same_name_again(case):
    """What a killed shim left does not disturb the next container of the same name."""
    verify = case.clean()
    identifier = case.node.new_id()
    for _ in range(2):
        events = case.events()
        container = case.container(identifier=identifier)
        kill_shim(case.node, identifier)
        events.wait("/tasks/delete", identifier, seconds=30)
        events.close()
        container.remove()
    verify()


def test_delete_again(case):
    """`delete` is idempotent: a second one, with the VM long gone, succeeds and prints a response."""
    shim = Shim(case)
    shim.start()
    first = shim.delete(check=True)
    second = shim.delete(check=True)
    assert first.stdout and second.stdout
    equal((first.stderr, second.stderr), (b"", b""))


def test_with_clients_attached(case):
    """Clients that wait when the shim is killed come back."""
    container = case.container()
    client = case.node.popen(*container.exec_arguments("sh", "-c", "echo ready; exec sleep 1000"))
    equal(client.stdout.readline(), b"ready\n")
    kill_shim(case.node, container.id)
    assert case.node.finish(client, 60).returncode != 0


def test_a_member_is_nothing_without_its_sandbox(case):
    """The sandbox's shim crashed. In a VM of its own the container would run without its pod's namespaces and network."""
    spec = ociconfig.base("rootfs", "sleep", "1000")
    spec["annotations"] = {"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": "gone"}
    shim = Shim(case, spec=spec)
    result = shim.start(check=False)
    equal((result.returncode, result.stdout), (1, b""))
    equal(result.stderr.decode(), f"container '{shim.id}': the shim of its sandbox 'gone' is gone, and the VM with it")
    equal(case.node.pod_dir("gone").exists(), False)
