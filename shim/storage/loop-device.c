// SPDX-License-Identifier: Apache-2.0
/*
 * Asks for a free device and takes it, again when somebody else was faster (loop-device.h).
 */
#include "shim/storage/loop-device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include <gio/gio.h>

#include "guest-protocol/posix/fd.h"
#include "shim/host/system-error.h"

#define TRIES 64

int
coco_loop_device_attach(const char *file, bool readonly, char **out_device, GError **error)
{
    int mode = readonly ? O_RDONLY : O_RDWR;
    g_auto(CocoFd) control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    g_auto(CocoFd) backing = open(file, mode | O_CLOEXEC);
    struct loop_config config = { .fd = (uint32_t) backing,
                                  .info.lo_flags =
                                      LO_FLAGS_AUTOCLEAR | (readonly ? LO_FLAGS_READ_ONLY : 0) };

    if (control < 0 || backing < 0)
        return coco_system_error(error, "make a loop device of", file), -1;
    for (unsigned int i = 0; i < TRIES; i++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        g_autofree char *device = g_strdup_printf("/dev/loop%d", number);
        g_auto(CocoFd) fd = number >= 0 ? open(device, mode | O_CLOEXEC) : -1;

        if (fd < 0)
            return coco_system_error(error, "make a loop device of", file), -1;
        if (ioctl(fd, LOOP_CONFIGURE, &config) == 0) {
            *out_device = g_steal_pointer(&device);
            return coco_fd_steal(&fd);
        }
        if (errno != EBUSY)
            return coco_system_error(error, "make a loop device of", file), -1;
    }
    errno = EBUSY;
    return coco_system_error(error, "make a loop device of", file), -1;
}
