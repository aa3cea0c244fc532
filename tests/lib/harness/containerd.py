# SPDX-License-Identifier: Apache-2.0
"""A private containerd: own root, state, socket and run directory, so the machine's own containerd is never touched.
It tells when it is ready through NOTIFY_SOCKET, as it tells systemd."""
import hashlib
import json
import os
import pathlib
import pty
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import termios
import time

from . import containerd_release, ociconfig, once, paths, patience, processes, vmconfig

NAMESPACE = "default"
IMAGE = "coco.local/busybox:1"
SHIM_SOCKETS = pathlib.Path("/run/containerd/s")
RUNTIMES = {"runc": "io.containerd.runc.v2", "coco": "io.containerd.coco.v2"}

CONFIG = """version = 2
root = "{base}/root"
state = "{base}/state"
temp = "{base}/tmp"
disabled_plugins = [{without}"io.containerd.internal.v1.restart", "io.containerd.nri.v1.nri",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]
[grpc]
  address = "{base}/c.sock"
[debug]
  level = "{level}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{base}/opt"
"""
CRI = ("io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime")


def image_tar():
    """The test image, made once per build directory (and again when its maker or its program is newer)."""
    tar = paths.BUILD / "test-image.tar"
    maker = paths.TESTS / "lib" / "make-oci-image"
    programs = (paths.PATTERN, paths.ECHO_SERVER)
    newest = max(path.stat().st_mtime for path in (maker, *programs))
    with once.maker("test-image"):
        if tar.exists() and tar.stat().st_mtime >= newest:
            return tar
        processes.run([maker, "--out", tar, "--name", IMAGE,
                       *(word for path in programs for word in ("--file", f"{path}:/bin/{path.name}"))])
    return tar


def timeouts():
    """containerd's own limits of 2 and 5 s for a shim's answers, where everything is slower."""
    if patience.FACTOR == 1:
        return ""
    limits = {"shim.cleanup": 5, "shim.load": 5, "shim.shutdown": 3, "task.state": 2}
    return "[timeouts]\n" + "".join(f'  "io.containerd.timeout.{name}" = "{patience.stretch(seconds)}s"\n'
                                    for name, seconds in limits.items())


class Timeout(AssertionError):
    pass


class Node:
    """One containerd and what belongs to it. `base` is short: socket paths must stay under 108 bytes. cri: a function of the
    node that gives what CRI's part of the config says; without it there is no CRI. netns: a network namespace that is the host's for
    this one."""

    def __init__(self, runtime, release=containerd_release.MACHINE, env=None, run_dir=None, config=None, base=None, level="debug",
                 cri=None, netns=None):
        self.runtime, self.runtime_name, self.level, self.cri = runtime, RUNTIMES[runtime], level, cri
        self.netns = netns
        self.base = base or pathlib.Path(tempfile.mkdtemp(prefix="ct-", dir=os.environ.get("TMPDIR", "/tmp")))
        self.base.chmod(0o711)  # QEMU runs as another user and must reach its files below
        self.run_dir = pathlib.Path(run_dir) if run_dir else self.base / "run"
        self.state = self.base / "state"
        self.socket = self.base / "c.sock"
        self.log = self.base / "containerd.log"
        # Without a CNI plugin CRI's pods have the host's network, which a VM cannot share.
        network = {"network": {"model": "none"}} if cri and not netns else {}
        self.config = config or vmconfig.write(self.base / "coco.conf", **network)
        for name in ("tmp", "fifo", "opt", "run"):
            (self.base / name).mkdir(mode=0o711, exist_ok=True)
        self.environment = dict(os.environ, COCO_RUN_DIR=str(self.run_dir), COCO_CONFIG=str(self.config),
                                COCO_VMM=str(paths.LAUNCHER))
        self.environment.pop("CONTAINERD_ADDRESS", None)
        self.take_release(release)
        self.environment.update(env or {})
        self.daemon = None
        self.imported = False
        self.counter = 0
        self.pod = None  # the id of the container whose VM all others join

    # -- the daemon

    def take_release(self, release):
        """Which containerd (ctr, runc and its shim) start() will start. After a stop(): the upgrade in place."""
        self.release = release
        programs = containerd_release.path_of(release, os.environ["PATH"])
        self.environment["PATH"] = f"{paths.SHIM_DIR}:{programs}"

    @property
    def line(self):
        """(1, 6) and so on: what a test that has to know the containerd it is on compares with."""
        return tuple(int(number) for number in containerd_release.version(self.program).split(".")[:2])

    @property
    def program(self):
        """containerd's own path, as it tells its shims."""
        return containerd_release.program("containerd", self.environment)

    def start(self):
        config = self.base / "config.toml"
        without = "" if self.cri else "".join(f'"{name}", ' for name in CRI)
        config.write_text(CONFIG.format(base=self.base, level=self.level, without=without) + timeouts() +
                          (self.cri(self) if self.cri else ""))
        entering = ["nsenter", f"--net=/run/netns/{self.netns}"] if self.netns else []
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as ready:
            ready.bind(str(self.base / "ready"))
            ready.settimeout(patience.stretch(30))
            with open(self.log, "ab") as log:
                self.daemon = processes.own(subprocess.Popen(
                    [*entering, self.program, "-c", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                    env=dict(self.environment, NOTIFY_SOCKET=str(self.base / "ready")), cwd=self.base))
            try:
                while b"READY=1" not in ready.recv(4096):
                    pass
            except TimeoutError:
                self.close()
                raise AssertionError(f"containerd did not become ready within 30 s:\n{self.log_tail()}") from None
        (self.base / "ready").unlink()
        if not self.imported:
            # ctr 2.x leaves it to containerd, which only unpacks for the snapshotters of its config; --local is as before.
            flags = ("--local",) if self.line >= (2, 0) else ()
            self.ctr("image", "import", *flags, "--snapshotter", self.snapshotter, image_tar())
            self.imported = True
        return self

    def stop(self, number=signal.SIGTERM):
        """End containerd alone; its shims live on, and start() brings it back."""
        self.daemon.send_signal(number)
        try:
            self.daemon.wait(20)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()
        processes.disown(self.daemon)
        self.daemon = None

    @property
    def snapshotter(self):
        """overlayfs where the file system below carries it (not on an overlay, as in most containers)."""
        kind = processes.run(["stat", "-f", "-c", "%T", self.base]).stdout.decode().strip()
        return "native" if kind in ("overlayfs", "UNKNOWN (0x794c7630)") else "overlayfs"

    def close(self):
        """End containerd, then whatever is left below it, then the files."""
        if self.daemon:
            self.stop()
        self.kill_leftovers()
        self.unmount_all()
        shutil.rmtree(self.base, ignore_errors=True)

    def kill_leftovers(self):
        mine = self.leftover_processes() + self.processes_in_cgroups()
        for process in mine:
            processes.kill(process.pid)
        processes.wait_gone([p.pid for p in mine], 10)

    def leftover_processes(self):
        """Processes that name this node's directories, the daemon and its clients excepted."""
        needles = {str(self.base), str(self.run_dir)}
        daemon = self.daemon.pid if self.daemon else -1
        return [p for p in processes.table().values()
                if p.state not in "ZX" and p.pid not in (daemon, os.getpid()) and p.name != "ctr"
                and any(n in p.command for n in needles)]

    def processes_in_cgroups(self):
        """Of containers that runc started and nobody deleted: nothing on their command line tells whose they are."""
        needles = (f"/{self.id_prefix}-", f"/{self.base.name}")

        def is_mine(process):
            try:
                return any(n in pathlib.Path(f"/proc/{process.pid}/cgroup").read_text() for n in needles)
            except OSError:
                return False
        return [p for p in processes.table().values() if p.state not in "ZX" and is_mine(p)]

    def mounts(self):
        needles = (f" {self.base}/", f" {self.run_dir}/")
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
            return [line.split()[4] for line in file if any(n in line for n in needles)]

    def unmount_all(self):
        for target in reversed(self.mounts()):
            subprocess.run(["umount", "-l", target], stderr=subprocess.DEVNULL, check=False)

    def log_tail(self, lines=40):
        try:
            text = self.log.read_text(errors="replace").splitlines()
            return "\n".join([line[:300] for line in text
                              if "level=debug" not in line and "loading plugin" not in line][-lines:])
        except OSError:
            return ""

    # -- the client

    def command(self, *arguments):
        return ["ctr", "--address", str(self.socket), "--namespace", NAMESPACE, *map(str, arguments)]

    def ctr(self, *arguments, seconds=90, stdin=None, check=True):
        """Run ctr to its end. check=False gives the failure back instead of raising it."""
        try:
            return processes.run(self.command(*arguments), seconds=seconds, stdin=stdin, env=self.environment,
                                 check=check)
        except subprocess.TimeoutExpired:
            raise Timeout(f"ctr {' '.join(map(str, arguments))}: not finished within {seconds} s\n"
                          f"{self.diagnostics()}") from None

    def popen(self, *arguments, **options):
        """Start ctr; the caller ends it with finish()."""
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("bufsize", 0)  # so that communicate() sees what a readline() has not taken
        return processes.own(subprocess.Popen(self.command(*arguments), env=self.environment, **options))

    def finish(self, popen, seconds=90):
        """Wait for a started ctr; its output."""
        try:
            out, err = popen.communicate(timeout=patience.stretch(seconds))
        except subprocess.TimeoutExpired:
            diagnostics = self.diagnostics()
            popen.kill()
            popen.communicate()
            raise Timeout(f"{' '.join(popen.args[5:])}: not finished within {seconds} s\n{diagnostics}") from None
        finally:
            processes.disown(popen)
        return subprocess.CompletedProcess(popen.args, popen.returncode, out, err)

    def on_terminal(self, *arguments):
        """Start ctr with a pseudo terminal as its standard streams; returns (popen, master fd)."""
        master, slave = pty.openpty()
        attributes = termios.tcgetattr(slave)
        attributes[1] &= ~(termios.OPOST | termios.ONLCR)  # ctr leaves OPOST on: one \r too many otherwise
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        popen = self.popen(*arguments, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
        os.close(slave)
        return popen, master

    def run_arguments(self, identifier, *command, flags=(), config=None):
        """config: of ociconfig.write(). ctr adds no annotation to it."""
        if config is not None:
            if self.pod:
                ociconfig.write(config, ociconfig.join(json.loads(config.read_text()), self.pod))
            return ["run", "--runtime", self.runtime_name, "--snapshotter", self.snapshotter, "--fifo-dir",
                    self.base / "fifo", *flags, "--config", config, identifier]
        group = ("--annotation", f"{ociconfig.GROUP}={self.pod}") if self.pod else ()
        return ["run", "--runtime", self.runtime_name, "--snapshotter", self.snapshotter, "--fifo-dir",
                self.base / "fifo", *group, *flags, IMAGE, identifier, *command]

    def run(self, *command, flags=(), stdin=None, seconds=90, check=True, identifier=None):
        """`ctr run --rm`: one container from start to end."""
        identifier = identifier or self.new_id()
        return self.ctr(*self.run_arguments(identifier, *command, flags=("--rm", *flags)), stdin=stdin,
                        seconds=seconds, check=check)

    def new_id(self):
        """Unique on the machine: runc's state directory and the cgroup paths are shared by all daemons."""
        self.counter += 1
        return f"{self.id_prefix}-{self.counter}"

    @property
    def id_prefix(self):
        return self.base.name.removeprefix("ct-").replace("_", "x")

    # -- where things are

    def bundle(self, identifier):
        return self.state / "io.containerd.runtime.v2.task" / NAMESPACE / identifier

    def shim_sockets(self):
        """Sockets of runc's shims that are there, of this node's containers only: the folder is the whole machine's, the name
        the sha256 of ADDRESS/NAMESPACE/ID."""
        names = (f"{self.socket}/{NAMESPACE}/{self.id_prefix}-{number}" for number in range(1, self.counter + 1))
        paths = (SHIM_SOCKETS / hashlib.sha256(name.encode()).hexdigest() for name in names)
        return {str(path) for path in paths if path.is_socket()}

    def pod_dir(self, identifier, namespace=NAMESPACE):
        """The shim's directory of this pod: the first 20 hex digits of the sha256 of ADDRESS, NAMESPACE and ID, a line each."""
        name = hashlib.sha256(f"{self.socket}\n{namespace}\n{identifier}".encode()).hexdigest()[:20]
        return self.run_dir / name

    def shim_address(self, identifier):
        """From the bundle: containerd 2.x keeps it as JSON, the earlier ones as the shim wrote it."""
        bootstrap = self.bundle(identifier) / "bootstrap.json"
        text = bootstrap.read_text() if bootstrap.exists() else (self.bundle(identifier) / "address").read_text()
        return (json.loads(text)["address"] if text.startswith("{") else text.strip()).removeprefix("unix://")

    def shim_pid(self, identifier):
        """The one shim process of a container: it got the id, or that of the pod, on its command line."""
        identifier = self.pod or identifier
        found = [p for p in processes.table().values() if p.state not in "ZX" and p.name.startswith("containerd-shim")
                 and str(self.socket).encode() in p.arguments and identifier.encode() in p.arguments]
        assert len(found) == 1, f"shim of '{identifier}': {[str(p) for p in found]}"
        return found[0].pid

    def qemu_pid(self, identifier):
        identifier = self.pod or identifier
        found = [p for p in processes.table().values() if p.state not in "ZX" and p.name.startswith("qemu-system")
                 and str(self.pod_dir(identifier)) in p.command]
        assert len(found) == 1, f"QEMU of '{identifier}': {[str(p) for p in found]}"
        return found[0].pid

    # -- when something went wrong

    def diagnostics(self):
        """What a person would look at first."""
        parts = ["-- processes"] + [str(p) for p in self.leftover_processes()]
        for process in self.leftover_processes():
            if process.name.startswith("containerd-shim"):
                try:
                    parts.append(f"-- shim {process.pid} waits in "
                                 + pathlib.Path(f"/proc/{process.pid}/wchan").read_text())
                except OSError:
                    pass
        for console in sorted(self.run_dir.glob("*/console.log")):
            parts.append(f"-- {console}\n" + "\n".join(console.read_text(errors="replace").splitlines()[-15:]))
        parts.append("-- containerd's log\n" + self.log_tail(25))
        return "\n".join(parts)


class Events:
    """`ctr events`, line by line: (topic, text)."""

    def __init__(self, node):
        self.node = node
        self.popen = node.popen("events")
        self.seen, self.buffer = [], b""
        self._wait_for_subscription()

    def _wait_for_subscription(self):
        """ctr does not say when it is subscribed: make harmless events until one comes through."""
        deadline = time.monotonic() + patience.stretch(20)
        while not self.seen:
            assert time.monotonic() < deadline, "ctr events shows nothing within 20 s"
            self.node.ctr("namespace", "create", "probe")
            self.node.ctr("namespace", "remove", "probe")
            self._read(0.2)
        while self._read(0.2):
            pass
        self.seen.clear()

    def _read(self, seconds):
        fd = self.popen.stdout.fileno()
        if not select.select([fd], [], [], max(0, seconds))[0]:
            return False
        self.buffer += os.read(fd, 65536)
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            words = line.decode(errors="replace").split()
            topic = next((w for w in words if w.startswith("/")), "")
            self.seen.append((topic, line.decode(errors="replace")))
        return True

    def wait(self, topic, text="", seconds=30):
        """The first event of that topic with that text in it."""
        deadline = time.monotonic() + patience.stretch(seconds)
        while True:
            for seen_topic, line in self.seen:
                if seen_topic == topic and text in line:
                    return line
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"no event {topic} {text!r} within {seconds} s; seen: {self.seen}")

    def topics(self):
        return [topic for topic, _ in self.seen]

    def close(self):
        self.popen.kill()
        self.popen.communicate()
        processes.disown(self.popen)
