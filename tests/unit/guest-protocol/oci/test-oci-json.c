// SPDX-License-Identifier: Apache-2.0
/*
 * OCI JSON <-> messages: specs as containerd 1.6 and CRI write them survive the trip through the
 * wire format with nothing changed but what the protocol has no field for; broken ones are refused
 * with the path of the fault.
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <json-c/json.h>
#include <json-c/json_pointer.h>

#include "guest-protocol/oci/bounded-json.h"
#include "guest-protocol/oci/oci-json.h"
#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/proto/wire-limits.h"

static char *
load(const char *name, size_t *out_length)
{
    g_autofree char *path = g_build_filename(COCO_TEST_DATA, name, NULL);
    char *text = NULL;

    cr_assert(g_file_get_contents(path, &text, out_length, NULL), "cannot read %s", path);
    return text;
}

static Grpc__Spec *
spec_from(const char *json)
{
    g_autoptr(GError) error = NULL;
    Grpc__Spec *spec = coco_oci_spec_from_json(json, strlen(json), &error);

    cr_assert_not_null(spec, "%s", error != NULL ? error->message : "no error");
    return spec;
}

/* What the agent gets: the bytes of the wire, unpacked again. */
static Grpc__Spec *
over_the_wire(const Grpc__Spec *spec)
{
    size_t size = grpc__spec__get_packed_size(spec);
    g_autofree uint8_t *wire = g_malloc(size);
    Grpc__Spec *unpacked;

    grpc__spec__pack(spec, wire);
    unpacked = grpc__spec__unpack(NULL, size, wire);
    cr_assert_not_null(unpacked);
    return unpacked;
}

static void
drop(json_object *root, const char *pointer, const char *key)
{
    json_object *parent = NULL;

    cr_assert_eq(json_pointer_get(root, pointer, &parent), 0, "fixture has no %s", pointer);
    cr_assert(json_object_object_get_ex(parent, key, NULL), "fixture has no %s in %s", key,
              pointer);
    json_object_object_del(parent, key);
}

/* Takes a fixture through the wire and back; want: the fixture, to be adjusted to what must come
 * out. */
static json_object *
round_trip(const char *name, json_object **out_want)
{
    size_t length;
    g_autofree char *text = load(name, &length);
    g_autoptr(GError) error = NULL;
    g_autoptr(Grpc__Spec) spec = coco_oci_spec_from_json(text, length, &error);
    g_autoptr(Grpc__Spec) remote = NULL;
    g_autofree char *json = NULL;

    cr_assert_not_null(spec, "%s", error != NULL ? error->message : "no error");
    remote = over_the_wire(spec);
    json = coco_oci_spec_to_json(remote);
    *out_want = json_tokener_parse(text);
    return json_tokener_parse(json);
}

static void
assert_same(json_object *got, json_object *want)
{
    cr_assert(json_object_equal(got, want), "got  %s\nwant %s", json_object_to_json_string(got),
              json_object_to_json_string(want));
}

/* The config.json of `ctr run --seccomp --memory-limit --cpus --device --mount` of
 * containerd 1.6.20. */
Test(oci_json, ctr_run_survives)
{
    g_autoptr(json_object) want = NULL;
    g_autoptr(json_object) got = round_trip("ctr-run.json", &want);

    json_pointer_set(&want, "/process/oomScoreAdj", json_object_new_int(0));
    /* Root's ids are zero, which is what an absent id of a device means too. */
    drop(want, "/linux/devices/0", "uid");
    drop(want, "/linux/devices/0", "gid");
    assert_same(got, want);
}

/* Every field that the protocol has, with values at the edges; and what it has no field for. */
Test(oci_json, cri_spec_survives)
{
    static const char *const dropped[][2] = {
        { "", "domainname" },
        { "", "windows" },
        { "", "vm" },
        { "/process", "scheduler" },
        { "/process", "ioPriority" },
        { "/process/user", "umask" },
        { "/process/user", "username" },            /* empty */
        { "/process/capabilities", "inheritable" }, /* empty */
        { "/process/capabilities", "ambient" },     /* null */
        { "/mounts/1", "uidMappings" },
        { "/linux", "personality" },
        { "/linux", "timeOffsets" },
        { "/linux/intelRdt", "closID" },
        { "/linux/seccomp", "defaultErrnoRet" },
        { "/linux/seccomp", "listenerPath" },
        { "/linux/seccomp/syscalls/3/args/0", "valueTwo" }, /* zero */
        { "/linux/resources", "unified" },
        { "/linux/resources", "rdma" },
        { "/linux/resources/memory", "useHierarchy" },
        { "/linux/resources/cpu", "burst" },
        { "/linux/resources/cpu", "idle" },
        { "/linux/devices/0", "uid" }, /* zero */
        { "/linux/devices/0", "gid" },
    };
    g_autoptr(json_object) want = NULL;
    g_autoptr(json_object) got = round_trip("cri-container.json", &want);

    for (size_t i = 0; i < G_N_ELEMENTS(dropped); i++)
        drop(want, dropped[i][0], dropped[i][1]);
    assert_same(got, want);
}

Test(oci_json, fields_land_where_the_agent_looks)
{
    size_t length;
    g_autofree char *text = load("cri-container.json", &length);
    g_autoptr(Grpc__Spec) spec = coco_oci_spec_from_json(text, length, NULL);
    const Grpc__Process *process = spec->process;
    const Grpc__LinuxResources *resources = spec->linux->resources;
    const Grpc__LinuxSyscall *const *syscalls =
        (const Grpc__LinuxSyscall *const *) spec->linux->seccomp->syscalls;

    cr_assert_str_eq(spec->version, "1.2.1");
    cr_assert(process->terminal);
    cr_assert_eq(process->consolesize->width, 120);
    cr_assert_eq(process->user->uid, 1000);
    cr_assert_eq(process->user->n_additionalgids, 3);
    cr_assert_eq(process->user->additionalgids[1], UINT32_MAX);
    cr_assert_str_eq(process->args[2], "echo \"ü\t\001\" \\ \u2028");
    cr_assert_eq(process->rlimits[0]->hard, UINT64_MAX);
    cr_assert_eq(process->oomscoreadj, -997);
    cr_assert_eq(spec->n_annotations, 5);
    cr_assert_str_eq(spec->annotations[3]->key, "example/empty");
    cr_assert_str_eq(spec->annotations[3]->value, "");
    cr_assert_eq(resources->memory->limit, INT64_MAX);
    cr_assert_eq(resources->memory->swap, -1);
    cr_assert_eq(resources->pids->limit, -1);
    cr_assert_eq(syscalls[0]->errno_ret_case, GRPC__LINUX_SYSCALL__ERRNO_RET__NOT_SET);
    cr_assert_eq(syscalls[1]->errnoret, 38);
    cr_assert_eq(syscalls[2]->errno_ret_case, GRPC__LINUX_SYSCALL__ERRNO_RET_ERRNORET);
    cr_assert_eq(syscalls[3]->args[1]->value, UINT64_MAX);
    cr_assert_str_eq(resources->hugepagelimits[0]->pagesize, "2MB");
    cr_assert_str_eq(spec->linux->intelrdt->l3cacheschema, "L3:0=ff");
    cr_assert_null(spec->windows);
}

/* 136:* and 136:0 are different rules, and only -1 can say so in a message without presence. */
Test(oci_json, device_rule_wildcards)
{
    static const char json[] = "{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
                               "{\"allow\":true,\"type\":\"c\",\"major\":136,\"access\":\"rw\"},"
                               "{\"allow\":true,\"type\":\"c\",\"major\":136,\"minor\":0}]}";
    g_autoptr(Grpc__LinuxResources) resources =
        coco_oci_resources_from_json(json, strlen(json), NULL);
    g_autofree char *again = NULL;

    cr_assert_eq(resources->devices[0]->major, -1);
    cr_assert_eq(resources->devices[0]->minor, -1);
    cr_assert_eq(resources->devices[1]->minor, -1);
    cr_assert_eq(resources->devices[2]->minor, 0);
    again = coco_oci_resources_to_json(resources);
    cr_assert_str_eq(again, json);
}

/* A Go client without pointers sends zeros for "all devices"; to deny 0:0 only would deny nothing.
 */
Test(oci_json, zero_device_rule_still_denies_all)
{
    Grpc__LinuxDeviceCgroup rule = GRPC__LINUX_DEVICE_CGROUP__INIT;
    Grpc__LinuxDeviceCgroup *rules[] = { &rule };
    Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
    g_autofree char *json = NULL;

    resources.devices = rules;
    resources.n_devices = 1;
    json = coco_oci_resources_to_json(&resources);
    cr_assert_str_eq(json, "{\"devices\":[{\"allow\":false}]}");
}

Test(oci_json, required_fields_are_written_when_zero)
{
    Grpc__User user = GRPC__USER__INIT;
    Grpc__POSIXRlimit limit = GRPC__POSIXRLIMIT__INIT;
    Grpc__POSIXRlimit *limits[] = { &limit };
    Grpc__Process process = GRPC__PROCESS__INIT;
    g_autofree char *json = NULL;

    process.user = &user;
    process.rlimits = limits;
    process.n_rlimits = 1;
    json = coco_oci_process_to_json(&process);
    cr_assert_str_eq(json, "{\"user\":{\"uid\":0,\"gid\":0},\"args\":[],\"cwd\":\"\","
                           "\"rlimits\":[{\"type\":\"\",\"hard\":0,\"soft\":0}],"
                           "\"oomScoreAdj\":0}");
}

/* crun 1.8 refuses a spec that has no mounts, even if there are none. */
Test(oci_json, empty_spec_has_what_crun_insists_on)
{
    Grpc__Spec spec = GRPC__SPEC__INIT;
    g_autofree char *json = coco_oci_spec_to_json(&spec);

    cr_assert_str_eq(json, "{\"ociVersion\":\"\",\"mounts\":[]}");
}

/* "capabilities": {} takes all of them away; no such key leaves them. */
Test(oci_json, empty_object_is_not_absence)
{
    g_autoptr(Grpc__Spec) with = spec_from("{\"process\":{\"capabilities\":{}},\"linux\":{}}");
    g_autoptr(Grpc__Spec) without = spec_from("{\"process\":{}}");
    g_autofree char *json = coco_oci_spec_to_json(with);

    cr_assert_not_null(with->process->capabilities);
    cr_assert_not_null(with->linux);
    cr_assert_not_null(strstr(json, "\"capabilities\":{}"));
    cr_assert_not_null(strstr(json, "\"linux\":{}"));
    cr_assert_null(without->process->capabilities);
    cr_assert_null(without->linux);
}

Test(oci_json, null_is_absence)
{
    g_autoptr(Grpc__Spec) spec =
        spec_from("{\"hostname\":null,\"mounts\":null,\"annotations\":null,\"process\":null}");

    cr_assert_str_eq(spec->hostname, "");
    cr_assert_eq(spec->n_mounts, 0);
    cr_assert_eq(spec->n_annotations, 0);
    cr_assert_null(spec->process);
}

/* protobuf-c frees every string of an array, so none may be its shared empty string. */
Test(oci_json, empty_strings)
{
    static const char json[] = "{\"args\":[\"sh\",\"\",\"\"],\"cwd\":\"\",\"oomScoreAdj\":0}";
    g_autoptr(Grpc__Process) process = coco_oci_process_from_json(json, strlen(json), NULL);
    g_autofree char *again = NULL;

    cr_assert_eq(process->n_args, 3);
    again = coco_oci_process_to_json(process);
    cr_assert_str_eq(again, json);
}

/* Nothing that a peer puts in a string ends the string in JSON. */
Test(oci_json, strings_cannot_break_out)
{
    char arg[] = "\",\"x\":\"\\\n\001\x7f";
    char *args[] = { arg };
    Grpc__Process process = GRPC__PROCESS__INIT;
    g_autofree char *json = NULL;
    g_autoptr(Grpc__Process) again = NULL;

    process.args = args;
    process.n_args = 1;
    json = coco_oci_process_to_json(&process);
    again = coco_oci_process_from_json(json, strlen(json), NULL);
    cr_assert_not_null(again);
    cr_assert_eq(again->n_args, 1);
    cr_assert_str_eq(again->args[0], arg);
}

/* Characters of two, three and four bytes, raw and escaped, in values and in keys. */
Test(oci_json, characters_beyond_ascii)
{
    const char *json = "{\"hostname\":\"gr\xc3\xbc\xc3\x9f"
                       "e \xe2\x82\xac\",\"annotations\":"
                       "{\"\xf0\x9f\x9a\x80\":\"\\ud83d\\ude80 \\u00fc \\\\ \xc3\xbc\"}}";
    g_autoptr(GError) error = NULL;
    g_autoptr(Grpc__Spec) spec = coco_oci_spec_from_json(json, strlen(json), &error);

    cr_assert_not_null(spec, "%s", error != NULL ? error->message : "");
    cr_assert_str_eq(spec->hostname, "gr\xc3\xbc\xc3\x9f"
                                     "e \xe2\x82\xac");
    cr_assert_eq(spec->n_annotations, 1);
    cr_assert_str_eq(spec->annotations[0]->key, "\xf0\x9f\x9a\x80");
    cr_assert_str_eq(spec->annotations[0]->value, "\xf0\x9f\x9a\x80 \xc3\xbc \\ \xc3\xbc");
}

typedef struct {
    char json[96];
    char message[96];
} Refused;

ParameterizedTestParameters(oci_json, refused)
{
    static Refused cases[] = {
        { "{\"process\":{\"user\":{\"uid\":\"0\"}}}", "process.user.uid: expected a whole number" },
        { "{\"process\":{\"user\":{\"uid\":1.5}}}", "process.user.uid: expected a whole number" },
        { "{\"process\":{\"user\":{\"uid\":-1}}}",
          "process.user.uid: expected a number that is not negative" },
        { "{\"process\":{\"user\":{\"gid\":4294967296}}}",
          "process.user.gid: number is over 4294967295" },
        { "{\"process\":{\"oomScoreAdj\":9223372036854775808}}",
          "process.oomScoreAdj: number is over 9223372036854775807" },
        { "{\"process\":{\"oomScoreAdj\":-9223372036854775809}}",
          "number at byte 27 does not fit 64 bits" },
        { "{\"process\":{\"terminal\":1}}", "process.terminal: expected true or false" },
        { "{\"process\":{\"args\":\"sh\"}}", "process.args: expected an array" },
        { "{\"process\":{\"args\":[\"sh\",null]}}", "process.args[1]: expected a string" },
        { "{\"process\":[]}", "process: expected an object" },
        { "{\"mounts\":[{},{\"options\":[\"a\",3]}]}", "mounts[1].options[1]: expected a string" },
        { "{\"mounts\":[{},null]}", "mounts[1]: expected an object" },
        { "{\"annotations\":{\"a\":\"b\",\"c\":3}}", "annotations[1]: expected a string" },
        { "{\"annotations\":[]}", "annotations: expected an object" },
        { "{\"hostname\":\"a\\u0000b\"}", "hostname: string contains NUL" },
        { "{\"hostname\":\"\xff\"}", "not JSON: byte 13 is not UTF-8" },
        { "{\"annotations\":{\"\xc3\":\"\"}}", "not JSON: byte 17 is not UTF-8" },
        { "{\"hostname\":\"\\\xc3\xbc\"}", "not JSON: unexpected character at byte 14" },
        { "{\xc3\xbc\"hostname\":\"a\"}", "not JSON: unexpected character at byte 1" },
        { "{\"hostname\":\"\xc3", "not JSON: byte 13 is not UTF-8" },
        { "[]", "document: expected an object" },
        { "\"a\"", "document: expected an object" },
        { "{\"a\":", "JSON ends too early" },
        { "", "JSON ends too early" },
        { "{} {}", "not JSON: unexpected character at byte 3" },
        { "{'a':1}", "not JSON: unexpected character at byte 1" },
        { "{/**/}", "not JSON: quoted object property name expected at byte 1" },
    };

    return cr_make_param_array(Refused, cases, G_N_ELEMENTS(cases));
}

ParameterizedTest(Refused *refused, oci_json, refused)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(coco_oci_spec_from_json(refused->json, strlen(refused->json), &error));
    cr_assert_eq(error->domain, COCO_TTRPC_ERROR);
    cr_assert_eq(error->code, COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_str_eq(error->message, refused->message);
}

static void
assert_refused(const GString *json, const char *message)
{
    g_autoptr(GError) error = NULL;

    cr_assert_null(coco_oci_spec_from_json(json->str, json->len, &error));
    cr_assert_eq(error->domain, COCO_TTRPC_ERROR);
    cr_assert_eq(error->code, COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_str_eq(error->message, message);
}

Test(oci_json, limit_of_values)
{
    g_autoptr(GString) json = g_string_new("{\"x\":[{}");

    for (int i = 0; i < COCO_JSON_MAX_VALUES / 2; i++)
        g_string_append(json, ",{}");
    g_string_append(json, "]}");
    assert_refused(json, "more than 131072 values in JSON");
}

Test(oci_json, limit_of_depth)
{
    g_autoptr(GString) json = g_string_new("{\"x\":");

    for (int i = 0; i < COCO_JSON_MAX_DEPTH; i++)
        g_string_append_c(json, '[');
    assert_refused(json, "not JSON: nesting too deep at byte 36");
}

Test(oci_json, limit_of_strings_and_size)
{
    g_autofree char *filler = g_strnfill(COCO_JSON_MAX_STRING + 1, 'x');
    g_autoptr(GString) json = g_string_new("");
    g_autofree char *big = g_strnfill(COCO_JSON_MAX_SIZE + 1, ' ');
    g_autoptr(GString) spaces = g_string_new(big);

    g_string_printf(json, "{\"hostname\":\"%s\"}", filler);
    assert_refused(json, "hostname: string of 1048577 bytes, limit is 1048576");
    assert_refused(spaces, "8388609 bytes of JSON, limit is 8388608");
}

Test(oci_json, length_ends_the_text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Grpc__Spec) spec = coco_oci_spec_from_json("{}garbage", 2, &error);

    cr_assert_not_null(spec);
    cr_assert_null(coco_oci_spec_from_json("{}\0 ", 4, &error));
    cr_assert_str_eq(error->message, "not JSON: unexpected character at byte 2");
}
