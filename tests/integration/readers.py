# SPDX-License-Identifier: Apache-2.0
"""A slow reader slows its own stream only; a reader that goes away does not kill the container."""
from harness import paths, processes
from harness.case import equal

SHARED_VM = "streams"
SIZE = 20 * 1000 * 1000


def test_slow_reader(case):
    """While nobody reads stdout the process is held back, and everything else still answers; then no byte is lost."""
    identifier = case.node.new_id()
    # ctr copies the fifo to its own stdout, so leaving that pipe unread holds the whole chain back.
    script = f"pattern 1 {SIZE}; echo written >&2"
    popen = case.node.popen(*case.node.run_arguments(identifier, "sh", "-c", script, flags=("--rm",)))
    first = popen.stdout.read(4096)
    for number in range(3):
        result = case.node.ctr("task", "exec", "--fifo-dir", case.node.base / "fifo", "--exec-id", f"side{number}",
                               identifier, "sh", "-c", f"echo side {number}", seconds=30)
        equal(result.stdout, f"side {number}\n".encode())
    status = case.node.ctr("task", "ls").stdout.decode()
    assert f"{identifier} " in status and "RUNNING" in status, f"the writer was not held back: {status}"
    result = case.node.finish(popen, 120)
    wanted = processes.run([paths.PATTERN, "1", str(SIZE)]).stdout
    got = first + result.stdout
    same = next((i for i in range(0, SIZE, 4096) if got[i:i + 4096] != wanted[i:i + 4096]), SIZE)
    equal((len(got), same), (SIZE, SIZE), "bytes, and the same up to")
    equal((result.returncode, result.stderr), (0, b"written\n"))


def test_reader_goes_away(case):
    """ctr is killed while the container writes: the container lives on, and can be driven by the next client."""
    identifier = case.node.new_id()
    popen = case.node.popen(*case.node.run_arguments(
        identifier, "sh", "-c", "i=0; while :; do i=$((i+1)); echo line $i; echo $i >> /tmp/count; done", flags=()))
    case.defer(lambda: (case.node.ctr("task", "delete", "--force", identifier, check=False),
                        case.node.ctr("container", "delete", identifier, check=False)))
    popen.stdout.readline()
    popen.kill()
    popen.communicate()
    processes.disown(popen)
    result = case.node.ctr("task", "exec", "--fifo-dir", case.node.base / "fifo", "--exec-id", "after", identifier,
                           "sh", "-c", "test -s /tmp/count && kill -0 1 && echo alive", seconds=30)
    equal(result.stdout, b"alive\n")


def test_stdout_closed_by_process(case):
    """A process may close its own streams and go on."""
    result = case.run("sh", "-c", "echo one; exec >&- 2>&-; sleep 0.1; exit 5", check=False)
    equal((result.returncode, result.stdout), (5, b"one\n"))


OWN_VM = (test_reader_goes_away,)
