// SPDX-License-Identifier: Apache-2.0
/*
 * vmm/config/launch-request.c and vmm/config/vm-disk.c: what a request may say, what may be a disk.
 */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "vmm/config/launch-request.h"
#include "vmm/config/vmm-error.h"

Test(launch_request, what_is_read)
{
    const char *text = "{\"netns\":\"/run/netns/"
                       "a\",\"share\":true,\"hotplug\":true,\"vcpus\":2,\"memory_mib\":4294967295,"
                       "\"disks\":[{\"path\":\"/a b\",\"readonly\":true},"
                       "{\"path\":\"/c\",\"readonly\":false}],\"later\":1}";
    g_auto(CocoLaunchRequest) request = { 0 };
    g_auto(CocoLaunchRequest) nothing = { 0 };

    cr_assert(coco_launch_request_parse(text, strlen(text), &request, NULL));
    cr_assert(request.share);
    cr_assert(request.hotplug);
    cr_assert_str_eq(request.netns, "/run/netns/a");
    cr_assert_eq(request.pod.vcpus, 2);
    cr_assert_eq(request.pod.memory_mib, 4294967295u);
    cr_assert_eq(request.disks.n, 2);
    cr_assert_str_eq(request.disks.items[0].path, "/a b");
    cr_assert(request.disks.items[0].readonly);
    cr_assert_not(request.disks.items[1].readonly);
    cr_assert(coco_launch_request_parse("{}", 2, &nothing, NULL));
    cr_assert_not(nothing.share);
    cr_assert_not(nothing.hotplug);
    cr_assert_eq(nothing.pod.vcpus, 0);
    cr_assert_eq(nothing.disks.n, 0);
}

Test(launch_request, what_is_refused)
{
    static const struct {
        const char *text;
        const char *cause;
    } rows[] = {
        { "", "not one JSON object in a line" },
        { "{", "not one JSON object in a line" },
        { "{} {}", "not one JSON object in a line" },
        { "[]", "not a JSON object" },
        { "null", "not one JSON object in a line" },
        { "{\"share\":1}", "share is not true or false" },
        { "{\"hotplug\":\"yes\"}", "hotplug is not true or false" },
        { "{\"vcpus\":-1}", "vcpus is not a number from 0 to 4294967295" },
        { "{\"vcpus\":1.5}", "vcpus is not a number from 0 to 4294967295" },
        { "{\"memory_mib\":4294967296}", "memory_mib is not a number from 0 to 4294967295" },
        { "{\"memory_mib\":\"1\"}", "memory_mib is not a number from 0 to 4294967295" },
        { "{\"disks\":{}}", "disks is not a list" },
        { "{\"disks\":[1]}", "disk 0 has no absolute path" },
        { "{\"disks\":[{}]}", "disk 0 has no absolute path" },
        { "{\"disks\":[{\"path\":\"a\"}]}", "disk 0 has no absolute path" },
        { "{\"disks\":[{\"path\":\"/a\\u0000b\",\"readonly\":true}]}",
          "disk 0 has no absolute path" },
        { "{\"disks\":[{\"path\":\"/a\"}]}", "disk 0: readonly is not true or false" },
        { "{\"nics\":{}}", "nics is not a list" },
        { "{\"nics\":[1]}", "interface 0 has no address" },
        { "{\"netns\":\"new\\u0000er\"}", "netns is neither an absolute path nor 'new'" },
        { "{\"netns\":\"relative\"}", "netns is neither an absolute path nor 'new'" },
        { "{\"netns\":7}", "netns is neither an absolute path nor 'new'" },
        { "{\"nics\":[{\"mac\":\"03:00:00:00:00:01\",\"mtu\":1500,\"queues\":1}]}",
          "interface 0 has no address" },
        { "{\"nics\":[{\"mac\":\"02:00:00:00:00:01;\",\"mtu\":1500,\"queues\":1}]}",
          "interface 0 has no address" },
        { "{\"nics\":[{\"mac\":\"02:00:00:00:00:01\",\"queues\":1}]}",
          "interface 0: MTU out of range" },
        { "{\"nics\":[{\"mac\":\"02:00:00:00:00:01\",\"mtu\":1500}]}",
          "interface 0: number of queues out of range" },
        { "{\"nics\":[{\"mac\":\"02:00:00:00:00:01\",\"mtu\":1500,\"queues\":9}]}",
          "interface 0: number of queues out of range" },
        { "{\"nics\":[{\"mac\":\"02:00:00:00:00:01\",\"mtu\":1500,\"queues\":1,\"user\":true}]}",
          "interface 0: number of queues out of range" },
        { "{\"nics\":[{\"mac\":\"02:00:00:00:00:01\",\"mtu\":1500,\"user\":1}]}",
          "user is not true or false" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(CocoLaunchRequest) request = { 0 };
        g_autoptr(GError) error = NULL;

        cr_assert_not(
            coco_launch_request_parse(rows[i].text, strlen(rows[i].text), &request, &error));
        cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
        cr_assert(g_str_has_suffix(error->message, rows[i].cause), "text %zu: %s", i,
                  error->message);
    }
}

Test(launch_request, interfaces)
{
    const char *text = "{\"nics\":[{\"mac\":\"02:00:00:00:00:01\",\"mtu\":1400,\"queues\":2},"
                       "{\"mac\":\"52:54:00:12:34:56\",\"mtu\":1500,\"user\":true}]}";
    g_auto(CocoLaunchRequest) request = { 0 };
    int fds[] = { 100, 101 };

    cr_assert(coco_launch_request_parse(text, strlen(text), &request, NULL));
    cr_assert_eq(request.nics.n, 2);
    cr_assert_str_eq(request.nics.items[0].mac, "02:00:00:00:00:01");
    cr_assert_eq(request.nics.items[0].mtu, 1400);
    cr_assert(request.nics.items[1].user);
    cr_assert_not(coco_vm_nics_take(&request.nics, fds, 1), "one is missing");
    cr_assert(coco_vm_nics_take(&request.nics, fds, 2));
    cr_assert_eq(fds[1], -1);
    cr_assert_eq(request.nics.items[0].fds[1], 101);
}

/* One line of the request, with n descriptors. */
static bool
read_with_descriptors(const char *line, size_t n, CocoLaunchRequest *out_request, GError **error)
{
    char control[CMSG_SPACE(sizeof(int) * 4)] = { 0 };
    struct iovec bytes = { .iov_base = (void *) (uintptr_t) line, .iov_len = strlen(line) };
    struct msghdr message = { .msg_iov = &bytes, .msg_iovlen = 1 };
    int silent[2];
    int ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    cr_assert_eq(pipe2(silent, O_CLOEXEC | O_NONBLOCK), 0);
    if (n > 0) {
        int *fds;

        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * n);
        CMSG_FIRSTHDR(&message)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&message)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(sizeof(int) * n);
        fds = (int *) (void *) CMSG_DATA(CMSG_FIRSTHDR(&message));
        for (size_t i = 0; i < n; i++)
            fds[i] = silent[0];
    }
    cr_assert_eq(sendmsg(ends[1], &message, 0), (ssize_t) strlen(line));
    return coco_launch_request_read(ends[0], silent[0], out_request, error);
}

static unsigned int
count_descriptors(void)
{
    g_autoptr(GDir) directory = g_dir_open("/proc/self/fd", 0, NULL);
    unsigned int n = 0;

    while (g_dir_read_name(directory) != NULL)
        n++;
    return n;
}

Test(launch_request, descriptors_come_with_the_line)
{
    const char *line = "{\"nics\":[{\"mac\":\"02:00:00:00:00:01\",\"mtu\":1400,\"queues\":2}]}\n";
    g_auto(CocoLaunchRequest) request = { 0 };
    g_autoptr(GError) error = NULL;
    unsigned int before = count_descriptors();

    cr_assert(read_with_descriptors(line, 2, &request, &error));
    cr_assert_geq(request.nics.items[0].fds[1], 0);
    cr_assert_eq(fcntl(request.nics.items[0].fds[1], F_GETFD), FD_CLOEXEC);
    coco_launch_request_clear(&request);
    cr_assert_not(read_with_descriptors(line, 1, &request, &error));
    cr_assert(g_str_has_suffix(error->message, "1 descriptors for 2 queues of interfaces"));
    g_clear_error(&error);
    cr_assert_not(read_with_descriptors("{}\n", 3, &request, &error));
    cr_assert(g_str_has_suffix(error->message, "3 descriptors for 0 queues of interfaces"));
    /* Those nobody wanted are closed: the three sockets and three pipes of this test are open. */
    cr_assert_eq(count_descriptors(), before + 12);
}

Test(launch_request, too_many_disks)
{
    g_autoptr(GString) text = g_string_new("{\"disks\":[");
    g_auto(CocoLaunchRequest) request = { 0 };
    g_autoptr(GError) error = NULL;

    for (int i = 0; i <= COCO_VM_DISKS_MAX; i++)
        g_string_append_printf(text, "%s{\"path\":\"/d\",\"readonly\":true}", i > 0 ? "," : "");
    g_string_append(text, "]}");
    cr_assert_not(coco_launch_request_parse(text->str, text->len, &request, &error));
    cr_assert(g_str_has_suffix(error->message, "129 disks are more than the 128 of a VM"));
}

Test(launch_request, a_line_that_comes_in_pieces)
{
    g_auto(CocoLaunchRequest) request = { 0 };
    int ends[2];
    int silent[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_eq(pipe2(silent, O_CLOEXEC | O_NONBLOCK), 0);
    cr_assert_eq(write(ends[1], "{\"share\"", 8), 8);
    cr_assert_eq(write(ends[1], ":true}\n", 7), 7);
    cr_assert(coco_launch_request_read(ends[0], silent[0], &request, NULL));
    cr_assert(request.share);
}

Test(launch_request, an_end_without_a_line)
{
    g_auto(CocoLaunchRequest) request = { 0 };
    g_autoptr(GError) error = NULL;
    int ends[2];
    int silent[2];

    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    cr_assert_eq(pipe2(silent, O_CLOEXEC | O_NONBLOCK), 0);
    cr_assert_eq(write(ends[1], "{}", 2), 2);
    cr_assert_eq(close(ends[1]), 0);
    cr_assert_not(coco_launch_request_read(ends[0], silent[0], &request, &error));
    cr_assert_str_eq(error->message,
                     "read launch request: standard input ended before the end of a line");
}

static char *
open_error(const char *path, bool readonly)
{
    g_auto(CocoVmDisks) disks = { 0 };
    g_autoptr(GError) error = NULL;

    coco_vm_disks_add(&disks, path, readonly);
    if (coco_vm_disks_open(&disks, &error))
        return NULL;
    cr_assert(g_error_matches(error, COCO_VMM_ERROR, COCO_VMM_ERROR_BAD_CONFIG));
    return g_strdup(error->message);
}

Test(vm_disk, what_may_be_one)
{
    g_autofree char *directory = g_dir_make_tmp("coco-disk-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(directory, "file", NULL);
    g_autofree char *empty = g_build_filename(directory, "empty", NULL);
    g_autofree char *fifo = g_build_filename(directory, "fifo", NULL);
    g_autofree char *link = g_build_filename(directory, "link", NULL);
    const char *const others[] = { directory, fifo, "/dev/null" };
    g_auto(CocoVmDisks) disks = { 0 };
    g_autofree char *message = open_error("/not/there", true);

    cr_assert(g_file_set_contents(file, "x", 1, NULL));
    cr_assert(g_file_set_contents(empty, "", 0, NULL));
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    cr_assert_eq(symlink(file, link), 0);
    cr_assert_str_eq(message, "open disk '/not/there': No such file or directory");
    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autofree char *other = open_error(others[i], true);

        cr_assert(g_str_has_suffix(other, ": neither a file nor a block device"), "%s", other);
    }
    g_free(message);
    message = open_error(empty, false);
    cr_assert(g_str_has_suffix(message, ": the file is empty"), "%s", message);
    coco_vm_disks_add(&disks, link, true);
    coco_vm_disks_add(&disks, file, false);
    cr_assert(coco_vm_disks_open(&disks, NULL));
    cr_assert_eq(fcntl(disks.items[0].fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    cr_assert_eq(fcntl(disks.items[1].fd, F_GETFL) & O_ACCMODE, O_RDWR);
    cr_assert_not(disks.items[0].is_device);
    for (const char *const *name = (const char *const[]){ file, empty, fifo, link, NULL };
         *name != NULL; name++)
        (void) unlink(*name);
    (void) rmdir(directory);
}
