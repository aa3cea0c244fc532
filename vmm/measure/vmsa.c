// SPDX-License-Identifier: Apache-2.0
/*
 * Fills a VMSA page with the state of a vCPU at reset (vmsa.h). What is not named is zero.
 */
#include "vmm/measure/vmsa.h"

#include "vmm/measure/bytes.h"

typedef struct {
    uint16_t offset;
    uint16_t selector;
    uint16_t attributes;
} Segment;

typedef struct {
    uint16_t offset;
    uint64_t value;
} Register;

/* Each has the limit 0xffff, and the base 0 unless it is CS. */
static const Segment segments[] = {
    { 0x00, 0, 0x93 },      /* ES */
    { 0x10, 0xf000, 0x9b }, /* CS */
    { 0x20, 0, 0x93 },      /* SS */
    { 0x30, 0, 0x93 },      /* DS */
    { 0x40, 0, 0x93 },      /* FS */
    { 0x50, 0, 0x93 },      /* GS */
    { 0x60, 0, 0 },         /* GDTR */
    { 0x70, 0, 0x82 },      /* LDTR */
    { 0x80, 0, 0 },         /* IDTR */
    { 0x90, 0, 0x8b },      /* TR */
};

static const Register registers[] = {
    { 0x0d0, 0x1000 },          /* EFER: KVM sets SVME */
    { 0x148, 0x40 },            /* CR4: KVM sets MCE */
    { 0x158, 0x10 },            /* CR0 */
    { 0x160, 0x400 },           /* DR7 */
    { 0x168, 0xffff0ff0 },      /* DR6 */
    { 0x170, 0x2 },             /* RFLAGS */
    { 0x268, 0x7040600070406 }, /* G_PAT */
    { 0x3e8, 0x1 },             /* XCR0 */
};

#define CS_BASE 0x18
#define RIP 0x178
#define RDX 0x310
#define SEV_FEATURES 0x3b0
#define MXCSR 0x408
#define X87_FCW 0x410

void
coco_vmsa_fill(const CocoVmsa *vmsa, uint8_t page[COCO_PAGE_BYTES])
{
    memset(page, 0, COCO_PAGE_BYTES);
    for (size_t i = 0; i < G_N_ELEMENTS(segments); i++) {
        uint8_t *at = page + segments[i].offset;

        coco_put_le16(at, segments[i].selector);
        coco_put_le16(at + 2, segments[i].attributes);
        coco_put_le32(at + 4, 0xffff);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(registers); i++)
        coco_put_le64(page + registers[i].offset, registers[i].value);
    coco_put_le64(page + CS_BASE, vmsa->eip & 0xffff0000u);
    coco_put_le64(page + RIP, vmsa->eip & 0xffffu);
    coco_put_le64(page + RDX, vmsa->cpu_signature);
    coco_put_le64(page + SEV_FEATURES, vmsa->features);
    if (vmsa->fpu) {
        coco_put_le32(page + MXCSR, 0x1f80);
        coco_put_le16(page + X87_FCW, 0x37f);
    }
}
