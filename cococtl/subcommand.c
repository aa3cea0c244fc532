// SPDX-License-Identifier: Apache-2.0
/*
 * What all subcommands do alike: options, complaints, output (subcommand.h).
 */
#include "cococtl/subcommand.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* GLib's messages quote what the user typed, which may hold line ends. */
static int
complain(const char *name, const char *message, int code)
{
    g_autofree char *line = g_strdelimit(g_strdup(message), "\r\n", ' ');

    (void) fprintf(stderr, "cococtl %s: %s\n", name, line);
    return code;
}

int
coco_ctl_fail(const char *name, const GError *error)
{
    return complain(name, error->message, COCO_CTL_NO);
}

int
coco_ctl_misuse(const char *name, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    return complain(name, message, COCO_CTL_USAGE);
}

int
coco_ctl_print(const char *name, const char *text)
{
    g_autofree char *message = NULL;

    if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
        return COCO_CTL_OK;
    message = g_strdup_printf("write to standard output: %s", g_strerror(errno));
    return complain(name, message, COCO_CTL_NO);
}

bool
coco_ctl_parse(const char *name, const char *summary, const GOptionEntry *entries, int *argc,
               char ***argv, unsigned int max_rest, char ***out_rest, int *out_code)
{
    g_autofree char *program = g_strdup_printf("cococtl %s", name);
    g_autofree char *usage = g_strdup_printf("- %s", summary);
    g_autoptr(GOptionContext) context = g_option_context_new(usage);
    g_autoptr(GError) error = NULL;

    g_set_prgname(program);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, &error)) {
        *out_code = complain(name, error->message, COCO_CTL_USAGE);
        return false;
    }
    /* A "--" that ended the options is left in place by GLib when words follow that need it. */
    if (*argc > 1 && strcmp((*argv)[1], "--") == 0) {
        (*argv)++;
        (*argc)--;
    }
    if (*argc - 1 > (int) max_rest) {
        *out_code = coco_ctl_misuse(name, "unexpected argument '%s'", (*argv)[1 + max_rest]);
        return false;
    }
    if (out_rest != NULL)
        *out_rest = *argv + 1;
    return true;
}
