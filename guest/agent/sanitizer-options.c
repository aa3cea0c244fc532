// SPDX-License-Identifier: Apache-2.0
/*
 * Only in an agent that is built with the address sanitizer (tests/run --sanitize): its options. As
 * process 1 it cannot get them from ASAN_OPTIONS, not even through the kernel command line, because
 * the sanitizer reads /proc/self/environ, and starts before /proc is mounted.
 *
 * The sanitizer keeps freed memory for a while, so that a late use of it is found: 256 MiB by
 * default, which is more than the guest has. An agent that copies two streams at once frees that
 * much within seconds.
 */
#include <sanitizer/asan_interface.h>

const char *
__asan_default_options(void)
{
    return "quarantine_size_mb=16";
}
