// SPDX-License-Identifier: Apache-2.0
/*
 * TDX: the registers that a quote shows, and what is said of those that cannot be known beforehand.
 * MRTD is in mrtd.c, RTMR1 and RTMR2 in rtmr.c.
 */
#include "vmm/measure/per-tee.h"

#include "vmm/measure/digest.h"
#include "vmm/measure/measure.h"

static void
state(const CocoMeasureInput *input, CocoMeasurement *out)
{
    coco_measure_state(
        out, "rtmr0",
        "not predicted: it has the TD HOB (memory size), the variable store "
        "(cfv_event), ACPI tables, boot variables and, since edk2 202505, fw_cfg and "
        "SMBIOS; replay the guest's CCEL instead");
    coco_measure_state(out, "rtmr3",
                       "zero when the guest starts; whatever the guest's own software extends it "
                       "with comes after");
    if (input->firmware == NULL)
        coco_measure_state(out, "mrtd", "not computed: no firmware is given");
    if (input->kernel == NULL)
        coco_measure_state(out, "rtmr1",
                           "rtmr1 and rtmr2 are not predicted: no kernel is given, so they depend "
                           "on what the firmware finds to boot");
}

bool
coco_measure_tdx(const CocoMeasureInput *input, const CocoMeasureTrace *trace, CocoMeasurement *out,
                 GError **error)
{
    CocoFirmware opened;
    const CocoFirmware *firmware = NULL;

    if (input->firmware == NULL && input->kernel == NULL)
        return coco_measure_lacks(input, "a firmware", error);
    if (input->firmware != NULL) {
        if (!coco_firmware_open(input->firmware, &opened, error) ||
            !coco_measure_mrtd(input, &opened, trace, out, error))
            return false;
        firmware = &opened;
    }
    state(input, out);
    coco_measure_fit(input->initdata_digest, input->initdata_digest_len, COCO_MRCONFIGID_BYTES,
                     &out->mrconfigid);
    return input->kernel == NULL || coco_measure_rtmrs(input, firmware, trace, out, error);
}
