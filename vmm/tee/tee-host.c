// SPDX-License-Identifier: Apache-2.0
/*
 * Reads the host (tee-host.h). libvirt's version is the worker's to tell, because this library does
 * not link libvirt.
 */
#include "vmm/tee/tee-host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/run/spawn.h"

#define ANSWER_TIMEOUT_S "10"
#define TIMEOUT_STATUS 124 /* of timeout(1) */

unsigned int
coco_version_parse(const char *text)
{
    unsigned int parts[3] = { 0 };
    const char *c = text + strcspn(text, "0123456789");
    size_t n = 0;

    for (; n < 3 && g_ascii_isdigit(*c); n++) {
        char *end = NULL;
        guint64 part = g_ascii_strtoull(c, &end, 10);

        parts[n] = (unsigned int) MIN(part, 999);
        c = *end == '.' ? end + 1 : end;
        if (*end != '.')
            return n > 0 ? COCO_VERSION_OF(parts[0], parts[1], parts[2]) : 0;
    }
    return n > 1 ? COCO_VERSION_OF(parts[0], parts[1], parts[2]) : 0;
}

char *
coco_version_text(unsigned int version)
{
    return g_strdup_printf("%u.%u.%u", version / 1000000, version / 1000 % 1000, version % 1000);
}

/* Everything that a program prints on stdout; NULL with the reason when it cannot run or fails. By
 * timeout(1), because what is asked for may be anything that the config names. */
static char *
output_of(const char *program, const char *argument, const char *value, char **out_problem)
{
    const char *const argv[] = { "timeout", "--kill-after=1", ANSWER_TIMEOUT_S,
                                 program,   argument,         value,
                                 NULL };
    g_autofree char *text = NULL;
    g_autofree char *complaint = NULL;
    g_autoptr(GError) error = NULL;
    int status = 0;

    if (!g_spawn_sync(NULL, (char **) (uintptr_t) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
                      &text, &complaint, &status, &error) ||
        !g_spawn_check_wait_status(status, &error)) {
        if (status != 0 && WIFEXITED(status) && WEXITSTATUS(status) == TIMEOUT_STATUS) {
            *out_problem =
                g_strdup_printf("'%s' did not answer within " ANSWER_TIMEOUT_S " s", program);
            return NULL;
        }
        g_strstrip(g_strdelimit(complaint != NULL ? complaint : error->message, "\n", ' '));
        *out_problem =
            g_strdup(complaint != NULL && complaint[0] != '\0' ? complaint : error->message);
        return NULL;
    }
    return g_steal_pointer(&text);
}

static unsigned int
version_of(const char *program, char **out_problem)
{
    g_autofree char *text = output_of(program, "--version", NULL, out_problem);
    /* The worker says its own version first and libvirt's after this word. */
    const char *from = text != NULL ? strstr(text, "version ") : NULL;
    unsigned int version = coco_version_parse(from != NULL ? from : "");

    if (text != NULL && version == 0)
        *out_problem = g_strdup_printf("'%s --version' says no version", program);
    return version;
}

static char *
read_cpu_flags(const CocoTeeHost *host)
{
    g_autofree char *path = g_strconcat(host->root, "/proc/cpuinfo", NULL);
    g_autofree char *text = NULL;
    char *line;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return g_strdup("");
    line = strstr(text, "\nflags\t");
    if (line == NULL)
        line = strstr(text, "\nfacilities");
    if (line == NULL)
        return g_strdup("");
    line++;
    line[strcspn(line, "\n")] = '\0';
    line = strchr(line, ':');
    return line != NULL ? g_strdup_printf(" %s ", line + 1) : g_strdup("");
}

void
coco_tee_host_read(const char *emulator, CocoTeeHost *out_host)
{
    g_autofree char *worker = coco_spawn_find_helper("coco-vmm-libvirt");
    g_autofree char *ignored = NULL;
    struct utsname name;
    CocoTeeHost host = { .root = g_strdup("") };

    (void) uname(&name);
    host.arch = g_strdup(name.machine);
    host.kernel = coco_version_parse(name.release);
    host.libvirt = version_of(worker, &host.libvirt_problem);
    host.qemu = version_of(emulator, &host.qemu_problem);
    if (host.qemu != 0)
        host.qemu_objects = output_of(emulator, "-object", "help", &ignored);
    if (host.qemu_objects == NULL)
        host.qemu_objects = g_strdup("");
    host.cpu_flags = read_cpu_flags(&host);
    *out_host = host;
}

void
coco_tee_host_clear(CocoTeeHost *host)
{
    g_free(host->root);
    g_free(host->arch);
    g_free(host->libvirt_problem);
    g_free(host->qemu_problem);
    g_free(host->qemu_objects);
    g_free(host->cpu_flags);
    *host = (CocoTeeHost){ 0 };
}

char *
coco_tee_host_file(const CocoTeeHost *host, const char *path)
{
    g_autofree char *full = g_strconcat(host->root, path, NULL);
    char *text = NULL;

    if (g_file_get_contents(full, &text, NULL, NULL))
        g_strchomp(text);
    return text;
}

bool
coco_tee_host_opens(const CocoTeeHost *host, const char *path, char **out_problem)
{
    g_autofree char *full = g_strconcat(host->root, path, NULL);
    g_auto(CocoFd) fd = open(full, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        *out_problem = g_strdup(g_strerror(errno));
    return fd >= 0;
}
