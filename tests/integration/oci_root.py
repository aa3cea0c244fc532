# SPDX-License-Identifier: Apache-2.0
"""What config.json says about the world around the process: root, mounts, masked and read-only paths, host name,
sysctls, devices, namespaces, resources."""
from harness import ociconfig
from harness.case import contains, equal

SHARED_VM = "processes"


def run_spec(case, script, change):
    spec = ociconfig.base(ociconfig.root_file_system(case.directory), "sh", "-c", script)
    change(spec)
    config = ociconfig.write(case.directory / "config.json", spec)
    return case.node.ctr(*case.node.run_arguments(case.node.new_id(), flags=("--rm",), config=config), check=False)


def test_read_only_root(case):
    def change(spec):
        spec["root"]["readonly"] = True
    result = run_spec(case, "touch /file || echo refused; touch /dev/shm/file && echo allowed", change)
    equal(result.stdout, b"refused\nallowed\n")
    contains(result.stderr, "Read-only file system")


def test_writable_root_reaches_the_host(case):
    """Without a snapshotter the root is the host's directory: what the process writes is there afterwards."""
    run_spec(case, "echo written > /tmp/file; chown 12:34 /tmp/file; chmod 640 /tmp/file", lambda spec: None)
    file = case.directory / "root" / "tmp" / "file"
    equal(file.read_text(), "written\n")
    status = file.stat()
    equal((status.st_uid, status.st_gid, status.st_mode & 0o777), (12, 34, 0o640))


def test_masked_and_readonly_paths(case):
    def change(spec):
        spec["linux"]["maskedPaths"] += ["/bin/ls", "/etc"]
        spec["linux"]["readonlyPaths"] += ["/tmp"]
    script = ("wc -c < /bin/ls; find /etc | wc -l; wc -c < /proc/timer_list; touch /tmp/x || echo tmp refused; "
              "echo 1 > /proc/sys/kernel/panic || echo sys refused; cat /bin/cat | wc -c | grep -q '^0$' || echo cat whole")
    result = run_spec(case, script, change)
    equal(result.stdout.decode().split("\n"), ["0", "1", "0", "tmp refused", "sys refused", "cat whole", ""])


def test_hostname(case):
    def change(spec):
        spec["hostname"] = "another-host"
    equal(run_spec(case, "hostname; cat /proc/sys/kernel/hostname", change).stdout, b"another-host\nanother-host\n")


def test_sysctls(case):
    def change(spec):
        spec["linux"]["sysctl"] = {"kernel.shm_rmid_forced": "1", "net.ipv4.ip_unprivileged_port_start": "80",
                                   "kernel.msgmax": "16384"}
    script = "cat /proc/sys/kernel/shm_rmid_forced /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax"
    result = run_spec(case, script, change)
    equal(result.returncode, 0, result.stderr.decode())
    equal(result.stdout.split(), [b"1", b"80", b"16384"])


def test_mounts(case):
    """tmpfs with options, a bind of a host directory (read-only) and of a single host file."""
    shared = case.directory / "shared"
    shared.mkdir()
    (shared / "inside").write_text("from the host\n")
    file = case.directory / "single"
    file.write_text("one file\n")

    def change(spec):
        spec["mounts"] += [
            {"destination": "/scratch", "type": "tmpfs", "source": "tmpfs", "options": ["size=1m", "mode=700"]},
            {"destination": "/shared", "type": "bind", "source": str(shared), "options": ["rbind", "ro"]},
            {"destination": "/etc/single", "type": "bind", "source": str(file), "options": ["rbind", "rw"]}]
    script = ("stat -c %a /scratch; head -c 2000000 /dev/zero > /scratch/f || echo full; cat /shared/inside /etc/single; "
              "touch /shared/x || echo refused")
    result = run_spec(case, script, change)
    equal(result.stdout.decode().split("\n"), ["700", "full", "from the host", "one file", "refused", ""])


def test_devices(case):
    def change(spec):
        spec["linux"]["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3, "fileMode": 0o622,
                                     "uid": 5, "gid": 6}]
        spec["linux"]["resources"]["devices"].append({"allow": True, "type": "c", "major": 1, "minor": 3,
                                                      "access": "rwm"})
    script = "stat -c '%a %u %g %t %T' /dev/mine; echo x > /dev/mine && echo ok; test -c /dev/null -a -c /dev/zero && echo std"
    equal(run_spec(case, script, change).stdout.decode().split("\n"), ["622 5 6 1 3", "ok", "std", ""])


NODES = (("b", 7, 0), ("c", 10, 229), ("c", 4, 64), ("b", 254, 0))  # loop, fuse, serial line, the first virtio disk
OPEN_NODES = "; ".join(f"mknod /dev/n{n} {kind} {major} {minor} && head -c 0 /dev/n{n} 2>&1"
                       for n, (kind, major, minor) in enumerate(NODES))


def test_devices_of_others(case):
    """Making a node is allowed, opening one that the spec does not list is not, whatever it is; an exec is no way round."""
    result = run_spec(case, f"{OPEN_NODES}; sh -c 'head -c 0 /dev/n1' 2>&1; head -c 1 /dev/zero | wc -c", lambda spec: None)
    lines = result.stdout.decode().splitlines()
    equal([line.rpartition(": ")[2] for line in lines], ["Operation not permitted"] * 5 + ["1"])


def test_devices_of_a_privileged_container(case):
    """With the rule that allows all, those of the VM can be opened as far as they are there."""
    def change(spec):
        spec["linux"]["resources"]["devices"].append({"allow": True, "access": "rwm"})
    result = run_spec(case, f"{OPEN_NODES}; true", change)
    assert b"not permitted" not in result.stdout, result.stdout


test_devices_of_a_privileged_container.runtimes = ("coco",)


def test_namespaces(case):
    """The process is PID 1 among its own, and sees only the loopback interface."""
    result = run_spec(case, "echo $$; ls /sys/class/net; ls -d /proc/[0-9]* | wc -l", lambda spec: None)
    lines = result.stdout.decode().split()
    equal(lines[0], "1")
    equal([l for l in lines[1:-1] if l not in ("lo", "sit0", "tunl0")], [])
    assert int(lines[-1]) <= 4, lines


def test_memory_limit(case):
    """A process over its memory limit is killed; the limit is the container's, not the machine's."""
    def change(spec):
        spec["linux"]["resources"]["memory"] = {"limit": 16 << 20, "swap": 16 << 20}
    script = "head -c 100000000 /dev/zero | tail -c 90000000 > /dev/null; echo tail $?"
    result = run_spec(case, script, change)
    assert b"tail 0" not in result.stdout, result.stdout


def test_pids_limit(case):
    def change(spec):
        spec["linux"]["resources"]["pids"] = {"limit": 8}
    script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 30 & done; echo after"
    result = run_spec(case, script, change)
    contains(result.stderr, "fork")


OWN_VM = (test_sysctls, test_namespaces)
