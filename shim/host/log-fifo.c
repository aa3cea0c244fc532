// SPDX-License-Identifier: Apache-2.0
/*
 * Why the fifo is opened for reading too: with its only reader gone (containerd restarts) a fifo
 * that is open for writing alone raises SIGPIPE, and one cannot be opened at all before there is a
 * reader. This way the kernel keeps up to 64 KiB of lines for the next containerd, which opens the
 * same fifo, and no reopening is needed.
 *
 * A line is cut to PIPE_BUF bytes, since only up to there does a write to a fifo happen whole or
 * not at all.
 */
#include "shim/host/log-fifo.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "guest-protocol/posix/fd.h"

#define FIELD_PREFIX "COCO_"
#define CUT_MARK "...\"\n" /* every line that can be too long is so by a quoted value */

struct _CocoLogFifo {
    int fd;
    bool debug;
    atomic_uint_fast64_t n_dropped;
    atomic_uint_fast64_t n_reported;
};

CocoLogFifo *
coco_log_fifo_new(const char *path, bool debug)
{
    CocoLogFifo *fifo = g_new0(CocoLogFifo, 1);

    fifo->fd = open(path, O_RDWR | O_NONBLOCK | O_APPEND | O_NOCTTY | O_CLOEXEC);
    fifo->debug = debug;
    return fifo;
}

void
coco_log_fifo_free(CocoLogFifo *fifo)
{
    if (fifo == NULL)
        return;
    coco_fd_clear(&fifo->fd);
    g_free(fifo);
}

void
coco_log_fifo_install(const char *path, bool debug)
{
    g_log_set_writer_func(coco_log_fifo_write, coco_log_fifo_new(path, debug), NULL);
}

uint64_t
coco_log_fifo_get_n_dropped(const CocoLogFifo *fifo)
{
    return atomic_load(&fifo->n_dropped);
}

/* logrus' names; it has no "critical". */
static const char *
level_name(GLogLevelFlags level)
{
    if (level & G_LOG_LEVEL_ERROR)
        return "fatal";
    if (level & G_LOG_LEVEL_CRITICAL)
        return "error";
    if (level & G_LOG_LEVEL_WARNING)
        return "warning";
    return level & G_LOG_LEVEL_DEBUG ? "debug" : "info";
}

static bool
needs_quotes(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (!g_ascii_isalnum(text[i]) && strchr("-._/@^+", text[i]) == NULL)
            return true;
    }
    return length == 0;
}

/* A quoted string as Go prints it. Bytes from 0x80 on pass (a guest may say anything, and it was
 * made valid UTF-8 before), all below that could end the line or the string do not. */
static void
append_quoted(GString *line, const char *text, size_t length)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize) length);

    g_string_append_c(line, '"');
    for (const char *p = valid; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            g_string_append_printf(line, "\\%c", *p);
        else if (*p == '\n')
            g_string_append(line, "\\n");
        else if (*p == '\t')
            g_string_append(line, "\\t");
        else if (g_ascii_iscntrl(*p))
            g_string_append_printf(line, "\\x%02x", (unsigned int) *p);
        else
            g_string_append_c(line, *p);
    }
    g_string_append_c(line, '"');
}

static void
append_pair(GString *line, const char *key, const char *value, size_t length)
{
    g_string_append_printf(line, " %s=", key);
    if (needs_quotes(value, length))
        append_quoted(line, value, length);
    else
        g_string_append_len(line, value, (gssize) length);
}

static size_t
field_length(const GLogField *field)
{
    return field->length < 0 ? strlen(field->value) : (size_t) field->length;
}

static const GLogField *
find_field(const GLogField *fields, size_t n_fields, const char *key)
{
    for (size_t i = 0; i < n_fields; i++) {
        if (strcmp(fields[i].key, key) == 0)
            return &fields[i];
    }
    return NULL;
}

static void
append_time(GString *line)
{
    int64_t now_us = g_get_real_time();
    g_autoptr(GDateTime) now = g_date_time_new_from_unix_utc(now_us / G_USEC_PER_SEC);
    g_autofree char *seconds = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");

    g_string_append_printf(line, "time=\"%s.%06d000Z\"", seconds, (int) (now_us % G_USEC_PER_SEC));
}

/* Ends the line, and keeps it so short that it is written whole: cut before a character, never in
 * one. */
static void
end_line(GString *line)
{
    if (line->len + 1 > PIPE_BUF) {
        size_t cut = PIPE_BUF - strlen(CUT_MARK);

        while (cut > 0 && ((unsigned char) line->str[cut] & 0xC0) == 0x80)
            cut--;
        while (cut > 0 && line->str[cut - 1] == '\\')
            cut--;
        g_string_truncate(line, cut);
        g_string_append(line, CUT_MARK);
        return;
    }
    g_string_append_c(line, '\n');
}

static GString *
format_line(GLogLevelFlags level, const GLogField *fields, size_t n_fields)
{
    const GLogField *message = find_field(fields, n_fields, "MESSAGE");
    const GLogField *domain = find_field(fields, n_fields, "GLIB_DOMAIN");
    GString *line = g_string_sized_new(256);

    append_time(line);
    g_string_append_printf(line, " level=%s msg=", level_name(level));
    append_quoted(line, message != NULL ? message->value : "",
                  message != NULL ? field_length(message) : 0);
    if (domain != NULL)
        append_pair(line, "domain", domain->value, field_length(domain));
    for (size_t i = 0; i < n_fields; i++) {
        g_autofree char *key = NULL;

        if (!g_str_has_prefix(fields[i].key, FIELD_PREFIX))
            continue;
        key = g_ascii_strdown(fields[i].key + strlen(FIELD_PREFIX), -1);
        append_pair(line, key, fields[i].value, field_length(&fields[i]));
    }
    end_line(line);
    return line;
}

static bool
write_line(const CocoLogFifo *fifo, const GString *line)
{
    return write(fifo->fd, line->str, line->len) == (ssize_t) line->len;
}

/* Says how many lines are missing, at the place where they are missing. */
static bool
report_drops(CocoLogFifo *fifo)
{
    uint64_t n_dropped = atomic_load(&fifo->n_dropped);
    g_autofree char *text = NULL;
    g_autoptr(GString) line = NULL;
    GLogField field = { "MESSAGE", NULL, -1 };

    if (n_dropped == atomic_load(&fifo->n_reported))
        return true;
    text = g_strdup_printf("%" G_GUINT64_FORMAT " log lines were dropped",
                           n_dropped - atomic_load(&fifo->n_reported));
    field.value = text;
    line = format_line(G_LOG_LEVEL_WARNING, &field, 1);
    if (!write_line(fifo, line))
        return false;
    atomic_store(&fifo->n_reported, n_dropped);
    return true;
}

GLogWriterOutput
coco_log_fifo_write(GLogLevelFlags level, const GLogField *fields, size_t n_fields, void *user_data)
{
    CocoLogFifo *fifo = user_data;
    g_autoptr(GString) line = NULL;
    int saved_errno = errno;

    if ((level & G_LOG_LEVEL_DEBUG) && !fifo->debug)
        return G_LOG_WRITER_HANDLED;
    line = format_line(level, fields, n_fields);
    if (!report_drops(fifo) || !write_line(fifo, line))
        atomic_fetch_add(&fifo->n_dropped, 1);
    errno = saved_errno;
    return G_LOG_WRITER_HANDLED;
}
