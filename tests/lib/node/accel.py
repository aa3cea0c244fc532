# SPDX-License-Identifier: Apache-2.0
"""Which accelerator the node VM gets. KVM only where it really runs a Linux guest, by the same rule as vmm/tee/host-choice.c, and
where that guest can have KVM itself; else TCG, which emulates a processor with SVM."""
import os
import pathlib

TCG = ["-accel", "tcg,thread=multi", "-cpu", "max,+svm"]
KVM = ["-accel", "kvm", "-cpu", "host"]


def nested(module):
    try:
        return pathlib.Path(f"/sys/module/{module}/parameters/nested").read_text().strip() in ("1", "Y")
    except OSError:
        return False


def choose():
    """(QEMU's arguments, why)"""
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return TCG, f"tcg (/dev/kvm: {error.strerror})"
    module = next((m for m in ("kvm_intel", "kvm_amd") if os.path.exists(f"/sys/module/{m}")), None)
    if not module:
        return TCG, "tcg (/dev/kvm opens, but neither kvm_intel nor kvm_amd is loaded)"
    if not nested(module):
        return TCG, f"tcg ({module} does not nest)"
    return KVM, f"kvm ({module}, nested)"
