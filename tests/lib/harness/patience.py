# SPDX-License-Identifier: Apache-2.0
"""How much longer than usual things may take here. In a node VM that is itself emulated, COCO_TEST_PATIENCE says so: every limit of
the harness and the default time limits of the VMs are multiplied by it. Limits say "it hangs"; they are not what is measured."""
import os

FACTOR = max(1, int(os.environ.get("COCO_TEST_PATIENCE", "1")))


def stretch(seconds):
    return seconds * FACTOR
