// SPDX-License-Identifier: Apache-2.0
/*
 * Streams of a process on real pipes: order, partial writes, ends, callers that are gone.
 */
#include "guest/container/stdio.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/posix/fd.h"
#include "guest-protocol/proto/ttrpc-error.h"

typedef struct {
    GString *data;
    unsigned int ends;
    unsigned int done;
    int code; /* of the last error, 0 without */
} Heard;

static void
on_read(const uint8_t *data, size_t length, const GError *error, void *user_data)
{
    Heard *heard = user_data;

    heard->done++;
    heard->code = error != NULL ? error->code : 0;
    if (error == NULL && length == 0)
        heard->ends++;
    if (length > 0)
        g_string_append_len(heard->data, (const char *) data, (gssize) length);
}

static void
on_written(const GError *error, void *user_data)
{
    Heard *heard = user_data;

    heard->done++;
    heard->code = error != NULL ? error->code : 0;
}

static void
run_until(const unsigned int *counter, unsigned int value)
{
    while (*counter < value)
        (void) g_main_context_iteration(NULL, TRUE);
}

Test(stdio, a_read_waits_for_data_and_is_given_what_is_there, .timeout = 20)
{
    Heard heard = { .data = g_string_new(NULL) };
    int agent;
    int child;
    g_autoptr(CocoOutput) output = NULL;

    cr_assert(coco_stdio_pipe(true, &agent, &child, NULL));
    output = coco_output_new(agent);
    coco_output_read(output, 3, NULL, on_read, &heard);
    cr_assert_eq(heard.done, 0);
    cr_assert_eq(write(child, "hello", 5), 5);
    run_until(&heard.done, 1);
    cr_assert_str_eq(heard.data->str, "hel");
    coco_output_read(output, 0, NULL, on_read, &heard);
    cr_assert_str_eq(heard.data->str, "hello");
    coco_fd_close(child);
    g_string_free(heard.data, TRUE);
}

Test(stdio, the_end_is_empty_data_once_and_then_an_error, .timeout = 20)
{
    Heard heard = { .data = g_string_new(NULL) };
    int agent;
    int child;
    g_autoptr(CocoOutput) output = NULL;

    cr_assert(coco_stdio_pipe(true, &agent, &child, NULL));
    output = coco_output_new(agent);
    cr_assert_eq(write(child, "x", 1), 1);
    coco_fd_close(child);
    for (int i = 0; i < 3; i++)
        coco_output_read(output, 10, NULL, on_read, &heard);
    cr_assert_str_eq(heard.data->str, "x");
    cr_assert_eq(heard.ends, 1);
    cr_assert_eq(heard.code, COCO_TTRPC_OUT_OF_RANGE);
    g_string_free(heard.data, TRUE);
}

Test(stdio, a_caller_that_is_gone_takes_no_data, .timeout = 20)
{
    Heard gone = { .data = g_string_new(NULL) };
    Heard heard = { .data = g_string_new(NULL) };
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    int agent;
    int child;
    g_autoptr(CocoOutput) output = NULL;

    cr_assert(coco_stdio_pipe(true, &agent, &child, NULL));
    output = coco_output_new(agent);
    coco_output_read(output, 10, cancellable, on_read, &gone);
    coco_output_read(output, 10, NULL, on_read, &heard);
    g_cancellable_cancel(cancellable);
    cr_assert_eq(write(child, "kept", 4), 4);
    run_until(&heard.done, 1);
    cr_assert_eq(gone.code, COCO_TTRPC_CANCELLED);
    cr_assert_str_eq(heard.data->str, "kept");
    coco_fd_close(child);
    g_string_free(heard.data, TRUE);
    g_string_free(gone.data, TRUE);
}

Test(stdio, too_many_reads_are_refused, .timeout = 20)
{
    Heard heard = { .data = g_string_new(NULL) };
    int agent;
    int child;
    CocoOutput *output;

    cr_assert(coco_stdio_pipe(true, &agent, &child, NULL));
    output = coco_output_new(agent);
    for (int i = 0; i <= COCO_STDIO_WAITING_MAX; i++)
        coco_output_read(output, 10, NULL, on_read, &heard);
    cr_assert_eq(heard.done, 1);
    cr_assert_eq(heard.code, COCO_TTRPC_RESOURCE_EXHAUSTED);
    coco_output_free(output);
    cr_assert_eq(heard.done, COCO_STDIO_WAITING_MAX + 1);
    cr_assert_eq(heard.code, COCO_TTRPC_CANCELLED);
    coco_fd_close(child);
    g_string_free(heard.data, TRUE);
}

Test(stdio, a_write_larger_than_the_pipe_ends_when_all_is_taken, .timeout = 20)
{
    size_t size = 5 << 20;
    g_autofree uint8_t *sent = g_malloc(size);
    g_autofree uint8_t *buffer = g_malloc(size);
    size_t got = 0;
    Heard heard = { 0 };
    int agent;
    int child;
    g_autoptr(CocoInput) input = NULL;

    for (size_t i = 0; i < size; i++)
        sent[i] = (uint8_t) (i * 7 + i / 251);
    cr_assert(coco_stdio_pipe(false, &agent, &child, NULL));
    input = coco_input_new(agent);
    coco_input_write(input, sent, size, NULL, on_written, &heard);
    coco_input_close(input);
    cr_assert_eq(heard.done, 0);
    while (got < size) {
        ssize_t n = read(child, buffer + got, size - got);

        cr_assert_gt(n, 0);
        got += (size_t) n;
        while (g_main_context_iteration(NULL, FALSE))
            ;
    }
    cr_assert_eq(memcmp(sent, buffer, size), 0);
    cr_assert_eq(heard.done, 1);
    cr_assert_eq(heard.code, 0);
    cr_assert_eq(read(child, buffer, 1), 0, "the process sees the end");
    coco_input_write(input, sent, 1, NULL, on_written, &heard);
    cr_assert_eq(heard.code, COCO_TTRPC_FAILED_PRECONDITION);
    coco_fd_close(child);
}

Test(stdio, a_reader_that_left_is_an_error, .timeout = 20)
{
    size_t size = 2 << 20;
    g_autofree uint8_t *sent = g_malloc0(size);
    Heard heard = { 0 };
    int agent;
    int child;
    g_autoptr(CocoInput) input = NULL;

    (void) signal(SIGPIPE, SIG_IGN);
    cr_assert(coco_stdio_pipe(false, &agent, &child, NULL));
    input = coco_input_new(agent);
    coco_input_write(input, sent, size, NULL, on_written, &heard);
    coco_fd_close(child);
    run_until(&heard.done, 1);
    cr_assert_eq(heard.code, COCO_TTRPC_FAILED_PRECONDITION);
}

Test(stdio, null_is_fine)
{
    coco_output_free(NULL);
    coco_input_free(NULL);
}
