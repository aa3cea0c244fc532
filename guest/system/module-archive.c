// SPDX-License-Identifier: Apache-2.0
/*
 * A line of the index: name; offset, packed and unpacked size of its block; offset and size in the
 * block; what it depends on and its aliases, each a list with commas or "-".
 *
 * Modules are packed several at a time, since they are alike: a block is an .xz stream.
 */
#include "guest/system/module-archive.h"

#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <string.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

#define N_NUMBERS 5
#define N_FIELDS (1 + N_NUMBERS + 2)
#define BLOCK_MAX (16 << 20)
#define DECODER_MEMORY_MAX (8 << 20)

typedef struct {
    char **fields; /* owns all of it */
    guint64 numbers[N_NUMBERS];
} Line;

enum {
    BLOCK_OFFSET,
    BLOCK_PACKED,
    BLOCK_SIZE,
    OFFSET,
    SIZE
};

struct _CocoModuleArchive {
    CocoFd fd;
    GPtrArray *lines;  /* of Line */
    GHashTable *names; /* name -> Line */
};

static void
line_free(void *data)
{
    Line *line = data;

    g_strfreev(line->fields);
    g_free(line);
}

static const char *
name_of(const Line *line)
{
    return line->fields[0];
}

static bool
fail(CocoTtrpcCode code, const char *what, const char *cause, GError **error)
{
    g_set_error(error, COCO_TTRPC_ERROR, (int) code, "module archive: %s: %s", what, cause);
    return false;
}

/* Nothing outside its block. */
static bool
is_sound(const Line *line)
{
    const guint64 *n = line->numbers;

    return n[BLOCK_SIZE] <= BLOCK_MAX && n[BLOCK_PACKED] <= BLOCK_MAX && n[SIZE] <= n[BLOCK_SIZE] &&
           n[OFFSET] <= n[BLOCK_SIZE] - n[SIZE];
}

static bool
add_line(CocoModuleArchive *archive, const char *text)
{
    Line *line = g_new0(Line, 1);
    bool good;

    line->fields = g_strsplit(text, " ", N_FIELDS + 1);
    g_ptr_array_add(archive->lines, line);
    good = g_strv_length(line->fields) == N_FIELDS;
    for (size_t i = 0; good && i < N_NUMBERS; i++)
        good = g_ascii_string_to_unsigned(line->fields[1 + i], 10, 0, G_MAXINT32, &line->numbers[i],
                                          NULL);
    if (!good || !is_sound(line))
        return false;
    (void) g_hash_table_insert(archive->names, line->fields[0], line);
    return true;
}

static bool
read_index(CocoModuleArchive *archive, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return fail(COCO_TTRPC_NOT_FOUND, path, "it cannot be read", error);
    lines = g_strsplit(text, "\n", -1);
    for (size_t i = 0; lines[i] != NULL; i++) {
        if (*lines[i] != '\0' && !add_line(archive, lines[i]))
            return fail(COCO_TTRPC_INTERNAL, path, "a line makes no sense", error);
    }
    return true;
}

CocoModuleArchive *
coco_module_archive_open(const char *file, GError **error)
{
    g_autoptr(CocoModuleArchive) archive = g_new0(CocoModuleArchive, 1);
    g_autofree char *packed = g_strconcat(file, ".xz", NULL);
    g_autofree char *index = g_strconcat(file, ".index", NULL);

    archive->lines = g_ptr_array_new_with_free_func(line_free);
    archive->names = g_hash_table_new(g_str_hash, g_str_equal);
    archive->fd = open(packed, O_RDONLY | O_CLOEXEC);
    if (archive->fd < 0) {
        (void) fail(COCO_TTRPC_NOT_FOUND, packed, g_strerror(errno), error);
        return NULL;
    }
    if (!read_index(archive, index, error))
        return NULL;
    return g_steal_pointer(&archive);
}

void
coco_module_archive_free(CocoModuleArchive *archive)
{
    if (archive == NULL)
        return;
    coco_fd_clear(&archive->fd);
    g_hash_table_unref(archive->names);
    g_ptr_array_unref(archive->lines);
    g_free(archive);
}

/* ---- names ---- */

static bool
has_word(const char *list, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',' ? 1 : 0;
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0'))
            return true;
    }
    return false;
}

/* Dependencies go in circles only where the index is wrong, and then not for ever: what is taken is
 * not taken again. */
static void
take(const CocoModuleArchive *archive, Line *line, GHashTable *taken, GPtrArray *names)
{
    const char *depends = line->fields[1 + N_NUMBERS];
    g_auto(GStrv) others = g_strsplit(depends, ",", -1);

    if (!g_hash_table_add(taken, line))
        return;
    for (size_t i = 0; others[i] != NULL; i++) {
        Line *other = g_hash_table_lookup(archive->names, others[i]);

        if (other != NULL)
            take(archive, other, taken, names);
    }
    g_ptr_array_add(names, line->fields[0]);
}

GPtrArray *
coco_module_archive_resolve(const CocoModuleArchive *archive, const char *wanted)
{
    g_autofree char *name = g_strdelimit(g_strdup(wanted), "-", '_');
    g_autoptr(GHashTable) taken = g_hash_table_new(NULL, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (strchr(name, ',') != NULL)
        return NULL;
    for (unsigned int i = 0; i < archive->lines->len; i++) {
        Line *line = archive->lines->pdata[i];

        if (strcmp(name_of(line), name) == 0 || has_word(line->fields[2 + N_NUMBERS], name))
            take(archive, line, taken, names);
    }
    return names->len > 0 ? g_steal_pointer(&names) : NULL;
}

/* ---- contents ---- */

static const Line *
find(const CocoModuleArchive *archive, const char *name)
{
    return g_hash_table_lookup(archive->names, name);
}

bool
coco_module_archive_is_packed(const CocoModuleArchive *archive, const char *name)
{
    const Line *line = find(archive, name);

    return line != NULL && line->numbers[BLOCK_PACKED] > 0;
}

static bool
unpack(const Line *line, const uint8_t *packed, uint8_t *block)
{
    uint64_t memory = DECODER_MEMORY_MAX;
    size_t in = 0;
    size_t out = 0;

    return lzma_stream_buffer_decode(&memory, 0, NULL, packed, &in, line->numbers[BLOCK_PACKED],
                                     block, &out, line->numbers[BLOCK_SIZE]) == LZMA_OK &&
           out == line->numbers[BLOCK_SIZE];
}

GBytes *
coco_module_archive_read(const CocoModuleArchive *archive, const char *name, GError **error)
{
    const Line *line = find(archive, name);
    g_autofree uint8_t *packed = NULL;
    g_autofree uint8_t *block = NULL;

    if (line == NULL || line->numbers[BLOCK_PACKED] == 0) {
        (void) fail(COCO_TTRPC_NOT_FOUND, name, "it is not in it", error);
        return NULL;
    }
    packed = g_malloc(line->numbers[BLOCK_PACKED]);
    block = g_malloc(line->numbers[BLOCK_SIZE]);
    if (pread(archive->fd, packed, line->numbers[BLOCK_PACKED],
              (off_t) line->numbers[BLOCK_OFFSET]) != (ssize_t) line->numbers[BLOCK_PACKED] ||
        !unpack(line, packed, block)) {
        (void) fail(COCO_TTRPC_INTERNAL, name, "it cannot be unpacked", error);
        return NULL;
    }
    return g_bytes_new(block + line->numbers[OFFSET], line->numbers[SIZE]);
}
