# SPDX-License-Identifier: Apache-2.0
"""A whole node in a VM (tests/node/README.md): its disks (base, project) and one run of it (machine)."""
