// SPDX-License-Identifier: Apache-2.0
/*
 * Reads the end of a console log. The guest wrote it and may have written anything: terminal
 * escapes and control characters are dropped, length is bounded.
 */
#include "shim/vm/console-tail.h"

#include <fcntl.h>
#include <string.h>

#include <glib.h>

#include "guest-protocol/posix/fd.h"

#define READ_MAX (32 * 1024)
#define TEXT_MAX 400
#define LINES 3

static char *
read_end(const char *path)
{
    g_auto(CocoFd) fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    g_autofree char *text = g_malloc0(READ_MAX + 1);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;

    if (size <= 0)
        return NULL;
    if (pread(fd, text, READ_MAX, size > READ_MAX ? size - READ_MAX : 0) <= 0)
        return NULL;
    return g_steal_pointer(&text);
}

static char *
printable(const char *line)
{
    GString *clean = g_string_new(NULL);

    for (const char *c = line; *c != '\0' && clean->len < TEXT_MAX; c++) {
        if (*c == '\033') { /* ESC [ … letter */
            while (c[1] != '\0' && !g_ascii_isalpha(c[1]))
                c++;
            if (c[1] != '\0')
                c++;
        } else if (*c == '"') {
            g_string_append_c(clean, '\'');
        } else if (g_ascii_isprint(*c)) {
            g_string_append_c(clean, *c);
        }
    }
    return g_strstrip(g_string_free(clean, FALSE));
}

static char *
find_panic(GPtrArray *lines)
{
    for (unsigned int i = lines->len; i > 0; i--) {
        const char *line = g_ptr_array_index(lines, i - 1);
        const char *panic = strstr(line, "Kernel panic");

        if (panic != NULL && strstr(line, "end Kernel panic") == NULL)
            return g_strdup(panic);
    }
    return NULL;
}

char *
coco_console_tail(const char *path)
{
    g_autofree char *text = read_end(path);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) raw = NULL;
    g_autoptr(GString) joined = NULL;
    char *panic;

    if (text == NULL)
        return NULL;
    raw = g_strsplit(text, "\n", -1);
    for (unsigned int i = 0; raw[i] != NULL; i++) {
        g_autofree char *line = printable(raw[i]);

        if (line[0] != '\0')
            g_ptr_array_add(lines, g_steal_pointer(&line));
    }
    panic = find_panic(lines);
    if (panic != NULL || lines->len == 0)
        return panic;
    joined = g_string_new(NULL);
    for (unsigned int i = lines->len > LINES ? lines->len - LINES : 0; i < lines->len; i++)
        g_string_append_printf(joined, "%s%s", joined->len > 0 ? " | " : "",
                               (const char *) g_ptr_array_index(lines, i));
    if (joined->len > TEXT_MAX)
        g_string_erase(joined, 0, (gssize) (joined->len - TEXT_MAX));
    return g_string_free(g_steal_pointer(&joined), FALSE);
}
