# SPDX-License-Identifier: Apache-2.0
"""A guest that does with the shared directory what it likes: root in it mounts the share and attacks what the host works on.
The host stays whole, and nothing of the pod is left."""
from harness.case import equal
from harness.sandbox import Sandbox, cri_options

RUNTIMES = ("coco",)

MOUNT = "mkdir -p /mnt && mount -t virtiofs kataShared /mnt && cd /mnt || exit 9; echo mounted"
# Each of these worked as long as the guest had the directory itself.
ATTACKS = """
head -c 100000 /dev/zero > fill
(i=0; while [ $i -lt 100 ]; do mkdir deep && cd deep || break; i=$((i + 1)); done)
echo evil > $(echo {victim}-*-data)/evil
mkdir {victim}/inside
mv {victim} aside && ln -s {canary} {victim}
for volume in {victim}-*; do mv $volume v-$volume; ln -s {canary} $volume; done
ln -s {canary} next
exit 0"""
SWAP = """
echo started
while :; do for name in *; do mv $name x-$name && ln -s {canary} $name; rm $name; mv x-$name $name; done 2>/dev/null; usleep 1000; done"""


def privileged(spec):
    for kind in spec["process"]["capabilities"].values():
        kind += ["CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH"]


def with_volume(source, *options):
    return lambda spec: spec["mounts"].append({"destination": "/data", "type": "bind", "source": str(source),
                                               "options": ["rbind", *options]})


def kill(member):
    assert member.call("Kill", f3=9).code == 0
    return member.end()


def everything_below(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_guest_root(case):
    canary, volume = case.directory / "canary", case.directory / "volume"
    for directory in (canary / "rootfs", volume):
        directory.mkdir(parents=True)
    (volume / "file").write_text("of the host\n")
    sandbox = Sandbox(case).run(f4=cri_options("box"))
    victim = sandbox.member("exec sleep 1000", change=with_volume(volume, "ro")).start()
    attacks = (MOUNT + ATTACKS).format(victim=victim.id, canary=canary)
    status, output = sandbox.member(attacks, change=privileged).start().end()
    equal((status, output.splitlines()[0]), (0, "mounted"), output)
    kill(victim)
    equal(everything_below(volume), ["file"], output)
    equal(everything_below(canary), ["rootfs"], output)
    left = {path.name for path in case.node.pod_dir(sandbox.id).rglob("*")}
    equal(left & {"fill", "deep", "aside", "next"}, set(), output)
    grown = sandbox.member("head -c 3000000 /dev/zero 2>/dev/null > /etc/hosts; stat -c %s /etc/hosts").start().end()
    assert int(grown[1]) < 1_100_000, f"{grown}: a file of the shim's, in the host's /run"
    swapper = sandbox.member((MOUNT + SWAP).format(canary=canary), change=privileged).start()
    for _ in range(2):
        equal(sandbox.member("cat /data/file", change=with_volume(volume, "ro")).start().end(), (0, "of the host\n"))
    kill(swapper)
    equal(everything_below(canary), ["rootfs"])
    sandbox.good("ShutdownSandbox")
    sandbox.wait_gone()
    equal([str(p) for p in sandbox.node.leftover_processes()], [])
    equal(list(sandbox.node.run_dir.iterdir()), [])
    equal(everything_below(canary), ["rootfs"])
