// SPDX-License-Identifier: Apache-2.0
/*
 * `cococtl initdata`: checks initdata as a launch will, makes the annotation of it, shows what the
 * evidence will hold, and reads an annotation back.
 */
#include "cococtl/cococtl-object.h"
#include "cococtl/subcommand.h"
#include "vmm/initdata/initdata.h"
#include "vmm/measure/measure.h"

#define NAME "initdata"

typedef struct {
    gboolean decode;
    gboolean annotation;
    gboolean toml;
    gboolean json;
    char *image;
} Options;

static void
options_clear(Options *options)
{
    g_free(options->image);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static const char *
parse(Options *o, int argc, char **argv, int *out_code)
{
    /* clang-format off */
    const GOptionEntry entries[] = {
        { "decode", 'd', 0, G_OPTION_ARG_NONE, &o->decode, "FILE holds an annotation, not TOML", NULL },
        { "annotation", 'a', 0, G_OPTION_ARG_NONE, &o->annotation, "print only the annotation", NULL },
        { "toml", 't', 0, G_OPTION_ARG_NONE, &o->toml, "print only the TOML", NULL },
        { "image", 'i', 0, G_OPTION_ARG_FILENAME, &o->image, "write the disk that a guest gets", "FILE" },
        { "json", 'j', 0, G_OPTION_ARG_NONE, &o->json, "print JSON", NULL },
        { 0 },
    };
    /* clang-format on */
    char **rest;

    if (!coco_ctl_parse(NAME, "FILE: check initdata, make its annotation", entries, &argc, &argv, 1,
                        &rest, out_code))
        return NULL;
    if (rest[0] == NULL)
        *out_code = coco_ctl_misuse(NAME, "FILE is missing");
    else if (o->annotation + o->toml + o->json > 1)
        *out_code = coco_ctl_misuse(NAME, "--annotation, --toml and --json exclude each other");
    else
        return rest[0];
    return NULL;
}

static void
add_field(json_object *object, const char *key, const CocoInitdata *initdata, size_t size)
{
    g_autofree uint8_t *field = g_malloc(size);

    coco_initdata_bind(initdata, field, size);
    coco_ctl_add_hex(object, key, field, size);
}

static json_object *
report(const CocoInitdata *initdata)
{
    json_object *object = json_object_new_object();
    json_object *files = json_object_new_array();
    g_autofree char *annotation = coco_initdata_annotation(initdata);
    g_autofree char *cmdline = coco_initdata_cmdline(initdata);
    g_autofree const char **names = coco_initdata_names(initdata);
    size_t len;
    const uint8_t *digest = coco_initdata_digest(initdata, &len);

    json_object_object_add(object, "algorithm",
                           json_object_new_string(coco_initdata_algorithm(initdata)));
    coco_ctl_add_hex(object, "digest", digest, len);
    add_field(object, "host_data", initdata, COCO_HOST_DATA_BYTES);
    add_field(object, "mrconfigid", initdata, COCO_MRCONFIGID_BYTES);
    json_object_object_add(object, "cmdline", json_object_new_string(cmdline));
    for (size_t i = 0; names[i] != NULL; i++)
        json_object_array_add(files, json_object_new_string(names[i]));
    json_object_object_add(object, "files", files);
    json_object_object_add(object, "annotation", json_object_new_string(annotation));
    return object;
}

static int
print(const Options *options, const CocoInitdata *initdata)
{
    json_object *object;
    size_t len;
    int code;

    if (options->toml)
        return coco_ctl_print(NAME, coco_initdata_toml(initdata, &len));
    if (options->annotation) {
        g_autofree char *annotation = coco_initdata_annotation(initdata);
        g_autofree char *line = g_strconcat(annotation, "\n", NULL);

        return coco_ctl_print(NAME, line);
    }
    object = report(initdata);
    code = coco_ctl_print_object(NAME, object, options->json);
    json_object_put(object);
    return code;
}

int
coco_ctl_initdata(int argc, char **argv)
{
    g_auto(Options) options = { 0 };
    g_autoptr(CocoInitdata) initdata = NULL;
    g_autoptr(GError) error = NULL;
    int code = COCO_CTL_OK;
    const char *path = parse(&options, argc, argv, &code);

    if (path == NULL)
        return code;
    initdata = options.decode ? coco_initdata_load_annotation(path, &error)
                              : coco_initdata_load_toml(path, &error);
    if (initdata == NULL)
        return coco_ctl_fail(NAME, error);
    if (options.image != NULL) {
        g_autoptr(GBytes) image = coco_initdata_image(initdata);

        if (!g_file_set_contents(options.image, g_bytes_get_data(image, NULL),
                                 (gssize) g_bytes_get_size(image), &error))
            return coco_ctl_fail(NAME, error);
    }
    return print(&options, initdata);
}
