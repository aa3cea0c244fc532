# SPDX-License-Identifier: Apache-2.0
"""coco-vmm from a terminal, without any shim: launch, list, xml, destroy; what it prints and what it leaves."""
import filecmp
import json
import os
import pathlib
import select
import signal
import stat
import subprocess
import xml.etree.ElementTree

from harness import events, initrd, paths, processes
from harness.case import contains, equal
from harness.launcher import Launcher

RUNTIMES = ("coco",)


def test_launch_list_destroy(case):
    verify = case.clean()
    launcher = Launcher(case)
    lines, result = launcher.launch()
    equal(result.stderr, b"")
    equal(lines[0]["event"], "config")
    equal([line["name"] for line in lines if line["event"] == "phase"],
          ["config", "probe", "connect", "xml", "start", "resume"])
    done = lines[-1]
    assert done["event"] == "result" and done["ok"], done
    for name in ("pid", "virtiofsd_pid", "console_pid"):
        command = pathlib.Path(f"/proc/{done[name]}/cmdline").read_bytes()
        assert str(launcher.run_dir).encode() in command, f"{name}: {command}"
    assert events.wait_for_text(done["console"], "this guest has no agent", 60), "the console stays empty"
    check_logs(launcher.run_dir / "vm" / "log" / "qemu")
    text = json.dumps(launcher.listing())
    contains(text, launcher.run_dir.name, str(done["pid"]))
    contains(launcher.call("list", "--base", launcher.base).stdout, launcher.run_dir.name)
    launcher.destroy()
    assert launcher.run_dir.name not in json.dumps(launcher.listing())
    assert not [p for p in launcher.run_dir.rglob("*")] or not (launcher.run_dir / "vm").exists()
    launcher.destroy()  # again: nothing to do is success
    if launcher.run_dir.exists():
        launcher.run_dir.rmdir()
    verify()


def check_logs(directory):
    """What QEMU and virtiofsd write themselves is bounded as the console is: a guest may make them complain for ever."""
    logs = list(directory.iterdir())
    equal(sorted(log.name for log in logs), ["coco-fs0-virtiofsd.log", "coco.log"])
    for log in logs:
        with log.open("ab") as file:
            file.write((b"x" * 99 + b"\n") * 6000)
        assert events.wait_until(lambda log=log: log.stat().st_size < 100000, [directory], 10), f"{log}: {log.stat().st_size}"


def test_qemu_is_unprivileged_and_sandboxed(case):
    """Nor is what it boots from its own: the host's one copy, which it cannot write."""
    launcher = Launcher(case)
    done = launcher.launch("--set", "host.boot_files=copy")[0][-1]
    stored = [path for path in pathlib.Path("/run/coco/boot").iterdir() if filecmp.cmp(path, paths.KERNEL, shallow=False)]
    equal({(path.stat().st_uid, path.stat().st_mode & 0o7777) for path in stored}, {(0, 0o444)}, "copies of the kernel")
    seen = {path.name: path.lstat().st_mode for path in pathlib.Path(f"/proc/{done['pid']}/root/dev").iterdir()}
    assert "null" in seen and not [name for name, mode in seen.items() if stat.S_ISBLK(mode)], f"QEMU's /dev: {sorted(seen)}"
    assert not {"mem", "ptmx", "loop-control", "fuse", "net"} & set(seen), f"QEMU's /dev: {sorted(seen)}"
    equal(pathlib.Path("/run/coco/boot").stat().st_mode & 0o7777, 0o711)
    status = pathlib.Path(f"/proc/{done['pid']}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split() and "0" not in fields["Gid"].split(), fields["Uid"]
    equal(int(fields["CapEff"], 16), 0)
    equal(fields["Seccomp"].strip(), "2")


def test_xml_starts_nothing(case):
    verify = case.clean()
    launcher = Launcher(case)
    result = launcher.call("xml", *launcher.options)
    root = xml.etree.ElementTree.fromstring(result.stdout)
    equal(root.tag, "domain")
    contains(result.stdout, str(paths.KERNEL), "kataShared", str(launcher.share))
    again = launcher.call("xml", *launcher.options)
    equal(again.stdout, result.stdout, "the same input, the same XML")
    if launcher.run_dir.exists():
        launcher.run_dir.rmdir()
    verify()


def test_overrides(case):
    launcher = Launcher(case)
    result = launcher.call("xml", *launcher.options, "--set", "vm.memory_mib=321", "--set", "vm.vcpus=2")
    root = xml.etree.ElementTree.fromstring(result.stdout)
    memory = root.find("memory")
    factor = {"KiB": 1 / 1024, "MiB": 1, "b": 1 / 1048576}[memory.get("unit", "KiB")]
    equal(int(memory.text) * factor, 321)
    equal(root.find("vcpu").text, "2")
    result = launcher.call("xml", *launcher.options, "--set", "vm.no_such_key=1", check=False)
    equal(result.returncode, 1)
    contains(result.stdout + result.stderr, "no_such_key")


def test_run_dir_in_use(case):
    """A second launch in the same run directory is refused, and the first VM lives on."""
    launcher = Launcher(case)
    done = launcher.launch()[0][-1]
    lines, result = launcher.launch(check=False)
    equal(result.returncode, 1)
    equal((lines[-1]["ok"], lines[-1]["code"]), (False, "busy"))
    os.kill(done["pid"], 0)


def test_guest_ends_by_itself(case):
    """Power off, reboot and panic all end QEMU, although libvirt is gone."""
    for script in (initrd.POWERS_OFF, initrd.REBOOTS, initrd.PANICS):
        case._directory = None
        launcher = Launcher(case, guest={"initrd": initrd.write(case.directory / "leaves.img", script)})
        done = launcher.launch()[0][-1]
        assert not processes.wait_gone([done["pid"]], 60), f"QEMU outlives its guest: {script!r}"
        launcher.destroy()


def test_disks_that_cannot_be_attached(case):
    """Each refusal says why and changes nothing."""
    launcher = Launcher(case)
    image = case.directory / "disk"
    image.write_bytes(bytes(1 << 20))
    options = ["--run-dir", launcher.run_dir]

    def change(verb, *more, disks=()):
        line = json.dumps({"disks": [{"path": str(path), "readonly": True} for path in disks]}) + "\n"
        result = processes.run([paths.LAUNCHER, verb, *options, *more], check=False, stdin=line.encode(), seconds=60)
        return json.loads(result.stdout.splitlines()[-1]), result.returncode

    def refused(code, text, *arguments, **disks):
        answer, status = change(*arguments, **disks)
        equal((answer["ok"], answer["code"], status), (False, code, 1), str(answer))
        contains(answer["message"], text)

    refused("failed", f"find a VM in '{launcher.run_dir}': No such file", "attach", disks=[image])
    launcher.launch()
    refused("failed", "attach: the VM was launched without room for what comes later", "attach", disks=[image])
    launcher.destroy()
    equal(launcher.launch(request={"hotplug": True, "share": True})[0][-1]["slots"], 30)
    launcher.config.unlink()  # what was decided stands in the run directory
    files = sorted((launcher.run_dir / "vm").iterdir())
    refused("bad-config", "open disk '/nonexistent'", "attach", disks=["/nonexistent"])
    refused("busy", "attach 32 devices: a VM has room for 30", "attach", disks=[image] * 32)
    refused("bad-config", "detach device '08': not a place of one that was attached", "detach", "--device", "08")
    equal(change("detach", "--device", "18/00/1e")[0]["ok"], True, "one that is not there")
    equal(sorted((launcher.run_dir / "vm").iterdir()), files)
    launcher.destroy()


def test_usage(case):
    launcher = Launcher(case)
    equal(launcher.call("--help").returncode, 0)
    contains(launcher.call("--version").stdout, ".")
    for arguments in ((), ("no-such-command",), ("launch",), ("launch", "--config"), ("destroy",)):
        result = launcher.call(*arguments, check=False)
        equal(result.returncode, 2, str(arguments))
        assert result.stderr, f"{arguments}: no word about it"


def test_reader_goes_away(case):
    """Nobody reads the result: the launch undoes itself, or leaves what `destroy` ends."""
    verify = case.clean()
    launcher = Launcher(case)
    popen = processes.own(subprocess.Popen([str(a) for a in (paths.LAUNCHER, "launch", *launcher.options)],
                                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
    assert select.select([popen.stdout], [], [], 30)[0]
    popen.stdout.close()
    popen.wait(90)
    processes.disown(popen)
    launcher.destroy()
    if launcher.run_dir.exists():
        launcher.run_dir.rmdir()
    verify()


def test_interrupted(case):
    """SIGINT and SIGTERM in the middle of a launch: it ends, and nothing is left."""
    for number in (signal.SIGINT, signal.SIGTERM):
        case._directory = None
        verify = case.clean()
        launcher = Launcher(case)
        popen = processes.own(subprocess.Popen([str(a) for a in (paths.LAUNCHER, "launch", *launcher.options)],
                                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        popen.stdout.readline()
        popen.send_signal(number)
        out, _ = popen.communicate(timeout=60)
        processes.disown(popen)
        assert popen.returncode != 0 or b'"ok":true' in out.replace(b" ", b""), out
        launcher.destroy()
        if launcher.run_dir.exists():
            launcher.run_dir.rmdir()
        verify()
