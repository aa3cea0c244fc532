// SPDX-License-Identifier: Apache-2.0
/*
 * A pod's hosts, hostname and resolv.conf, as CRI writes them.
 */
#include "shim/pod/pod-names.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <glib/gstdio.h>

static char *
read_file(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

static void
remove_directory(const char *directory)
{
    static const char *const names[] = { "hosts", "hostname", "resolv.conf" };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(directory, names[i], NULL);

        (void) g_unlink(path);
    }
    cr_expect(eq(int, g_rmdir(directory), 0), "only these files are written");
}

Test(pod_names, what_the_pod_says)
{
    char *searches[] = { (char *) "a.example", (char *) "b.example" };
    char *servers[] = { (char *) "10.0.0.1", (char *) "10.0.0.2" };
    char *options[] = { (char *) "ndots:5" };
    Runtime__V1__DNSConfig dns = RUNTIME__V1__DNSCONFIG__INIT;
    Runtime__V1__PodSandboxConfig config = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
    g_autofree char *directory = g_dir_make_tmp(NULL, NULL);
    g_autofree char *hostname = NULL;
    g_autofree char *resolv = NULL;
    g_auto(GStrv) lines = NULL;

    dns.searches = searches;
    dns.n_searches = 2;
    dns.servers = servers;
    dns.n_servers = 2;
    dns.options = options;
    dns.n_options = 1;
    config.dns_config = &dns;
    config.hostname = (char *) "pod-1";
    lines = coco_pod_names_dns(&config);
    cr_expect(eq(int, (int) g_strv_length(lines), 4));
    cr_assert(coco_pod_names_write(directory, &config, NULL), "also into one that is there");
    hostname = read_file(directory, "hostname");
    resolv = read_file(directory, "resolv.conf");
    cr_expect(eq(str, hostname, "pod-1\n"));
    cr_expect(eq(str, resolv,
                 "search a.example b.example\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n"
                 "options ndots:5\n"));
    remove_directory(directory);
}

Test(pod_names, what_the_host_says_else)
{
    Runtime__V1__PodSandboxConfig config = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
    g_autofree char *directory = g_dir_make_tmp(NULL, NULL);
    g_autofree char *hosts = NULL;
    g_autofree char *hosts_of_host = read_file("/etc", "hosts");
    g_autofree char *hostname = NULL;
    g_autofree char *name = g_strconcat(g_get_host_name(), "\n", NULL);

    cr_assert(coco_pod_names_write(directory, &config, NULL));
    hosts = read_file(directory, "hosts");
    hostname = read_file(directory, "hostname");
    cr_expect(eq(str, hosts, hosts_of_host != NULL ? hosts_of_host : ""));
    cr_expect(eq(str, hostname, name));
    remove_directory(directory);
}

Test(pod_names, a_place_that_cannot_be_made)
{
    Runtime__V1__PodSandboxConfig config = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
    g_autoptr(GError) error = NULL;

    cr_assert(not(coco_pod_names_write("/proc/self/x/y", &config, &error)));
    cr_expect(
        eq(str, error->message, "make directory '/proc/self/x/y': No such file or directory"));
}
