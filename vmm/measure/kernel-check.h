// SPDX-License-Identifier: Apache-2.0
/*
 * Whether a firmware compares the kernel, initrd and command line that it boots with the hashes
 * that were measured. A place for the hashes (firmware.h) says nothing of that: edk2's generic
 * build has the place and a verifier that accepts everything, so the measurement is right and the
 * host boots another kernel under it.
 *
 * What tells is the code: the verifier finds each hash by a GUID, and the three of them are in the
 * image of edk2's AmdSev build and in no other. They are looked for in the image as it is and in
 * what is compressed in it.
 *
 * This keeps an operator from the wrong file. Who relies on the guest compares the measurement.
 *
 * Source: OvmfPkg/AmdSev/BlobVerifierLibSevHashes; UEFI PI, vol. 3, "GUID-defined section".
 * Ownership: the image is borrowed.
 * Thread: any.
 */
#pragma once

#include "vmm/measure/firmware.h"

bool coco_firmware_checks_kernel(const CocoFirmware *firmware);
