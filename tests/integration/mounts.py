# SPDX-License-Identifier: Apache-2.0
"""Mounts of config.json: binds of files and directories with their options, tmpfs, /dev/shm; what cannot work in a VM is
refused with a word about it."""
import os
import socket

from harness import ociconfig
from harness.case import contains, equal, one_line

SHARED_VM = "tasks"


def run(case, script, *mounts):
    spec = ociconfig.base(ociconfig.root_file_system(case.directory), "sh", "-c", script)
    spec["mounts"] += mounts
    config = ociconfig.write(case.directory / "config.json", spec)
    return case.node.ctr(*case.node.run_arguments(case.node.new_id(), flags=("--rm",), config=config), check=False)


def bind(source, destination, *options):
    return {"destination": destination, "type": "bind", "source": str(source), "options": ["rbind", *options]}


def test_options_of_a_directory(case):
    """ro, noexec, nosuid, nodev and rprivate hold; without them the same directory is writable and runs programs."""
    directory = case.directory / "shared"
    directory.mkdir()
    program = directory / "program"
    program.write_text("#!/bin/sh\necho it runs\n")
    program.chmod(0o755)
    script = ("/a/program; touch /a/x && echo a written; /b/program 2>/dev/null || echo b refuses to run; "
              "touch /b/y 2>/dev/null || echo b read-only; grep ' /b ' /proc/mounts | cut -d ' ' -f 4")
    result = run(case, script, bind(directory, "/a"), bind(directory, "/b", "ro", "noexec", "nosuid", "nodev", "rprivate"))
    *lines, options = result.stdout.decode().splitlines()
    equal(lines, ["it runs", "a written", "b refuses to run", "b read-only"])
    missing = {"ro", "noexec", "nosuid", "nodev"} - set(options.split(","))
    equal(missing, set(), options)
    assert (directory / "x").exists() and not (directory / "y").exists()


def test_file(case):
    """Single files, as for /etc/hosts: one to read, one to write; what is written is on the host."""
    hosts, out = case.directory / "hosts", case.directory / "out"
    hosts.write_text("127.0.0.1 here\n")
    out.write_text("")
    result = run(case, "cat /etc/hosts; echo written > /etc/out; echo x > /etc/hosts || echo refused",
                 bind(hosts, "/etc/hosts", "ro"), bind(out, "/etc/out"))
    equal(result.stdout, b"127.0.0.1 here\nrefused\n")
    equal((out.read_text(), hosts.read_text()), ("written\n", "127.0.0.1 here\n"))


def test_nested(case):
    """A file inside a directory that is itself a mount, and a mount point that is not there yet."""
    directory, file = case.directory / "outer", case.directory / "file"
    (directory / "sub").mkdir(parents=True)
    (directory / "sub" / "f").write_text("below\n")
    file.write_text("above\n")
    result = run(case, "cat /m/sub/f /new/deep/file", bind(directory, "/m"), bind(file, "/m/sub/f"),
                 bind(file, "/new/deep/file"))
    equal(result.stdout, b"above\nabove\n")


def test_tmpfs_and_shm(case):
    """tmpfs with its options; /dev/shm as CRI binds it is memory of the container's own side, shared and writable."""
    shm = case.directory / "shm"
    shm.mkdir()
    result = run(case, "stat -c %a /scratch; df -k /scratch | tail -1 | awk '{print $2}'; echo x > /dev/shm/f && cat /dev/shm/f",
                 {"destination": "/scratch", "type": "tmpfs", "source": "tmpfs", "options": ["size=2048k", "mode=711"]},
                 bind(shm, "/dev/shm", "rw"))
    equal(result.stdout.split(), [b"711", b"2048", b"x"])


def test_missing_source(case):
    result = run(case, "true", bind(case.directory / "not-there", "/x"))
    assert result.returncode != 0
    contains(result.stderr, "not-there")


def refused(case, mount, *words):
    verify = case.clean()
    result = run(case, "true", mount)
    assert result.returncode != 0, result
    contains(one_line(result.stderr), *words)
    verify()


def test_socket_of_the_host(case):
    path = case.directory / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        refused(case, bind(path, "/run/socket"), str(path), "does not work in a VM")


def test_fifo_of_the_host(case):
    path = case.directory / "fifo"
    os.mkfifo(path)
    refused(case, bind(path, "/run/fifo"), str(path), "does not work in a VM")


def test_bidirectional_propagation(case):
    refused(case, bind(case.directory, "/x", "rshared"), "/x", "does not work in a VM")


def test_devices_of_the_host(case):
    """What exists in every kernel is there; numbers of the host's hardware are left out, for they are others' here."""
    spec = ociconfig.base(ociconfig.root_file_system(case.directory), "sh", "-c", "ls /dev/memory /dev/disk /dev/fuse; true")
    spec["linux"]["devices"] = [{"path": "/dev/memory", "type": "c", "major": 1, "minor": 5},
                                {"path": "/dev/disk", "type": "b", "major": 254, "minor": 0},
                                {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}]
    config = ociconfig.write(case.directory / "config.json", spec)
    result = case.node.ctr(*case.node.run_arguments(case.node.new_id(), flags=("--rm",), config=config), check=False)
    equal(result.stdout.split(), [b"/dev/fuse", b"/dev/memory"], repr(result.stderr))
    assert "1 devices of the host are left out" in case.node.log.read_text(), "nothing in the log"


for function in (test_socket_of_the_host, test_fifo_of_the_host, test_bidirectional_propagation,
                 test_devices_of_the_host):
    function.runtimes = ("coco",)


OWN_VM = (test_options_of_a_directory, test_missing_source, test_socket_of_the_host)
