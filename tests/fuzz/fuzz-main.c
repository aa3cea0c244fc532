// SPDX-License-Identifier: Apache-2.0
/*
 * The plain main of a fuzz target: runs it on each file named on the command line and on each file
 * in a directory named there. A finding is a crash, as it would be under libFuzzer.
 */
#include <stddef.h>
#include <stdint.h>

#include <glib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int
replay(const char *path)
{
    g_autofree char *data = NULL;
    size_t size;

    if (g_file_get_contents(path, &data, &size, NULL)) {
        /* A copy of the exact size, so that a sanitizer sees a read past the end (and past GLib's
         * own NUL). */
        g_autofree uint8_t *copy = g_memdup2(data, size);

        LLVMFuzzerTestOneInput(copy, size);
        return 1;
    }
    return 0;
}

static unsigned int
replay_all(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    unsigned int n = 0;

    if (dir == NULL)
        return replay(path);
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(path, name, NULL);

        n += replay(file);
    }
    return n;
}

int
main(int argc, char *argv[])
{
    unsigned int n = 0;

    for (int i = 1; i < argc; i++)
        n += replay_all(argv[i]);
    g_print("%u inputs\n", n);
    return n > 0 ? 0 : 1;
}
