# SPDX-License-Identifier: Apache-2.0
"""The speed of `cococtl measure` beside that of hashing the same bytes with openssl: SNP, 8 vCPUs, 4 MiB of firmware,
15 MB of kernel, 20 MB of initrd. A real OVMF image is not needed: what counts is its size and a table at its end."""
import pathlib
import random
import statistics
import struct
import subprocess
import tempfile
import time
import uuid

from . import paths

FIRMWARE, KERNEL, INITRD = 4 << 20, 15_000_000, 20_000_000
HASHES, RESET = "7255371f-3a3b-4b04-927b-1da6efa8d454", "00f771de-1a7e-4fcb-890e-68c77e2fb44e"
METADATA, FOOTER = "dc886566-984a-4798-a75e-5585a7bf67cc", "96b582de-1fb2-45f7-baea-a366c55a082d"
# Those of Debian's OVMF.amdsev.fd.
SECTIONS = ((0x800000, 0x9000, 1), (0x80a000, 0x3000, 1), (0x80d000, 0x1000, 2), (0x80e000, 0x1000, 3),
            (0x80f000, 0x1000, 4), (0x811000, 0x1f000, 1), (0x810000, 0x1000, 0x10))


def entry(guid, data):
    return data + struct.pack("<H", len(data) + 18) + uuid.UUID(guid).bytes_le


def firmware_end():
    """The last bytes of an OVMF image for SNP with kernel hashes."""
    metadata = b"ASEV" + struct.pack("<III", 16 + 12 * len(SECTIONS), 1, len(SECTIONS))
    metadata += b"".join(struct.pack("<III", *section) for section in SECTIONS)

    def table(offset):
        entries = (entry(METADATA, struct.pack("<I", offset)) + entry(HASHES, struct.pack("<II", 0x810c00, 0x400)) +
                   entry(RESET, struct.pack("<I", 0x80b004)))
        return entries + struct.pack("<H", len(entries) + 18) + uuid.UUID(FOOTER).bytes_le + bytes(32)
    return metadata + table(len(metadata) + len(table(0)))


def make_inputs(folder):
    bytes_of = random.Random(1).randbytes
    files = {"firmware": bytes_of(FIRMWARE - len(firmware_end())) + firmware_end(), "kernel": bytes_of(KERNEL),
             "initrd": bytes_of(INITRD)}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [str(folder / name) for name in files]


def seconds_of(*commands):
    started = time.monotonic()
    for command in commands:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - started


def bench(runs):
    """Medians in ms. The two take turns, so that a busy machine slows both."""
    with tempfile.TemporaryDirectory() as folder:
        firmware, kernel, initrd = make_inputs(pathlib.Path(folder))
        ours = [[str(paths.BUILD / "cococtl" / "cococtl"), "measure", "--tee", "snp", "--vcpus", "8", "--cpu-model", "EPYC-v4",
                 "--firmware", firmware, "--kernel", kernel, "--initrd", initrd, "--cmdline", "quiet"]]
        floor = [["openssl", "dgst", "-sha384", firmware], ["openssl", "dgst", "-sha256", kernel, initrd]]
        times = [(seconds_of(*ours), seconds_of(*floor)) for _ in range(runs + 1)][1:]
    measure, dgst = (statistics.median(column) * 1000 for column in zip(*times))
    return {"measure_ms": round(measure, 1), "openssl_ms": round(dgst, 1), "ratio": round(measure / dgst, 2),
            "runs": runs}
