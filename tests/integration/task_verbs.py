# SPDX-License-Identifier: Apache-2.0
"""ps, metrics, pause, resume, attach, delete: the verbs of `ctr task`."""
from harness.case import contains, equal

SHARED_VM = "tasks"


def test_list_and_ps(case):
    container = case.container("sh", "-c", "sleep 1000 & exec sleep 1001")
    equal(container.status(), "RUNNING")
    assert container.pid() > 0
    lines = container.task("ps", container.id).stdout.decode().splitlines()
    assert len(lines) >= 2 and lines[0].split()[0] == "PID", lines
    assert all(int(line.split()[0]) > 0 for line in lines[1:]), lines


def test_ps_names_execs(case):
    container = case.container()
    popen = case.node.popen(*container.exec_arguments("sh", "-c", "echo ready; exec sleep 1000", exec_id="named"))
    equal(popen.stdout.readline(), b"ready\n")
    contains(container.task("ps", container.id).stdout, "named")
    container.task("kill", "--signal", "SIGKILL", "--exec-id", "named", container.id)
    case.node.finish(popen)


def test_metrics(case):
    container = case.container()
    text = container.task("metrics", container.id).stdout.decode()
    values = {words[0]: words[1] for words in map(str.split, text.splitlines()) if len(words) == 2}
    used = values.get("memory.usage_in_bytes", values.get("memory.usage"))
    assert used and int(used) > 0, text
    current = values.get("pids.current")
    assert current and int(current) >= 1, text


def test_pause_and_resume(case):
    log = case.directory / "out"
    container = case.container("sh", "-c", "i=0; while :; do i=$((i+1)); echo $i; done", log=log)
    container.wait_for_log("\n10\n")
    container.task("pause", container.id)
    equal(container.status(), "PAUSED")
    result = container.exec("true", check=False)
    assert result.returncode != 0, "exec in a paused container must be refused"
    result = container.task("pause", container.id, check=False)
    assert result.returncode != 0, "pausing twice must be refused"
    container.task("resume", container.id)
    equal(container.status(), "RUNNING")
    size = log.stat().st_size
    equal(container.out("echo", "answers"), "answers")
    assert log.stat().st_size >= size


def test_attach(case):
    """A second client attaches, sees output that comes after, and gets the exit status."""
    fifos = case.directory
    identifier = case.node.new_id()
    first = case.node.popen(*case.node.run_arguments(
        identifier, "sh", "-c", "trap 'echo bye; exit 21' USR1; echo ready; sleep 1000 & while :; do wait; done",
        flags=("--fifo-dir", fifos)))
    equal(first.stdout.readline(), b"ready\n")
    attached = case.node.popen("task", "attach", identifier)
    case.node.ctr("task", "kill", "--signal", "SIGUSR1", identifier)
    results = [case.node.finish(first), case.node.finish(attached)]
    # Both delete the task when it has ended. Who comes second hears from containerd that it, or its shim, is gone.
    gone = [b"not found" in r.stderr or b"ttrpc: closed" in r.stderr for r in results]
    assert 21 in [r.returncode for r in results] and all(r.returncode == 21 or g for r, g in zip(results, gone)), results
    contains(b"".join(r.stdout for r in results), "bye")
    case.node.ctr("task", "delete", identifier, check=False)
    case.node.ctr("container", "delete", identifier, check=False)


def test_delete_of_a_running_task(case):
    container = case.container()
    result = container.task("delete", container.id, check=False)
    assert result.returncode != 0, "deleting a running task must be refused"
    equal(container.status(), "RUNNING")
    container.task("delete", "--force", container.id, check=False)
    equal(container.status(), None)


def test_delete_twice(case):
    container = case.stopped("true")
    container.task("delete", container.id)
    result = container.task("delete", container.id, check=False)
    assert result.returncode != 0
    contains(result.stderr, "not found")


OWN_VM = (test_delete_of_a_running_task,)
