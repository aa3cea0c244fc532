# SPDX-License-Identifier: Apache-2.0
"""containerd's subscribers see the life of a task: each event once, in order, with the right numbers."""
import json

from harness.case import equal

SHARED_VM = "tasks"


def body(line):
    return json.loads(line[line.index("{"):])


def delete_is_told(case, events, identifier):
    """runc's shim of 2.1.9 ends, now and then (8 times of 60), before it has sent this event. Every other has to."""
    if case.runtime == "runc" and case.node.line >= (2, 0):
        return "/tasks/delete" in [topic for topic, line in events.seen if identifier in line]
    return bool(events.wait("/tasks/delete", identifier))


def test_life_of_a_task(case):
    events = case.events()
    identifier = case.node.new_id()
    case.run("sh", "-c", "exit 17", identifier=identifier, check=False)
    events.wait("/containers/delete", identifier)
    topics = ["/tasks/create", "/tasks/start", "/tasks/exit", "/tasks/delete"]
    if not delete_is_told(case, events, identifier):
        topics.remove("/tasks/delete")
    mine = [(topic, body(line)) for topic, line in events.seen if topic.startswith("/tasks/") and identifier in line]
    equal([topic for topic, _ in mine], topics)
    values = dict(mine)
    equal({v["container_id"] for v in values.values()}, {identifier})
    pids = {v["pid"] for v in values.values()}
    assert len(pids) == 1 and pids.pop() > 0, mine
    equal((values["/tasks/exit"]["id"], values["/tasks/exit"]["exit_status"]), (identifier, 17))
    deleted = values.get("/tasks/delete", {"exit_status": 17})
    equal(deleted["exit_status"], 17)
    assert not deleted.get("id"), "an id would be that of an exec"


def test_life_of_an_exec(case):
    container = case.container()
    events = case.events()
    container.exec("sh", "-c", "exit 9", check=False)
    line = events.wait("/tasks/exit", "e1")
    equal((body(line)["container_id"], body(line)["id"], body(line)["exit_status"]), (container.id, "e1", 9))
    topics = [topic for topic, line in events.seen if container.id in line]
    equal(topics[:3], ["/tasks/exec-added", "/tasks/exec-started", "/tasks/exit"])


def test_pause_and_resume(case):
    container = case.container()
    events = case.events()
    container.task("pause", container.id)
    events.wait("/tasks/paused", container.id)
    container.task("resume", container.id)
    events.wait("/tasks/resumed", container.id)


def test_exec_that_cannot_start(case):
    """It was added, and that is all."""
    container = case.container()
    events = case.events()
    result = container.exec("/no/such/program", check=False)
    assert result.returncode != 0, result
    container.kill()
    events.wait("/tasks/exit", container.id)
    ours = [topic for topic, line in events.seen if container.id in line]
    equal(ours[:2], ["/tasks/exec-added", "/tasks/exit"])


def test_execs_end_before_their_container(case):
    container = case.container()
    popen = case.node.popen(*container.exec_arguments("sh", "-c", "echo ready; exec sleep 1000", exec_id="inner"))
    equal(popen.stdout.readline(), b"ready\n")
    events = case.events()
    container.kill()
    events.wait("/tasks/exit", f'"id":"{container.id}"')
    case.node.finish(popen)
    ended = [body(line)["id"] for topic, line in events.seen if topic == "/tasks/exit" and container.id in line]
    equal(ended, ["inner", container.id])


test_execs_end_before_their_container.runtimes = ("coco",)  # runc's shim of 1.6 tells them as they come


EVERY_CONTAINERD = (test_life_of_a_task, test_life_of_an_exec)


OWN_VM = (test_life_of_a_task,)
