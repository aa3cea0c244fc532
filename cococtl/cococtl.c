// SPDX-License-Identifier: Apache-2.0
/*
 * cococtl: the operator's and the relying party's command line. Each subcommand is a row of a
 * table; what it does is in its own file (subcommand.h).
 *
 * It links no libvirt: a measurement is computed on machines that have neither a TEE nor QEMU.
 */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cococtl/cococtl-measure.h"
#include "cococtl/subcommand.h"

typedef struct {
    const char *name;
    const char *summary;
    CocoCtlRun run;
} Command;

static const Command commands[] = {
    { "check", "tell what this host can launch, and what it lacks", coco_ctl_check },
    { "measure", "compute what a launch will measure", coco_ctl_measure },
    { "id-block", "sign which SNP guest may be launched", coco_ctl_id_block },
    { "initdata", "check initdata, make its annotation", coco_ctl_initdata },
    { "reference-values", "print what Trustee is to expect of a launch",
      coco_ctl_reference_values },
    { "sev-answer", "decide on the measurement of an SEV guest", coco_ctl_sev_answer },
    { NULL, NULL, NULL },
};

static const Command *
find_command(const char *name)
{
    for (const Command *command = commands; command->name != NULL; command++) {
        if (strcmp(command->name, name) == 0)
            return command;
    }
    return NULL;
}

static void
print_help(FILE *out)
{
    (void) fprintf(out, "usage: cococtl SUBCOMMAND [OPTION]...\n\n"
                        "Tells what this machine can launch and what a launch will measure.\n\n");
    for (const Command *command = commands; command->name != NULL; command++)
        (void) fprintf(out, "  %-17s %s\n", command->name, command->summary);
    (void) fprintf(out, "\n`cococtl SUBCOMMAND --help` shows the options of a subcommand. "
                        "Exit status: 0 ok, 1 no or failed, 2 usage.\n");
}

int
main(int argc, char **argv)
{
    const Command *command = argc > 1 ? find_command(argv[1]) : NULL;

    /* File names are bytes of the user's locale; without this GLib would take them for ASCII. */
    (void) setlocale(LC_CTYPE, "");
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        return coco_ctl_print("--version", "cococtl " COCO_VERSION "\n");
    if (command == NULL) {
        bool asked = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);

        if (argc > 1 && !asked)
            return coco_ctl_misuse(argv[1], "there is no such subcommand; see cococtl --help");
        print_help(asked ? stdout : stderr);
        return asked ? COCO_CTL_OK : COCO_CTL_USAGE;
    }
    return command->run(argc - 1, argv + 1);
}
