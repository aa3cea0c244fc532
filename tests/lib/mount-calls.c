// SPDX-License-Identifier: Apache-2.0
/*
 * open_tree, mount_setattr and move_mount for programs in valgrind, which up to 3.27 does not know
 * the system calls and answers ENOSYS. Preloaded there (tests/lib/harness/memcheck.py), nowhere
 * else: made of mount(2) for what the shim calls, a tree is a mount in /tmp for that while, and
 * options are not recursive.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINK_MAX_BYTES 64

static const char *
link_of(int fd, char *link)
{
    (void) snprintf(link, LINK_MAX_BYTES, "/proc/self/fd/%d", fd);
    return link;
}

static int
make_place(const char *source, char *place)
{
    struct stat info;
    int fd;

    if (stat(source, &info) != 0)
        return -1;
    if (S_ISDIR(info.st_mode))
        return mkdtemp(place) != NULL ? 0 : -1;
    fd = mkostemp(place, O_CLOEXEC);
    return fd >= 0 ? close(fd) : -1;
}

int
open_tree(int directory, const char *source, unsigned int flags)
{
    char place[] = "/tmp/coco-open-tree-XXXXXX";
    unsigned long recursive = (flags & AT_RECURSIVE) != 0 ? MS_REC : 0;

    if (make_place(source, place) != 0 ||
        mount(source, place, NULL, MS_BIND | recursive, NULL) != 0)
        return -1;
    return open(place, O_PATH | O_CLOEXEC);
}

int
mount_setattr(int tree, const char *path, unsigned int flags, struct mount_attr *attr, size_t size)
{
    unsigned long set = (attr->attr_set & MOUNT_ATTR_RDONLY) != 0 ? MS_RDONLY : 0;
    char link[LINK_MAX_BYTES];

    (void) link_of(tree, link);
    if (attr->attr_set != 0 && mount(NULL, link, NULL, MS_REMOUNT | MS_BIND | set, NULL) != 0)
        return -1;
    return attr->propagation == 0 ? 0 : mount(NULL, link, NULL, attr->propagation, NULL);
}

int
move_mount(int tree, const char *from_path, int point, const char *to_path, unsigned int flags)
{
    char from[LINK_MAX_BYTES];
    char to[LINK_MAX_BYTES];
    char place[256];
    ssize_t length = readlink(link_of(tree, from), place, sizeof place - 1);

    if (length < 0 || mount(from, link_of(point, to), NULL, MS_MOVE, NULL) != 0)
        return -1;
    place[length] = '\0';
    return remove(place);
}
