// SPDX-License-Identifier: Apache-2.0
/*
 * coco-vmm: the command line of the VM launcher. Each command is a row of a table; what it does is
 * elsewhere.
 *
 * It links no libvirt (coco-vmm-libvirt does), so that destroy and list are quick and work when
 * libvirt does not.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <glib.h>

#include "vmm/config/vmm-error.h"
#include "vmm/launch/hotplug.h"
#include "vmm/launch/launch-plan.h"
#include "vmm/launch/launch.h"
#include "vmm/run/vm-state.h"
#include "vmm/tee/tee.h"

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2
};

typedef struct {
    char *config;
    char *run_dir;
    char *share;
    char *base;
    char *initdata;
    char *initdata_annotation;
    char *annotations;
    char **overrides;
    char **devices;
    char **require_tees;
    int vcpus;
    int memory_mib;
    gboolean json;
    gboolean wait;
    gboolean verbose;
} Arguments;

typedef struct {
    const char *name;
    const char *summary;
    const char *options; /* the long options that this command takes, each between spaces */
    const char *required;
    int (*run)(const Arguments *arguments);
} Command;

static void
arguments_clear(Arguments *arguments)
{
    g_free(arguments->config);
    g_free(arguments->run_dir);
    g_free(arguments->share);
    g_free(arguments->base);
    g_free(arguments->initdata);
    g_free(arguments->initdata_annotation);
    g_free(arguments->annotations);
    g_strfreev(arguments->overrides);
    g_strfreev(arguments->devices);
    g_strfreev(arguments->require_tees);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Arguments, arguments_clear)

static int
complain(const GError *error)
{
    (void) fprintf(stderr, "coco-vmm: %s\n", error->message);
    return EXIT_FAILED;
}

static CocoLaunchSource
source_of(const Arguments *arguments)
{
    return (CocoLaunchSource){
        .config = arguments->config,
        .run_dir = arguments->run_dir,
        .share = arguments->share,
        .overrides = (const char *const *) arguments->overrides,
        .annotations = arguments->annotations,
        .initdata = { .annotation_file = arguments->initdata_annotation,
                      .toml_file = arguments->initdata },
    };
}

static int
run_launch(const Arguments *arguments)
{
    CocoLaunchOptions options = {
        .source = source_of(arguments),
        .require_tees = (const char *const *) arguments->require_tees,
        .wait = arguments->wait,
        .verbose = arguments->verbose,
    };

    return coco_launch(&options, stdout) ? EXIT_OK : EXIT_FAILED;
}

static CocoHotplugOptions
hotplug_of(const Arguments *arguments)
{
    return (CocoHotplugOptions){ .run_dir = arguments->run_dir,
                                 .places = (const char *const *) arguments->devices,
                                 .size = { .vcpus = (unsigned int) arguments->vcpus,
                                           .memory_mib = (unsigned int) arguments->memory_mib },
                                 .verbose = arguments->verbose };
}

static int
run_attach(const Arguments *arguments)
{
    CocoHotplugOptions options = hotplug_of(arguments);

    return coco_hotplug_attach_devices(&options, stdout) ? EXIT_OK : EXIT_FAILED;
}

static int
run_detach(const Arguments *arguments)
{
    CocoHotplugOptions options = hotplug_of(arguments);

    return coco_hotplug_detach_devices(&options, stdout) ? EXIT_OK : EXIT_FAILED;
}

static int
run_resize(const Arguments *arguments)
{
    CocoHotplugOptions options = hotplug_of(arguments);

    return coco_hotplug_resize(&options, stdout) ? EXIT_OK : EXIT_FAILED;
}

static int
run_destroy(const Arguments *arguments)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CocoRunDir) run_dir = coco_run_dir_new(arguments->run_dir, &error);

    if (run_dir == NULL || !coco_vm_destroy(run_dir, &error))
        return complain(error);
    return EXIT_OK;
}

static int
run_xml(const Arguments *arguments)
{
    CocoLaunchSource source = source_of(arguments);
    g_auto(CocoLaunchPlan) plan = { 0 };
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = NULL;

    if (source.run_dir == NULL)
        source.run_dir = "/run/coco/POD";
    if (!coco_launch_plan_load(&plan, &source, &error) || !coco_tee_has_domain(plan.config, &error))
        return complain(error);
    xml = coco_launch_plan_xml(&plan);
    (void) fputs(xml, stdout);
    return EXIT_OK;
}

static int
run_list(const Arguments *arguments)
{
    const char *preset = g_getenv("COCO_RUN_DIR");
    const char *base = arguments->base != NULL ? arguments->base : preset;
    g_autoptr(GError) error = NULL;

    if (!coco_vm_list(base != NULL ? base : "/run/coco", arguments->json, stdout, &error))
        return complain(error);
    return EXIT_OK;
}

static const Command commands[] = {
    { "launch", "start a VM; tell how it goes in JSON lines",
      " config run-dir share set initdata initdata-annotation annotations require-tee wait "
      "verbose ",
      " config run-dir ", run_launch },
    { "attach", "give a VM that runs the devices that standard input names", " run-dir verbose ",
      " run-dir ", run_attach },
    { "detach", "take such devices away from it", " run-dir device disk verbose ",
      " run-dir device ", run_detach },
    { "resize", "give it more or fewer CPUs, more or less memory",
      " run-dir vcpus memory-mib verbose ", " run-dir size ", run_resize },
    { "destroy", "end the VM of a run directory and remove its files", " run-dir ", " run-dir ",
      run_destroy },
    { "xml", "print the domain XML that launch would start, on any machine",
      " config run-dir share set initdata initdata-annotation annotations ", " config ", run_xml },
    { "list", "show the VMs below a base directory", " base json ", " ", run_list },
};

static const Command *
find_command(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    }
    return NULL;
}

static void
print_help(FILE *out)
{
    (void) fprintf(out,
                   "usage: coco-vmm COMMAND [OPTION]...\n\n"
                   "Starts and ends the virtual machine of one pod, through libvirt and QEMU.\n\n");
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        (void) fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
    (void) fprintf(out, "\n`coco-vmm COMMAND --help` shows the options of a command. "
                        "Exit status: 0 done, 1 failed, 2 usage.\n");
}

static bool
named_in(const char *list, const char *name)
{
    g_autofree char *word = g_strdup_printf(" %s ", name);

    return strstr(list, word) != NULL;
}

/* The options of all commands, narrowed to those of one. */
static GOptionContext *
make_context(const Command *command, Arguments *arguments)
{
    const GOptionEntry all[] = {
        { "config", 'c', 0, G_OPTION_ARG_FILENAME, &arguments->config, "read this config", "FILE" },
        { "run-dir", 'r', 0, G_OPTION_ARG_FILENAME, &arguments->run_dir,
          "run directory of the VM, short and absolute", "DIR" },
        { "share", 's', 0, G_OPTION_ARG_FILENAME, &arguments->share,
          "give DIR to the guest through virtiofs", "DIR" },
        { "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &arguments->overrides, "override a config key",
          "GROUP.KEY=VALUE" },
        { "initdata", 'i', 0, G_OPTION_ARG_FILENAME, &arguments->initdata,
          "give the initdata (TOML) in FILE to the guest, instead of [guest] initdata", "FILE" },
        { "initdata-annotation", 0, 0, G_OPTION_ARG_FILENAME, &arguments->initdata_annotation,
          "the same from a file with the pod annotation: base64 of gzip of TOML", "FILE" },
        { "annotations", 0, 0, G_OPTION_ARG_FILENAME, &arguments->annotations,
          "a JSON object of the pod's annotations, as far as [annotations] allow lets it", "FILE" },
        { "require-tee", 0, 0, G_OPTION_ARG_STRING_ARRAY, &arguments->require_tees,
          "start no VM unless the config says [vm] tee = TEE; may be repeated", "TEE" },
        { "wait", 'w', 0, G_OPTION_ARG_NONE, &arguments->wait,
          "before the VM is made, read which disks it gets from standard input", NULL },
        { "device", 'd', 0, G_OPTION_ARG_STRING_ARRAY, &arguments->devices,
          "the device at this place, as attach told it; may be repeated", "PLACE" },
        { "disk", 0, 0, G_OPTION_ARG_STRING_ARRAY, &arguments->devices,
          "the same, as shims of an earlier version say it", "PLACE" },
        { "vcpus", 0, 0, G_OPTION_ARG_INT, &arguments->vcpus, "how many CPUs it has then", "N" },
        { "memory-mib", 0, 0, G_OPTION_ARG_INT, &arguments->memory_mib,
          "how much memory it has then", "MIB" },
        { "base", 'b', 0, G_OPTION_ARG_FILENAME, &arguments->base,
          "directory of the run directories (default: $COCO_RUN_DIR or /run/coco)", "DIR" },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &arguments->json, "print JSON", NULL },
        { "verbose", 'v', 0, G_OPTION_ARG_NONE, &arguments->verbose,
          "let libvirt's messages through to stderr", NULL },
    };
    g_autofree char *usage = g_strdup_printf("- %s", command->summary);
    GOptionContext *context = g_option_context_new(usage);

    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        const GOptionEntry one[] = { all[i], { 0 } };

        if (named_in(command->options, all[i].long_name))
            g_option_context_add_main_entries(context, one, NULL);
    }
    return context;
}

static bool
complete(const Command *command, const Arguments *arguments, int argc, char **argv, GError **error)
{
    const char *missing = NULL;

    if (named_in(command->required, "config") && arguments->config == NULL)
        missing = "--config";
    else if (named_in(command->required, "run-dir") && arguments->run_dir == NULL)
        missing = "--run-dir";
    else if (named_in(command->required, "device") && arguments->devices == NULL)
        missing = "--device";
    else if (named_in(command->required, "size") && arguments->vcpus <= 0 &&
             arguments->memory_mib <= 0)
        missing = "--vcpus or --memory-mib";
    if (missing != NULL)
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s is missing", missing);
    else if (argc > 1)
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "unexpected argument '%s'",
                    argv[1]);
    return missing == NULL && argc <= 1;
}

int
main(int argc, char **argv)
{
    g_auto(Arguments) arguments = { 0 };
    g_autoptr(GOptionContext) context = NULL;
    g_autoptr(GError) error = NULL;
    const Command *command = argc > 1 ? find_command(argv[1]) : NULL;

    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        return printf("coco-vmm %s\n", COCO_VERSION) > 0 ? EXIT_OK : EXIT_FAILED;
    if (command == NULL) {
        bool asked = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);

        print_help(asked ? stdout : stderr);
        return asked ? EXIT_OK : EXIT_USAGE;
    }
    context = make_context(command, &arguments);
    argc--;
    argv++;
    if (!g_option_context_parse(context, &argc, &argv, &error) ||
        !complete(command, &arguments, argc, argv, &error)) {
        (void) fprintf(stderr, "coco-vmm %s: %s\n", command->name, error->message);
        return EXIT_USAGE;
    }
    return command->run(&arguments);
}
