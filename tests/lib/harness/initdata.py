# SPDX-License-Identifier: Apache-2.0
"""The initdata annotation, and what a guest has to see of it."""
import base64
import gzip
import struct

from .case import equal

NAMES = {"new": "io.katacontainers.config.hypervisor.cc_init_data", "old": "io.katacontainers.config.runtime.cc_init_data"}
TOML = b'''version = "0.1.0"
algorithm = "sha384"
[data]
"aa.toml" = \'\'\'
[token_configs.kbs]
url = "http://127.0.0.1:8080"
\'\'\'
"policy.rego" = "package agent_policy"
'''
# Reads the guest's first disk: its name, whether it can be written, its serial number, its bytes.
LOOK = """set -e
cd /sys/block/vda
cat ro serial; echo
mknod /tmp/disk b $(tr : ' ' <dev)
if echo x 2>/dev/null >/tmp/disk; then echo writable; else echo refused; fi
cat /tmp/disk | base64 -w 0
"""


def annotation(toml=TOML):
    return base64.b64encode(gzip.compress(toml, mtime=0)).decode()


def expect_disk(output, packed):
    read_only, serial, written, image = output.decode().split("\n")
    equal((read_only, serial, written), ("1", "initdata", "refused"))
    image = base64.b64decode(image)
    equal(len(image) % 512, 0)
    equal(image, (b"initdata" + struct.pack("<Q", len(packed)) + packed).ljust(len(image), b"\0"))
