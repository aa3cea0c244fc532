// SPDX-License-Identifier: Apache-2.0
/*
 * PodSandboxConfig to files (pod-names.h).
 */
#include "shim/pod/pod-names.h"

#include <errno.h>
#include <sys/stat.h>

#include <gio/gio.h>

char *
coco_pod_names_hostname(const Runtime__V1__PodSandboxConfig *config)
{
    return g_strdup(config->hostname[0] != '\0' ? config->hostname : g_get_host_name());
}

static void
add_line(GPtrArray *lines, const char *keyword, char *const *words, size_t n)
{
    g_autoptr(GString) line = g_string_new(keyword);

    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        g_string_append_printf(line, " %s", words[i]);
    g_ptr_array_add(lines, g_strdup(line->str));
}

char **
coco_pod_names_dns(const Runtime__V1__PodSandboxConfig *config)
{
    const Runtime__V1__DNSConfig *dns = config->dns_config;
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);

    if (dns != NULL) {
        add_line(lines, "search", dns->searches, dns->n_searches);
        for (size_t i = 0; i < dns->n_servers; i++)
            add_line(lines, "nameserver", &dns->servers[i], 1);
        add_line(lines, "options", dns->options, dns->n_options);
    }
    g_ptr_array_add(lines, NULL);
    return (char **) g_ptr_array_free(g_steal_pointer(&lines), FALSE);
}

char **
coco_pod_names_sysctls(const Runtime__V1__PodSandboxConfig *config)
{
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();

    for (size_t i = 0; config->linux != NULL && i < config->linux->n_sysctls; i++) {
        g_strv_builder_add(words, config->linux->sysctls[i]->key);
        g_strv_builder_add(words, config->linux->sysctls[i]->value);
    }
    return g_strv_builder_end(words);
}

static bool
write_file(const char *directory, const char *name, const char *text, GError **error)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);

    return g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0644, error);
}

/* A host without the file has nothing to say. */
static char *
read_of_host(const char *path)
{
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

bool
coco_pod_names_write(const char *directory, const Runtime__V1__PodSandboxConfig *config,
                     GError **error)
{
    g_auto(GStrv) dns = coco_pod_names_dns(config);
    g_autofree char *lines = g_strjoinv("\n", dns);
    g_autofree char *resolv =
        dns[0] != NULL ? g_strconcat(lines, "\n", NULL) : read_of_host("/etc/resolv.conf");
    g_autofree char *hosts = read_of_host("/etc/hosts");
    g_autofree char *name = coco_pod_names_hostname(config);
    g_autofree char *hostname = g_strconcat(name, "\n", NULL);

    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "make directory '%s': %s",
                    directory, g_strerror(errno));
        return false;
    }
    return write_file(directory, "hosts", hosts, error) &&
           write_file(directory, "resolv.conf", resolv, error) &&
           write_file(directory, "hostname", hostname, error);
}
