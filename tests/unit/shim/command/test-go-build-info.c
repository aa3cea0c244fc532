// SPDX-License-Identifier: Apache-2.0
/*
 * This program has the section that Go writes into its own: it is its own sample.
 */
#include "shim/command/go-build-info.h"

#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <glib.h>
#include <glib/gstdio.h>

#define MODULES                                                                                    \
    "0123456789abcdef"                                                                             \
    "path\tgithub.com/containerd/containerd/v2/cmd/containerd\n"                                   \
    "dep\tgithub.com/containerd/ttrpc\tv1.2.7\n"                                                   \
    "dep\texample.org/last\n"

/* clang-format off */
__attribute__((section(".go.buildinfo"), used)) static const struct {
    char mark[14];
    uint8_t pointer_size;
    uint8_t flags;
    uint8_t unused[16];
    uint8_t version_length;
    char version[8];
    uint8_t modules_length[2];
    char modules[sizeof(MODULES) - 1];
} info = {
    "\xff Go buildinf:", 8, 2, { 0 }, 8, "go1.24.4",
    { 0x80 | ((sizeof(MODULES) - 1) & 0x7f), (sizeof(MODULES) - 1) >> 7 }, MODULES,
};
/* clang-format on */

#define SELF "/proc/self/exe"

Test(go_build_info, modules_are_found_whole)
{
    cr_assert(coco_go_build_info_has(SELF, "github.com/containerd/containerd/v2"));
    cr_assert(coco_go_build_info_has(SELF, "github.com/containerd/ttrpc"));
    cr_assert(coco_go_build_info_has(SELF, "example.org/last"));
    cr_assert_not(coco_go_build_info_has(SELF, "github.com/containerd/containerd/v"));
    cr_assert_not(coco_go_build_info_has(SELF, "containerd/ttrpc"));
    cr_assert_not(coco_go_build_info_has(SELF, "github.com/containerd/containerd/v3"));
}

Test(go_build_info, other_programs_have_none)
{
    cr_assert_not(coco_go_build_info_has("/bin/sh", "github.com/containerd/containerd/v2"));
    cr_assert_not(coco_go_build_info_has("/etc/passwd", "github.com/containerd/containerd/v2"));
    cr_assert_not(coco_go_build_info_has("/nonexistent", "github.com/containerd/containerd/v2"));
}

/* Whatever byte of it is another, or missing: an answer, and no crash. */
Test(go_build_info, damaged_programs)
{
    g_autofree char *text = NULL;
    g_autofree char *path = g_build_filename(g_get_tmp_dir(), "coco-build-info-XXXXXX", NULL);
    size_t length = 0;
    int fd = g_mkstemp(path);

    cr_assert(fd >= 0 && g_file_get_contents(SELF, &text, &length, NULL));
    for (size_t keep = 0; keep < length; keep += length / 50)
        cr_assert(ftruncate(fd, 0) == 0 && pwrite(fd, text, keep, 0) == (ssize_t) keep &&
                  (coco_go_build_info_has(path, "x"), true));
    for (size_t at = 0; at < 64; at++) {
        g_autofree char *damaged = g_memdup2(text, length);

        damaged[at] = (char) 0xff;
        cr_assert(pwrite(fd, damaged, length, 0) == (ssize_t) length);
        cr_assert_not(coco_go_build_info_has(path, "github.com/containerd/ttrpc/x"));
    }
    (void) close(fd);
    (void) g_unlink(path);
}
