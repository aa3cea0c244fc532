# SPDX-License-Identifier: Apache-2.0
"""How long each test took the last time, kept in the build directory: the longest are begun first. Only the order depends on it."""
import json

from . import paths

FILE = paths.BUILD / "test-times.json"
USUAL = {"runc": 2, "coco": 8, "shared": 3}
# Where nothing is remembered yet, as in CI: of those that take long, in seconds.
SLOW = {
    "endurance.cycles [coco]": 80, "endurance.cycles_in_a_pod [coco]": 45, "endurance.forty_execs [coco]": 85,
    "memory_errors.life_of_a_task [coco]": 75, "memory_errors.memcheck_life_of_a_task [coco]": 20, "image.reproducible [coco]": 60,
    "containerd_restart.killed [coco]": 40, "containerd_restart.graceful [coco]": 40, "quickstart.from_start_to_end [coco]": 45,
    "guest_dies.frozen [coco]": 24, "block_root.hundred_layers [coco]": 28, "cri_silent.frozen [coco]": 60,
    "broken_guest.agent_never_answers [coco]": 18, "launcher_faults.hangs [coco]": 20,
}


def _load():
    try:
        found = json.loads(FILE.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


_known = _load()


def expected(name, runtime):
    """name: with the suite in front, as it is told."""
    return _known.get(name) or SLOW.get(name.partition(": ")[2]) or USUAL[runtime]


class Memory:
    """Stands before a report and keeps what it hears of tests that passed."""

    def __init__(self, report):
        self.next, self.heard = report, {}

    def report(self, name, outcome, seconds, *more):
        if outcome == "passed":
            self.heard[name] = round(seconds, 1)
        self.next(name, outcome, seconds, *more)

    def save(self):
        made = FILE.with_suffix(".new")
        made.write_text(json.dumps(_load() | self.heard, indent=1, sort_keys=True), encoding="utf-8")
        made.replace(FILE)
