// SPDX-License-Identifier: Apache-2.0
/*
 * The forms in which containerd speaks to `start`, and in which it is answered.
 */
#include "shim/command/bootstrap.h"

#include <string.h>

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "guest-protocol/proto/task-pb.h"

static GByteArray *
pack(const ProtobufCMessage *message)
{
    GByteArray *bytes = g_byte_array_new();

    g_byte_array_set_size(bytes, (unsigned int) protobuf_c_message_get_packed_size(message));
    (void) protobuf_c_message_pack(message, bytes->data);
    return bytes;
}

static GByteArray *
pack_options(const char *type, const char *path)
{
    Runtimeoptions__V1__Options options = RUNTIMEOPTIONS__V1__OPTIONS__INIT;
    Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
    g_autoptr(GByteArray) inner = NULL;

    options.config_path = (char *) path;
    inner = pack(&options.base);
    any.type_url = (char *) type;
    any.value.data = inner->data;
    any.value.len = inner->len;
    return pack(&any.base);
}

Test(bootstrap, any_with_and_without_prefix)
{
    static const char *const types[] = { "runtimeoptions.v1.Options",
                                         "type.googleapis.com/runtimeoptions.v1.Options" };

    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autoptr(GByteArray) input = pack_options(types[i], "/etc/coco/x.conf");
        g_auto(CocoBootstrap) bootstrap = { 0 };

        coco_bootstrap_parse(input->data, input->len, "id", "ns", COCO_BOOTSTRAP_JSON_2,
                             &bootstrap);
        cr_expect(eq(str, bootstrap.config_path, "/etc/coco/x.conf"));
        cr_expect(eq(int, bootstrap.form, COCO_BOOTSTRAP_JSON_2));
        cr_expect(bootstrap.socket_dir == NULL);
    }
}

Test(bootstrap, inside_bootstrap_params)
{
    Containerd__Runtime__Bootstrap__V1__BootstrapParams params =
        CONTAINERD__RUNTIME__BOOTSTRAP__V1__BOOTSTRAP_PARAMS__INIT;
    Containerd__Runtime__Bootstrap__V1__Extension extension =
        CONTAINERD__RUNTIME__BOOTSTRAP__V1__EXTENSION__INIT;
    Containerd__Runtime__Bootstrap__V1__Extension *extensions[] = { &extension };
    g_autoptr(GByteArray) any_bytes = pack_options("runtimeoptions.v1.Options", "/c");
    g_autoptr(Google__Protobuf__Any) any =
        google__protobuf__any__unpack(NULL, any_bytes->len, any_bytes->data);
    g_autoptr(GByteArray) input = NULL;
    g_auto(CocoBootstrap) bootstrap = { 0 };

    extension.value = any;
    params.instance_id = (char *) "id";
    params.namespace_ = (char *) "ns";
    params.log_level = CONTAINERD__RUNTIME__BOOTSTRAP__V1__LOG_LEVEL__LOG_LEVEL_DEBUG;
    params.socket_dir = (char *) "/run/containerd/s";
    params.n_extensions = 1;
    params.extensions = extensions;
    input = pack(&params.base);
    coco_bootstrap_parse(input->data, input->len, "id", "ns", COCO_BOOTSTRAP_JSON_2, &bootstrap);
    cr_expect(eq(str, bootstrap.config_path, "/c"));
    cr_expect(eq(int, bootstrap.form, COCO_BOOTSTRAP_PROTOBUF));
    cr_expect(eq(str, bootstrap.socket_dir, "/run/containerd/s"));
    cr_expect(bootstrap.debug);
}

static void
expect_nothing(const void *input, size_t length)
{
    g_auto(CocoBootstrap) bootstrap = { 0 };

    coco_bootstrap_parse(input, length, "id", "ns", COCO_BOOTSTRAP_PLAIN, &bootstrap);
    cr_expect(bootstrap.config_path == NULL);
    cr_expect(bootstrap.socket_dir == NULL);
    cr_expect(eq(int, bootstrap.form, COCO_BOOTSTRAP_PLAIN));
}

Test(bootstrap, other_types_and_garbage_are_ignored)
{
    g_autoptr(GByteArray) runc = pack_options("containerd.runc.v1.Options", "/c");

    expect_nothing(NULL, 0);
    expect_nothing(runc->data, runc->len);
    expect_nothing("\xff\xff\xff", 3);
}

/* Field for field an Any can be read as BootstrapParams: its type would be the instance. */
Test(bootstrap, an_any_is_not_taken_for_params)
{
    g_autoptr(GByteArray) any = pack_options("id", "/c");
    g_auto(CocoBootstrap) bootstrap = { 0 };

    coco_bootstrap_parse(any->data, any->len, "id", "ns", COCO_BOOTSTRAP_JSON_2, &bootstrap);
    cr_expect(eq(int, bootstrap.form, COCO_BOOTSTRAP_JSON_2));
}

/* The sample is what containerd 2.3.4 sends for `ctr run` with debug logging. */
Test(bootstrap, params_as_they_come_on_the_wire)
{
    static const char input[] = "\x0a\x03tr1\x12\x07"
                                "default\x18\xfc\xff\xff\xff\xff\xff\xff\xff\xff\x01\x22\x06v2.3.4"
                                "\x4a\x11/run/containerd/s";
    g_auto(CocoBootstrap) bootstrap = { 0 };
    g_auto(CocoBootstrap) other = { 0 };

    coco_bootstrap_parse((const uint8_t *) input, sizeof input - 1, "tr1", "default",
                         COCO_BOOTSTRAP_JSON_2, &bootstrap);
    cr_expect(eq(int, bootstrap.form, COCO_BOOTSTRAP_PROTOBUF));
    cr_expect(bootstrap.debug);
    cr_expect(eq(str, bootstrap.socket_dir, "/run/containerd/s"));
    coco_bootstrap_parse((const uint8_t *) input, sizeof input - 1, "tr2", "default",
                         COCO_BOOTSTRAP_JSON_3, &other);
    cr_expect(eq(int, other.form, COCO_BOOTSTRAP_JSON_3));
}

static char *
answer(CocoBootstrapForm form)
{
    g_autoptr(GBytes) bytes = coco_bootstrap_answer(form, "unix:///s");

    return g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

Test(bootstrap, answers)
{
    g_autofree char *plain = answer(COCO_BOOTSTRAP_PLAIN);
    g_autofree char *json = answer(COCO_BOOTSTRAP_JSON_2);
    g_autofree char *json_3 = answer(COCO_BOOTSTRAP_JSON_3);

    cr_expect(eq(str, plain, "unix:///s"));
    cr_expect(eq(str, json, "{\"version\":2,\"address\":\"unix:///s\",\"protocol\":\"ttrpc\"}"));
    cr_expect(eq(str, json_3, "{\"version\":3,\"address\":\"unix:///s\",\"protocol\":\"ttrpc\"}"));
}

/* Byte for byte, as protoc encodes it: the address, and which mounts are ours. */
Test(bootstrap, answer_to_params)
{
    static const char wanted[] = "\x08\x03\x12\x09unix:///s\x1a\x05ttrpc"
                                 "\x32\x3e\x0a\x3c\x0a\x22"
                                 "containerd.types.MountCapabilities\x12\x16"
                                 "\x0a\x05"
                                 "erofs\x12\x05mkdir\x12\x06"
                                 "format";
    g_autoptr(GBytes) bytes = coco_bootstrap_answer(COCO_BOOTSTRAP_PROTOBUF, "unix:///s");

    cr_assert(eq(sz, g_bytes_get_size(bytes), sizeof wanted - 1));
    cr_expect(memcmp(g_bytes_get_data(bytes, NULL), wanted, sizeof wanted - 1) == 0);
}
