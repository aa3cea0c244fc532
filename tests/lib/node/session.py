# SPDX-License-Identifier: Apache-2.0
"""A command in a node, with the environment that the test harness needs to find the installed packages."""
import sys

from .machine import Machine

ENVIRONMENT = {
    "COCO_TEST_PREFIX": "/usr",
    "COCO_TEST_BUILD": "/var/lib/coco-test",
    # Emulated in an emulated machine: a start takes 10 to 20 s, and several times that when others use the machine, too.
    "COCO_TEST_PATIENCE": "6",
    "COCO_TEST_GUEST": "/usr/share/coco/guest",
    "PYTHONPATH": "/project/tests/lib",
    "PYTHONDONTWRITEBYTECODE": "1",
}


def run(base, project, command, *, stdout, stderr, results=None, quiet_seconds=600, seconds=4 * 3600, environment=None,
        packages=True, say=lambda text: print(text, file=sys.stderr, flush=True)):
    """The command's exit code."""
    machine = Machine(base, project)
    say(f"node {base.suite}: starts on {machine.accel_reason}")
    code = machine.run(command, stdout=stdout, stderr=stderr, environment=ENVIRONMENT | (environment or {}),
                       quiet_seconds=quiet_seconds, seconds=seconds, packages=packages)
    say(f"node {base.suite}: booted in {machine.boot_seconds:.1f} s; exit code {code}")
    if results:
        machine.save_results(results)
    return code
