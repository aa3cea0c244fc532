// SPDX-License-Identifier: Apache-2.0
/*
 * A program with two memory errors, for the test that sees whether they would be seen: it reads
 * what nobody wrote, and loses a block.
 */
#include <stdlib.h>

int
main(int argc, char **argv)
{
    char *volatile lost = malloc((size_t) argc * 16);
    int answer = lost != NULL && lost[argc] == 'x' ? 3 : 0;

    lost = NULL;
    return answer;
}
