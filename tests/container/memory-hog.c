/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills its memory, for tests of what happens at a container's limit. It has CONSTANTS_MIB of
 * constants: pages of its file, which the kernel can drop and read again, as a large program's
 * code.
 *
 *     memory-hog                 takes 1 MiB after the other and reads all constants after each, as
 *                                does a second process meanwhile, until somebody ends it
 *     memory-hog MIB SECONDS     takes MIB, then reads its constants for SECONDS, and ends with 0
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define MIB (1U << 20)
#define CONSTANTS_MIB 8
#define PAGE 4096

/* Not all zero, or it would not be in the file. */
static const volatile uint8_t constants[CONSTANTS_MIB * MIB] = { 1 };

static bool
read_constants(void)
{
    unsigned int sum = 0;

    for (size_t i = 0; i < sizeof constants; i += PAGE)
        sum += constants[i];
    return sum == 1;
}

static bool
take_mib(void)
{
    volatile uint8_t *memory = malloc(MIB); /* nobody reads it: the compiler would leave it out */

    for (size_t i = 0; memory != NULL && i < MIB; i += PAGE)
        memory[i] = 0x5a;
    return memory != NULL;
}

static int
fill_all(void)
{
    pid_t reader = fork();

    if (reader < 0)
        return 1;
    if (reader == 0) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (read_constants())
            ;
        return 1;
    }
    while (take_mib() && read_constants())
        ;
    return 1;
}

static int
fill_and_read(long mib, long seconds)
{
    time_t end;

    for (long taken = 0; taken < mib; taken++) {
        if (!take_mib())
            return 1;
    }
    end = time(NULL) + seconds;
    while (time(NULL) < end) {
        if (!read_constants())
            return 1;
    }
    return 0;
}

int
main(int argc, char **argv)
{
    if (argc == 1)
        return fill_all();
    if (argc != 3) {
        (void) fprintf(stderr, "usage: memory-hog [MIB SECONDS]\n");
        return 2;
    }
    return fill_and_read(strtol(argv[1], NULL, 10), strtol(argv[2], NULL, 10));
}
