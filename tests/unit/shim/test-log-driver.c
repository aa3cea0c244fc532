// SPDX-License-Identifier: Apache-2.0
/*
 * A logging driver made of a shell script: its arguments, environment and descriptors, and its end.
 */
#include "shim/log-driver.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "guest-protocol/fd.h"
#include "guest-protocol/ttrpc-error.h"

#define SCRIPT                                                                                     \
    "#!/bin/sh\n"                                                                                  \
    "exec > \"$2\"\n"                                                                              \
    "echo \"$# $1 $3 $4 $CONTAINER_ID $CONTAINER_NAMESPACE\"\n"                                    \
    "echo > /dev/fd/5\n"                                                                           \
    "exec 5>&-\n"                                                                                  \
    "/bin/cat <&3\n"                                                                               \
    "/bin/cat <&4\n"

Test(log_driver, gets_output_as_containerd_promises)
{
    g_autofree char *directory = g_dir_make_tmp("coco-driver-XXXXXX", NULL);
    g_autofree char *program = g_build_filename(directory, "driver", NULL);
    g_autofree char *log = g_build_filename(directory, "log", NULL);
    g_autofree char *escaped = g_uri_escape_string(log, NULL, FALSE);
    g_autofree char *uri = g_strdup_printf("binary://%s?to=%s&with%%20space=a+b", program, escaped);
    g_autofree char *text = NULL;
    g_auto(CocoFd) out = -1;
    g_auto(CocoFd) err = -1;

    cr_assert(g_file_set_contents(program, SCRIPT, -1, NULL));
    cr_assert(eq(int, chmod(program, 0700), 0));
    cr_assert(coco_log_driver_start(uri, "box", "k8s.io", &out, &err, NULL));
    cr_assert(eq(sz, write(err, "errors\n", 7), 7));
    cr_assert(eq(sz, write(out, "lines\n", 6), 6));
    coco_fd_clear(&out);
    coco_fd_clear(&err);
    cr_assert(gt(int, wait(NULL), 0), "the driver ends at the end of its input");
    cr_assert(g_file_get_contents(log, &text, NULL, NULL));
    cr_expect(eq(str, text, "4 to with space a b box k8s.io\nlines\nerrors\n"));
    (void) g_remove(program);
    (void) g_remove(log);
    (void) g_rmdir(directory);
}

Test(log_driver, errors_name_the_program)
{
    g_autoptr(GError) missing = NULL;
    g_autoptr(GError) relative = NULL;
    int out = -1;
    int err = -1;

    cr_assert(
        not(coco_log_driver_start("binary:///no/such/driver?a=b", "i", "n", &out, &err, &missing)));
    cr_expect(g_error_matches(missing, COCO_TTRPC_ERROR, COCO_TTRPC_NOT_FOUND));
    cr_expect(strstr(missing->message, "/no/such/driver") != NULL);
    cr_assert(not(coco_log_driver_start("binary://driver", "i", "n", &out, &err, &relative)));
    cr_expect(g_error_matches(relative, COCO_TTRPC_ERROR, COCO_TTRPC_INVALID_ARGUMENT));
    cr_expect(eq(int, out, -1));
}

Test(log_driver, other_paths_are_none)
{
    cr_expect(coco_log_driver_is_named("binary:///x"));
    cr_expect(not(coco_log_driver_is_named("/run/fifo")));
    cr_expect(not(coco_log_driver_is_named("file:///x")));
    cr_expect(not(coco_log_driver_is_named("")));
}
