// SPDX-License-Identifier: Apache-2.0
/*
 * RTMR1 and RTMR2 of TDX for a kernel that is booted directly: the firmware starts it as an EFI
 * application and extends RTMR1; the kernel's EFI stub extends RTMR2 with its load options and the
 * initrd.
 *
 * The order of the load options changed with edk2 202508. An image does not tell its version, but
 * it has an entry for IGVM since 202511; Debian has no edk2 in between.
 */
#include "vmm/measure/per-tee.h"

#include "vmm/measure/digest.h"
#include "vmm/measure/pe-image.h"

#define SETUP_MAGIC 0x202u
#define SETUP_VERSION 0x20eu
#define SETUP_START 0x200u
#define FIRST_MEASURING_MAJOR 6
#define FIRST_MEASURING_MINOR 9

typedef struct {
    CocoHash *hash;
    const CocoMeasureTrace *trace;
    const char *name;
    CocoDigest value;
} Register;

static bool
extend(Register *rtmr, const char *label, uint64_t bytes, const CocoDigest *event, GError **error)
{
    if (!coco_hash_extend(rtmr->hash, event, &rtmr->value, error))
        return false;
    coco_measure_tell(rtmr->trace, rtmr->name, label, UINT64_MAX, bytes, event, &rtmr->value);
    return true;
}

static bool
extend_bytes(Register *rtmr, const char *label, const void *data, size_t len, GError **error)
{
    CocoDigest event = { 0 };

    return coco_hash_once(rtmr->hash, data, len, &event, error) &&
           extend(rtmr, label, len, &event, error);
}

static bool
extend_text(Register *rtmr, const char *text, GError **error)
{
    return extend_bytes(rtmr, text, text, strlen(text), error);
}

/* The events of edk2 around an application that it starts. */
static bool
measure_rtmr1(Register *rtmr, GBytes *kernel, GError **error)
{
    static const uint8_t separator[4] = { 0 };
    CocoDigest event = { 0 };
    size_t len = 0;
    const uint8_t *image = g_bytes_get_data(kernel, &len);

    return coco_pe_authenticode(rtmr->hash, image, len, &event, error) &&
           extend(rtmr, "kernel (Authenticode)", len, &event, error) &&
           extend_text(rtmr, "Calling EFI Application from Boot Option", error) &&
           extend_bytes(rtmr, "separator", separator, sizeof separator, error) &&
           extend_text(rtmr, "Exit Boot Services Invocation", error) &&
           extend_text(rtmr, "Exit Boot Services Returned with Success", error);
}

static bool
initrd_first(const CocoMeasureInput *input, const CocoFirmware *firmware)
{
    switch (input->tdx_load_options) {
    case COCO_TDX_LOAD_OPTIONS_FIRST:
        return true;
    case COCO_TDX_LOAD_OPTIONS_LAST:
        return false;
    case COCO_TDX_LOAD_OPTIONS_AUTO:
        break;
    }
    return firmware == NULL || coco_firmware_has_igvm_entry(firmware);
}

/* The load options as UTF-16 with their NUL, byte for byte as the firmware widens them; NULL when
 * there are none. */
static GBytes *
make_load_options(const CocoMeasureInput *input, const CocoFirmware *firmware)
{
    bool with_initrd = input->initrd != NULL && g_bytes_get_size(input->initrd) > 0;
    bool first = initrd_first(input, firmware);
    g_autofree char *text = g_strconcat(with_initrd && first ? "initrd=initrd " : "",
                                        input->cmdline != NULL ? input->cmdline : "",
                                        with_initrd && !first ? " initrd=initrd" : "", NULL);
    size_t len = strlen(text);
    uint8_t *wide;

    if (len == 0)
        return NULL;
    wide = g_malloc0(2 * (len + 1));
    for (size_t i = 0; i < len; i++)
        wide[2 * i] = (uint8_t) text[i];
    return g_bytes_new_take(wide, 2 * (len + 1));
}

static bool
measure_rtmr2(Register *rtmr, const CocoMeasureInput *input, const CocoFirmware *firmware,
              GError **error)
{
    g_autoptr(GBytes) options = make_load_options(input, firmware);
    size_t len = 0;
    const void *data;

    if (options != NULL) {
        data = g_bytes_get_data(options, &len);
        if (!extend_bytes(rtmr, "load options (UTF-16)", data, len, error))
            return false;
    }
    if (input->initrd != NULL && g_bytes_get_size(input->initrd) > 0) {
        data = g_bytes_get_data(input->initrd, &len);
        if (!extend_bytes(rtmr, "initrd", data, len, error))
            return false;
    }
    rtmr->value.len = 48; /* zero when nothing is measured */
    return true;
}

/* True for an x86 kernel image that says it is older than the first that measures. */
static bool
is_old_kernel(GBytes *kernel)
{
    size_t len = 0;
    const uint8_t *image = g_bytes_get_data(kernel, &len);
    char version[8] = "";
    char *rest = NULL;
    uint64_t major;
    size_t at;

    if (len < SETUP_VERSION + 2 || memcmp(image + SETUP_MAGIC, "HdrS", 4) != 0)
        return false;
    at = (size_t) coco_le16(image + SETUP_VERSION) + SETUP_START;
    if (!coco_within(len, at, sizeof version - 1))
        return false;
    memcpy(version, image + at, sizeof version - 1);
    major = g_ascii_strtoull(version, &rest, 10);
    if (major == 0 || *rest != '.')
        return false;
    return major < FIRST_MEASURING_MAJOR ||
           (major == FIRST_MEASURING_MAJOR &&
            g_ascii_strtoull(rest + 1, NULL, 10) < FIRST_MEASURING_MINOR);
}

bool
coco_measure_rtmrs(const CocoMeasureInput *input, const CocoFirmware *firmware,
                   const CocoMeasureTrace *trace, CocoMeasurement *out, GError **error)
{
    g_autoptr(CocoHash) hash = coco_hash_new(COCO_HASH_SHA384, error);
    Register rtmr1 = { .hash = hash, .trace = trace, .name = "rtmr1" };
    Register rtmr2 = { .hash = hash, .trace = trace, .name = "rtmr2" };

    if (hash == NULL || !measure_rtmr1(&rtmr1, input->kernel, error) ||
        !measure_rtmr2(&rtmr2, input, firmware, error))
        return false;
    out->rtmr1 = rtmr1.value;
    out->rtmr2 = rtmr2.value;
    coco_measure_state(
        out, "rtmr1",
        "holds where the firmware gets the kernel unchanged: QEMU 10.2, or 10.0 with "
        "edk2 202502; older ones write addresses into its header");
    if (is_old_kernel(input->kernel))
        coco_measure_state(
            out, "rtmr2",
            "this kernel is older than 6.9 and measures neither its command line nor "
            "its initrd: RTMR2 will stay zero, and the value here is for a newer one");
    return true;
}
