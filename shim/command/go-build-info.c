// SPDX-License-Identifier: Apache-2.0
/*
 * The section .go.buildinfo: a mark, flags, and two strings with their lengths in front (LEB128),
 * the Go version and the list of modules, of which each line is "KIND\tMODULE[\tVERSION…]".
 */
#include "shim/command/go-build-info.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "guest-protocol/posix/fd.h"

#define SECTION ".go.buildinfo"
#define MARK "\xff Go buildinf:"
#define FLAGS_AT 15
#define FLAG_INLINE 2 /* the strings follow; before Go 1.18 they were elsewhere */
#define STRINGS_AT 32
#define INFO_MAX (1 << 20) /* of the section; containerd's has some hundred bytes */
#define NAMES_MAX (64 << 10)

/* NULL when the file ends before. */
static uint8_t *
read_at(int fd, uint64_t offset, size_t length)
{
    g_autofree uint8_t *bytes = g_malloc(length + 1);

    if (offset > INT64_MAX || pread(fd, bytes, length, (off_t) offset) != (ssize_t) length)
        return NULL;
    bytes[length] = '\0';
    return g_steal_pointer(&bytes);
}

static bool
read_header(int fd, Elf64_Ehdr *out_header)
{
    return pread(fd, out_header, sizeof(*out_header), 0) == (ssize_t) sizeof(*out_header) &&
           memcmp(out_header->e_ident, ELFMAG, SELFMAG) == 0 &&
           out_header->e_ident[EI_CLASS] == ELFCLASS64 &&
           out_header->e_shentsize == sizeof(Elf64_Shdr) &&
           out_header->e_shstrndx < out_header->e_shnum;
}

/* (transfer full) the section's bytes, NULL if there is none. */
static uint8_t *
read_section(int fd, const char *name, size_t *out_length)
{
    Elf64_Ehdr header;
    g_autofree uint8_t *table = NULL;
    g_autofree uint8_t *names = NULL;
    const Elf64_Shdr *sections;
    size_t names_length;

    if (!read_header(fd, &header))
        return NULL;
    table = read_at(fd, header.e_shoff, (size_t) header.e_shnum * sizeof(Elf64_Shdr));
    if (table == NULL)
        return NULL;
    sections = (const Elf64_Shdr *) (const void *) table;
    names_length = sections[header.e_shstrndx].sh_size;
    if (names_length > NAMES_MAX)
        return NULL;
    names = read_at(fd, sections[header.e_shstrndx].sh_offset, names_length);
    for (unsigned int i = 0; names != NULL && i < header.e_shnum; i++) {
        if (sections[i].sh_name >= names_length ||
            strcmp((const char *) names + sections[i].sh_name, name) != 0)
            continue;
        *out_length = (size_t) MIN(sections[i].sh_size, INFO_MAX);
        return read_at(fd, sections[i].sh_offset, *out_length);
    }
    return NULL;
}

/* A string with its length in front; moves at behind it. */
static bool
take_string(const uint8_t **at, const uint8_t *end, const char **out_text, size_t *out_length)
{
    size_t length = 0;
    unsigned int shift = 0;
    bool more = true;

    while (more && *at < end && shift < 28) {
        length |= (size_t) (**at & 0x7f) << shift;
        more = (*(*at)++ & 0x80) != 0;
        shift += 7;
    }
    if (more || length > (size_t) (end - *at))
        return false;
    *out_text = (const char *) *at;
    *out_length = length;
    *at += length;
    return true;
}

static bool
lists_module(const char *text, size_t length, const char *module)
{
    g_autofree char *list = g_strndup(text, length);
    g_autofree char *needle = g_strconcat("\t", module, NULL);

    for (const char *found = strstr(list, needle); found != NULL;
         found = strstr(found + 1, needle)) {
        char next = found[strlen(needle)];

        if (next == '/' || next == '\t' || next == '\n' || next == '\0')
            return true;
    }
    return false;
}

bool
coco_go_build_info_has(const char *program, const char *module)
{
    g_auto(CocoFd) fd = open(program, O_RDONLY | O_CLOEXEC);
    g_autofree uint8_t *info = NULL;
    size_t length = 0;
    const uint8_t *at;
    const char *text;
    size_t text_length;

    if (fd < 0 || (info = read_section(fd, SECTION, &length)) == NULL)
        return false;
    if (length <= STRINGS_AT || memcmp(info, MARK, strlen(MARK)) != 0 ||
        (info[FLAGS_AT] & FLAG_INLINE) == 0)
        return false;
    at = info + STRINGS_AT;
    return take_string(&at, info + length, &text, &text_length) &&
           take_string(&at, info + length, &text, &text_length) &&
           lists_module(text, text_length, module);
}
