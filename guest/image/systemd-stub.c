// SPDX-License-Identifier: Apache-2.0
/*
 * Stands in for libsystemd.so.0 in the guest image. Debian's crun is linked with it for its systemd
 * cgroup manager and journal, which no guest has; the real one brings five more libraries
 * (libgcrypt, lzma, zstd, lz4, gpg-error) whose linking was 64 % of all instructions of a crun
 * start (1.28 against 0.46 million, counted by callgrind) and 3.5 MB of image. Every function here
 * fails with ENOSYS, as if no bus were there.
 *
 * Not for the host. The names and versions are those that crun 1.8.1 asks for (systemd-stub.map);
 * if another crun asks for more, the loader says so when it starts.
 */
#include <errno.h>

/* clang-format off */
#define STUB(name) int name(void); int name(void) { return -ENOSYS; }

STUB(sd_journal_send_with_location)
STUB(sd_notify)
STUB(sd_bus_call)
STUB(sd_bus_default_system)
STUB(sd_bus_default_user)
STUB(sd_bus_error_free)
STUB(sd_bus_error_get_errno)
STUB(sd_bus_message_append)
STUB(sd_bus_message_append_strv)
STUB(sd_bus_message_close_container)
STUB(sd_bus_message_new_method_call)
STUB(sd_bus_message_open_container)
STUB(sd_bus_message_read)
STUB(sd_bus_message_unref)
STUB(sd_bus_process)
STUB(sd_bus_unref)
STUB(sd_bus_wait)
STUB(sd_bus_match_signal_async)
STUB(sd_notify_barrier)
/* clang-format on */
