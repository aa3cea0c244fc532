// SPDX-License-Identifier: Apache-2.0
/*
 * The log fifo as containerd uses it: a reader that is there, slow, away, and back.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "guest-protocol/posix/fd.h"
#include "shim/host/log-fifo.h"

typedef struct {
    char *dir;
    char *path;
    CocoLogFifo *fifo;
    CocoFd reader;
} Fixture;

static int
open_reader(const char *path)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    cr_assert_geq(fd, 0);
    return fd;
}

static void
fixture_clear(Fixture *fixture)
{
    coco_log_fifo_free(fixture->fifo);
    coco_fd_clear(&fixture->reader);
    (void) g_unlink(fixture->path);
    (void) g_rmdir(fixture->dir);
    g_free(fixture->path);
    g_free(fixture->dir);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_clear)

static Fixture
fixture_new(bool debug)
{
    Fixture fixture = { .dir = g_dir_make_tmp("coco-log-XXXXXX", NULL) };

    fixture.path = g_build_filename(fixture.dir, "log", NULL);
    cr_assert_eq(mkfifo(fixture.path, 0700), 0);
    fixture.fifo = coco_log_fifo_new(fixture.path, debug);
    fixture.reader = open_reader(fixture.path);
    return fixture;
}

/* Everything that is in the fifo now. */
static char *
drain(int reader)
{
    GString *text = g_string_new(NULL);
    char buffer[65536];
    ssize_t n;

    while ((n = read(reader, buffer, sizeof(buffer))) > 0)
        g_string_append_len(text, buffer, n);
    return g_string_free(text, FALSE);
}

static void
say(CocoLogFifo *fifo, GLogLevelFlags level, const char *message)
{
    const GLogField fields[] = { { "MESSAGE", message, -1 } };

    cr_assert_eq(coco_log_fifo_write(level, fields, 1, fifo), G_LOG_WRITER_HANDLED);
}

static void
assert_matches(const char *line, const char *pattern)
{
    cr_assert(g_regex_match_simple(pattern, line, G_REGEX_DOLLAR_ENDONLY, 0), "%s", line);
}

#define TIME "^time=\"\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{9}Z\" "

Test(log_fifo, line_is_logrus_text)
{
    g_auto(Fixture) fixture = fixture_new(false);
    g_autofree char *line = NULL;
    const GLogField fields[] = {
        { "PRIORITY", "4", -1 },
        { "MESSAGE", "VM is up", -1 },
        { "GLIB_DOMAIN", "coco-shim", -1 },
        { "CODE_FILE", "pod.c", -1 },
        { "COCO_SANDBOX_ID", "3f2a-1_b", -1 },
        { "COCO_VM_STATE", "not ready", 3 },
        { "COCO_CAUSE", "a=\"b\"", -1 },
        { "COCO_EMPTY", "", -1 },
    };

    coco_log_fifo_write(G_LOG_LEVEL_WARNING, fields, G_N_ELEMENTS(fields), fixture.fifo);
    line = drain(fixture.reader);
    assert_matches(line, TIME "level=warning msg=\"VM is up\" domain=coco-shim "
                              "sandbox_id=3f2a-1_b vm_state=not cause=\"a=\\\\\"b\\\\\"\" "
                              "empty=\"\"\n$");
}

Test(log_fifo, levels)
{
    g_auto(Fixture) fixture = fixture_new(true);
    static const struct {
        GLogLevelFlags level;
        const char *pattern;
    } cases[] = {
        { G_LOG_LEVEL_ERROR, " level=fatal " },     { G_LOG_LEVEL_CRITICAL, " level=error " },
        { G_LOG_LEVEL_WARNING, " level=warning " }, { G_LOG_LEVEL_MESSAGE, " level=info " },
        { G_LOG_LEVEL_INFO, " level=info " },       { G_LOG_LEVEL_DEBUG, " level=debug " },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *line = NULL;

        say(fixture.fifo, cases[i].level, "x");
        line = drain(fixture.reader);
        assert_matches(line, cases[i].pattern);
    }
}

Test(log_fifo, debug_only_when_asked)
{
    g_auto(Fixture) fixture = fixture_new(false);
    g_autofree char *text = NULL;

    say(fixture.fifo, G_LOG_LEVEL_DEBUG, "detail");
    text = drain(fixture.reader);
    cr_assert_str_empty(text);
    cr_assert_eq(coco_log_fifo_get_n_dropped(fixture.fifo), 0);
}

/* What a guest says must not look like a line of ours. */
Test(log_fifo, nothing_ends_the_line_early)
{
    g_auto(Fixture) fixture = fixture_new(false);
    g_autofree char *line = NULL;

    say(fixture.fifo, G_LOG_LEVEL_INFO, "a\"\ntime=\"x\" level=error\t\x1b[31m\r\\ \xff \u00fc");
    line = drain(fixture.reader);
    assert_matches(line,
                   " msg=\"a\\\\\"\\\\ntime=\\\\\"x\\\\\" level=error\\\\t\\\\x1b\\[31m\\\\x0d"
                   "\\\\\\\\ \ufffd \u00fc\"\n$");
    cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1);
    cr_assert(g_utf8_validate(line, -1, NULL));
}

/* A line over PIPE_BUF could be written in part. */
Test(log_fifo, long_line_is_cut_and_whole)
{
    g_auto(Fixture) fixture = fixture_new(false);
    g_autoptr(GString) message = g_string_new("x");
    g_autofree char *line = NULL;

    for (int i = 0; i < PIPE_BUF; i++)
        g_string_append(message, "\u00fc");
    say(fixture.fifo, G_LOG_LEVEL_INFO, message->str);
    line = drain(fixture.reader);
    cr_assert_leq(strlen(line), PIPE_BUF);
    cr_assert_gt(strlen(line), PIPE_BUF - 10);
    cr_assert(g_str_has_suffix(line, "\u00fc...\"\n"));
    cr_assert(g_utf8_validate(line, -1, NULL));
}

Test(log_fifo, slow_reader_loses_lines_and_is_told)
{
    g_auto(Fixture) fixture = fixture_new(false);
    g_autofree char *old = NULL;
    g_autofree char *new = NULL;
    uint64_t n_dropped;

    while (coco_log_fifo_get_n_dropped(fixture.fifo) < 3)
        say(fixture.fifo, G_LOG_LEVEL_INFO, "fill");
    n_dropped = coco_log_fifo_get_n_dropped(fixture.fifo);
    cr_assert_eq(n_dropped, 3);
    old = drain(fixture.reader);
    cr_assert(g_str_has_suffix(old, "msg=\"fill\"\n"));
    say(fixture.fifo, G_LOG_LEVEL_INFO, "again");
    new = drain(fixture.reader);
    assert_matches(new, TIME "level=warning msg=\"3 log lines were dropped\"\n"
                             "time=.* level=info msg=\"again\"\n$");
    say(fixture.fifo, G_LOG_LEVEL_INFO, "more");
    cr_assert_eq(coco_log_fifo_get_n_dropped(fixture.fifo), 3);
}

/* containerd restarts: no SIGPIPE (which would end this test), and the next reader gets what was
 * kept. */
Test(log_fifo, survives_restart_of_reader)
{
    g_auto(Fixture) fixture = fixture_new(false);
    g_autofree char *text = NULL;

    coco_fd_clear(&fixture.reader);
    say(fixture.fifo, G_LOG_LEVEL_INFO, "while away");
    fixture.reader = open_reader(fixture.path);
    say(fixture.fifo, G_LOG_LEVEL_INFO, "back");
    text = drain(fixture.reader);
    cr_assert_not_null(strstr(text, "while away"));
    cr_assert_not_null(strstr(text, "back"));
    cr_assert_eq(coco_log_fifo_get_n_dropped(fixture.fifo), 0);
}

Test(log_fifo, no_fifo_is_no_failure)
{
    g_autoptr(CocoLogFifo) fifo = coco_log_fifo_new("/proc/nonexistent/log", false);

    errno = EINTR;
    say(fifo, G_LOG_LEVEL_INFO, "x");
    cr_assert_eq(errno, EINTR);
    cr_assert_eq(coco_log_fifo_get_n_dropped(fifo), 1);
    coco_log_fifo_free(NULL);
}

Test(log_fifo, installed_writer_gets_glib_messages)
{
    g_auto(Fixture) fixture = fixture_new(false);
    g_autofree char *text = NULL;

    coco_log_fifo_install(fixture.path, true);
    g_log_structured("coco-test", G_LOG_LEVEL_INFO, "COCO_POD", "p1", "MESSAGE", "pod %d", 7);
    g_log("coco-test", G_LOG_LEVEL_DEBUG, "plain");
    text = drain(fixture.reader);
    assert_matches(text, "level=info msg=\"pod 7\" domain=coco-test pod=p1\n");
    assert_matches(text, "level=debug msg=\"plain\" domain=coco-test\n$");
}
