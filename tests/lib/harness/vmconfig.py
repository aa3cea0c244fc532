# SPDX-License-Identifier: Apache-2.0
"""Configuration files for coco, with the guest of this build unless told otherwise."""
import copy

from . import paths, patience

DEFAULT = {
    "vm": {"tee": "none", "accel": "auto"},
    "guest": {"kernel": str(paths.KERNEL), "initrd": str(paths.INITRD)},
    "host": {"cache_dir": str(paths.CAPABILITY_CACHE)},
}
# Three times the programs' own default: several tests boot several VMs at once. What waits for an agent that never answers says how
# long by itself.
DEFAULT["guest"]["agent_timeout_s"] = patience.stretch(90)
if patience.FACTOR > 1:  # their default times the factor
    DEFAULT["host"]["launch_timeout_s"] = patience.stretch(60)


def text(**changes):
    """text(guest={"kernel": "/x"}, vm={"accel": None}): None takes a key away."""
    config = copy.deepcopy(DEFAULT)
    for group, keys in changes.items():
        config.setdefault(group, {}).update(keys)
    lines = []
    for group, keys in config.items():
        lines.append(f"[{group}]")
        lines += [f"{key} = {value}" for key, value in keys.items() if value is not None]
    return "\n".join(lines) + "\n"


def write(path, **changes):
    path.write_text(text(**changes))
    path.chmod(0o644)
    return path
