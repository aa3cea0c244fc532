// SPDX-License-Identifier: Apache-2.0
/*
 * Which sysctls of a spec are written, and that no name leads out of net.
 */
#include "guest/system/sysctl.h"

#include <stdio.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/proto/ttrpc-error.h"
#include "guest/system/directory-tree.h"

/* A directory like /proc/sys, every file with "old" in it. */
static char *
make_root(void)
{
    static const char *const files[] = { "net/core/somaxconn", "net/conf/eth0.5/forwarding",
                                         "kernel/core_pattern" };
    char *root = g_dir_make_tmp("coco-sysctl-XXXXXX", NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(root, files[i], NULL);
        g_autofree char *parent = g_path_get_dirname(path);

        cr_assert_eq(g_mkdir_with_parents(parent, 0755), 0);
        cr_assert(g_file_set_contents(path, "old", -1, NULL));
    }
    return root;
}

static char *
content(const char *root, const char *name)
{
    g_autofree char *path = g_build_filename(root, name, NULL);
    char *text = NULL;

    cr_assert(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

/* The error's code, or 0; out_left: how many sysctls are left for the runtime. */
static int
apply(const char *root, const char *key, size_t *out_left)
{
    Grpc__Linux *spec = g_new(Grpc__Linux, 1);
    Grpc__Linux__SysctlEntry *entry = g_new(Grpc__Linux__SysctlEntry, 1);
    g_autoptr(GError) error = NULL;

    grpc__linux__init(spec);
    grpc__linux__sysctl_entry__init(entry);
    entry->key = g_strdup(key);
    entry->value = g_strdup("new");
    spec->sysctl = g_new(Grpc__Linux__SysctlEntry *, 1);
    spec->sysctl[0] = entry;
    spec->n_sysctl = 1;
    (void) coco_sysctl_apply_network(spec, root, &error);
    *out_left = spec->n_sysctl;
    coco_pb_free(&spec->base);
    return error != NULL ? error->code : 0;
}

Test(sysctl, those_of_net_are_written_and_dropped)
{
    g_autofree char *root = make_root();
    g_autofree char *plain = NULL;
    g_autofree char *dotted = NULL;
    size_t left;

    cr_assert_eq(apply(root, "net.core.somaxconn", &left), 0);
    cr_assert_eq(left, 0);
    cr_assert_eq(apply(root, "net.conf.eth0/5.forwarding", &left), 0);
    plain = content(root, "net/core/somaxconn");
    dotted = content(root, "net/conf/eth0.5/forwarding");
    cr_assert_str_eq(plain, "new");
    cr_assert_str_eq(dotted, "new");
    cr_assert_eq(apply(root, "kernel.shm_rmid_forced", &left), 0);
    cr_assert_eq(left, 1);
    cr_assert_eq(apply(root, "net.core.nothing", &left), COCO_TTRPC_INVALID_ARGUMENT);
    coco_directory_tree_remove(root);
}

Test(sysctl, no_name_leads_out_of_net)
{
    static const char *const keys[] = {
        "net.//.kernel.core_pattern",
        "net.core.//.//.kernel.core_pattern",
        "net./.core.somaxconn",
        "net..core.somaxconn",
        "net.",
        "net.core.somaxconn.",
        ".net.core.somaxconn",
        "net./kernel.core_pattern",
        "net.link.core_pattern",
        "",
        "fs.mqueue.//.file-max",
        "kernel.//.vm.overcommit_memory",
    };
    g_autofree char *root = make_root();
    g_autofree char *link = g_build_filename(root, "net/link", NULL);
    g_autofree char *kernel = NULL;
    g_autofree char *core = NULL;
    size_t left;

    cr_assert_eq(symlink("../kernel", link), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        cr_assert_eq(apply(root, keys[i], &left), COCO_TTRPC_INVALID_ARGUMENT, "%s", keys[i]);
    kernel = content(root, "kernel/core_pattern");
    core = content(root, "net/core/somaxconn");
    cr_assert_str_eq(kernel, "old");
    cr_assert_str_eq(core, "old");
    coco_directory_tree_remove(root);
}
