// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/tee/boot-files.c: blobs in both forms, images shared and copied, and files that change.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "tests/unit/vmm/scratch-dir.h"
#include "vmm/config/vmm-error.h"
#include "vmm/tee/boot-files.h"
#include "vmm/tee/tee-config.h"

static CocoVmConfig *
config_for(const char *dir, const char *mode)
{
    g_autofree char *text = g_strdup_printf("[vm]\ntee=none\n[guest]\nkernel=%s/k\ninitrd=%s/i\n"
                                            "[host]\nboot_files=%s\n",
                                            dir, dir, mode);
    g_autoptr(GError) error = NULL;
    CocoVmConfig *config = coco_tee_config_parse("t.conf", text, strlen(text), NULL, &error);

    cr_assert_null(error);
    g_free(scratch_dir_write(dir, "k", "kernel", 6));
    g_free(scratch_dir_write(dir, "i", "initrd", 6));
    return config;
}

static void
assert_content(int fd, const char *expected)
{
    char data[32] = { 0 };

    cr_assert_eq(pread(fd, data, sizeof data - 1, 0), (ssize_t) strlen(expected));
    cr_assert_str_eq(data, expected);
}

Test(boot_files, what_is_shared_is_the_file_itself)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autoptr(CocoVmConfig) config = config_for(dir, "shared");
    g_autofree char *kernel = g_build_filename(dir, "k", NULL);
    g_autofree char *copies = g_build_filename(dir, "boot", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoBootFiles) files = coco_boot_files_new(config, &error);

    cr_assert(coco_boot_files_open(files, copies, NULL, &error));
    cr_assert_str_eq(coco_boot_files_path(files, COCO_BOOT_KERNEL), kernel);
    cr_assert_null(coco_boot_files_path(files, COCO_BOOT_FIRMWARE));
    cr_assert_eq(coco_boot_files_fd(files, COCO_BOOT_FIRMWARE), -1);
    assert_content(coco_boot_files_fd(files, COCO_BOOT_KERNEL), "kernel");
    cr_assert(coco_boot_files_check(files, &error));
    cr_assert_neq(access(copies, F_OK), 0);
    coco_boot_files_drop_copies(files);
    cr_assert_eq(access(kernel, F_OK), 0);
}

Test(boot_files, a_shared_file_that_is_written_or_replaced_is_found)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autoptr(CocoVmConfig) config = config_for(dir, "shared");
    g_autofree char *initrd = g_build_filename(dir, "i", NULL);
    g_autofree char *expected = g_strdup_printf(
        "start VM: [guest] initrd: '%s' was changed while it was measured and started", initrd);
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoBootFiles) files = coco_boot_files_new(config, NULL);

    cr_assert(coco_boot_files_open(files, "/proc/nonexistent", NULL, NULL));
    /* By rename, with the same size and content. */
    g_free(scratch_dir_write(dir, "i", "initrd", 6));
    cr_assert_not(coco_boot_files_check(files, &error));
    cr_assert_str_eq(error->message, expected);
}

Test(boot_files, a_copy_does_not_see_what_happens_to_its_source)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autoptr(CocoVmConfig) config = config_for(dir, "copy");
    g_autofree char *copies = g_build_filename(dir, "boot", NULL);
    g_autofree char *expected = g_build_filename(copies, "kernel", NULL);
    g_autofree char *content = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoBootFiles) files = coco_boot_files_new(config, NULL);
    struct stat info;

    cr_assert(coco_boot_files_open(files, copies, NULL, &error), "%s",
              error != NULL ? error->message : "");
    g_free(scratch_dir_write(dir, "k", "another", 7));
    cr_assert_str_eq(coco_boot_files_path(files, COCO_BOOT_KERNEL), expected);
    assert_content(coco_boot_files_fd(files, COCO_BOOT_KERNEL), "kernel");
    cr_assert(g_file_get_contents(expected, &content, NULL, NULL));
    cr_assert_str_eq(content, "kernel");
    cr_assert(coco_boot_files_check(files, &error));
    cr_assert_eq(stat(expected, &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0444);
    coco_boot_files_drop_copies(files);
    cr_assert_neq(access(expected, F_OK), 0);
    assert_content(coco_boot_files_fd(files, COCO_BOOT_KERNEL), "kernel");
}

Test(boot_files, what_cannot_be_read_names_its_key)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autoptr(CocoVmConfig) config = config_for(dir, "shared");
    g_autofree char *kernel = g_build_filename(dir, "k", NULL);
    g_autofree char *empty =
        g_strdup_printf("config 't.conf' line 4: [guest] kernel: '%s' is empty", kernel);
    g_autofree char *absent = g_strdup_printf(
        "config 't.conf' line 4: [guest] kernel: read '%s': No such file or directory", kernel);
    g_autoptr(GError) empty_error = NULL;
    g_autoptr(GError) absent_error = NULL;
    g_autoptr(GError) fifo_error = NULL;
    g_autoptr(CocoBootFiles) files = coco_boot_files_new(config, NULL);

    g_free(scratch_dir_write(dir, "k", "", 0));
    cr_assert_not(coco_boot_files_open(files, "/proc/nonexistent", NULL, &empty_error));
    cr_assert_str_eq(empty_error->message, empty);
    cr_assert_eq(unlink(kernel), 0);
    cr_assert_not(coco_boot_files_open(files, "/proc/nonexistent", NULL, &absent_error));
    cr_assert_str_eq(absent_error->message, absent);
    cr_assert_eq(mkfifo(kernel, 0600), 0);
    cr_assert_not(coco_boot_files_open(files, "/proc/nonexistent", NULL, &fifo_error));
}

static CocoBootFiles *
read_id_block(const char *content, size_t size, GError **error)
{
    g_autoptr(ScratchDir) dir = scratch_dir_new();
    g_autofree char *block = scratch_dir_write(dir, "b", content, size);
    g_autofree char *zeros = g_malloc0(4096);
    g_autofree char *auth = scratch_dir_write(dir, "a", zeros, 4096);
    g_autofree char *text =
        g_strdup_printf("[vm]\ntee=snp\n[snp]\nid_block=%s\nid_auth=%s\n", block, auth);
    g_autoptr(CocoVmConfig) config =
        coco_tee_config_parse("t.conf", text, strlen(text), NULL, NULL);

    return coco_boot_files_new(config, error);
}

Test(boot_files, blobs_are_raw_or_base64_and_of_one_length)
{
    g_autofree char *raw = g_strnfill(96, 'A'); /* is base64 of 72 bytes too: the length decides */
    g_autofree char *encoded = g_base64_encode((const guchar *) raw, 96);
    g_autoptr(CocoBootFiles) plain = read_id_block(raw, 96, NULL);
    g_autoptr(CocoBootFiles) decoded = read_id_block(encoded, strlen(encoded), NULL);
    g_autoptr(GError) short_error = NULL;
    g_autoptr(GError) long_error = NULL;

    cr_assert(g_bytes_equal(coco_boot_files_blob(plain, COCO_BOOT_ID_BLOCK),
                            coco_boot_files_blob(decoded, COCO_BOOT_ID_BLOCK)));
    cr_assert_null(read_id_block("AAAA", 4, &short_error));
    cr_assert(g_str_has_suffix(short_error->message, "is neither 96 bytes nor the base64 of them"));
    cr_assert(g_str_has_prefix(short_error->message, "config 't.conf' line 4: [snp] id_block: "));
    cr_assert_null(read_id_block(encoded, 97, &long_error));
    cr_assert_null(coco_boot_files_blob(NULL, COCO_BOOT_ID_BLOCK));
}
