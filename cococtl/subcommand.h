// SPDX-License-Identifier: Apache-2.0
/*
 * The seam between the program cococtl and its subcommands. Each subcommand is one file,
 * cococtl-NAME.c, with one function declared here and one row in cococtl.c.
 *
 * A subcommand gets its own argv (argv[0] is its name), parses it with coco_ctl_parse(), writes its
 * result to standard output and returns an exit code.
 *
 * Ownership: argv is borrowed.
 * Thread: the main one.
 */
#pragma once

#include <stdbool.h>

#include <glib.h>

/* The exit codes of every subcommand. */
enum {
    COCO_CTL_OK = 0,    /* done; the answer is yes */
    COCO_CTL_NO = 1,    /* it failed, or the answer is no: standard error says why in one line */
    COCO_CTL_USAGE = 2, /* the command line is wrong */
};

typedef int (*CocoCtlRun)(int argc, char **argv);

/* Subcommands that need no header of their own. */
int coco_ctl_check(int argc, char **argv);
int coco_ctl_id_block(int argc, char **argv);
int coco_ctl_initdata(int argc, char **argv);
int coco_ctl_reference_values(int argc, char **argv);
int coco_ctl_sev_answer(int argc, char **argv);

/*
 * Parses the options of a subcommand; entries is an array of GOptionEntry with an empty last one.
 * What is left of argv is positional and must be no more than max_rest words: they go to out_rest
 * (nullable, transfer none) with a NULL at the end. On false out_code is what to exit with; --help
 * was printed, or the complaint.
 */
bool coco_ctl_parse(const char *name, const char *summary, const GOptionEntry *entries, int *argc,
                    char ***argv, unsigned int max_rest, char ***out_rest, int *out_code);

/* Prints "cococtl NAME: message" to standard error as one line; returns COCO_CTL_NO. */
int coco_ctl_fail(const char *name, const GError *error);

/* The same for a command line that is wrong; returns COCO_CTL_USAGE. */
int coco_ctl_misuse(const char *name, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Writes text to standard output; a full disk is a failure like another. Returns an exit code. */
int coco_ctl_print(const char *name, const char *text);
