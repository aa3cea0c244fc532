// SPDX-License-Identifier: Apache-2.0
/*
 * The life of a container with a script in crun's place, over the real protocol: a server on one
 * end of a socketpair, a client on the other.
 */
#include "guest/agent/service.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "guest-protocol/oci/oci-json.h"
#include "guest-protocol/proto/agent-pb.h"
#include "guest-protocol/ttrpc/ttrpc-client.h"
#include "guest/system/directory-tree.h"

/* `create` starts its command at once; `exec` one that has ended before its pid is known. They end
 * with exec, because a shell that goes on may collect the child itself, as crun never does. The
 * container "ends" ends under an exec, when the runtime has gone without a word; in "silent" it
 * only does that. */
#define FAKE_CRUN                                                                                  \
    "#!/bin/sh\n"                                                                                  \
    "root=$2; shift 3; verb=$1; exec 5<&0\n"                                                       \
    "fail() { echo \"$1\" >/proc/self/fd/3; exit 1; }\n"                                           \
    "for word; do [ \"$last\" = --pid-file ] && pid_file=$word; last=$word; done\n"                \
    "case $verb-$last in\n"                                                                        \
    "create-nocmd) fail 'executable file `sh` not found in $PATH';;\n"                             \
    "create-broken) fail 'mount failed';;\n"                                                       \
    "create-hangs) exec sleep 1000;;\n"                                                            \
    "create-dies) mkdir -p ${root#--root=}/dies; kill -9 $$;;\n"                                   \
    "create-ends) sleep 1000 & echo $! >${root#--root=}-init; exec echo $! >$pid_file;;\n"         \
    "exec-ends) (while kill -0 $$; do :; done; kill -9 $(cat ${root#--root=}-init)) "              \
    "2>/dev/null 3>&- & exit 255;;\n"                                                              \
    "exec-silent) exit 255;;\n"                                                                    \
    "create-*) sh -c 'cat; echo err >&2; exit 42' <&5 & exec echo $! >$pid_file;;\n"               \
    "exec-*) sh -c 'exit 8' & exec echo $! >$pid_file;;\n"                                         \
    "esac\n"

typedef struct {
    char *root;
    CocoLayout *layout;
    CocoReaper *reaper;
    CocoCrun *crun;
    CocoGuestSandbox *sandbox;
    CocoService *service;
    CocoTtrpcServer *server;
    CocoTtrpcClient *client;
} Rig;

static void
rig_clear(Rig *rig)
{
    coco_ttrpc_client_free(rig->client);
    coco_ttrpc_server_free(rig->server);
    coco_service_free(rig->service);
    coco_guest_sandbox_free(rig->sandbox);
    coco_crun_free(rig->crun);
    coco_reaper_free(rig->reaper);
    coco_layout_free(rig->layout);
    coco_directory_tree_remove(rig->root);
    g_free(rig->root);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Rig, rig_clear)

static void
rig_start(Rig *rig)
{
    g_autofree char *program = NULL;
    g_autofree char *rootfs = NULL;
    int ends[2];

    (void) signal(SIGPIPE, SIG_IGN);
    if (geteuid() == 0) { /* the mounts of bundles end with this process */
        cr_assert_eq(unshare(CLONE_NEWNS), 0);
        cr_assert_eq(mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    }
    rig->root = g_dir_make_tmp("coco-container-XXXXXX", NULL);
    program = g_build_filename(rig->root, "crun", NULL);
    cr_assert(
        g_file_set_contents_full(program, FAKE_CRUN, -1, G_FILE_SET_CONTENTS_NONE, 0700, NULL));
    rig->layout = coco_layout_new(rig->root);
    cr_assert(coco_layout_make(rig->layout, NULL));
    rootfs = g_build_filename(coco_layout_get_shared(rig->layout), "rootfs", NULL);
    cr_assert_eq(g_mkdir_with_parents(rootfs, 0755), 0);
    rig->reaper = coco_reaper_new(NULL);
    rig->crun = coco_crun_new(rig->reaper, rig->layout, program);
    rig->sandbox = coco_guest_sandbox_new(rig->layout, rig->reaper, rig->crun);
    rig->service = coco_service_new(rig->sandbox, NULL, NULL);
    rig->server = coco_ttrpc_server_new();
    coco_service_attach(rig->service, rig->server);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    coco_ttrpc_server_add_connection(rig->server, ends[0]);
    rig->client = coco_ttrpc_client_new(ends[1]);
}

typedef struct {
    bool done;
    ProtobufCMessage *reply;
    GError *error;
} Answer;

static void
on_answer(GObject *source, GAsyncResult *result, void *user_data)
{
    Answer *answer = user_data;

    answer->reply = coco_ttrpc_client_call_finish(result, &answer->error);
    answer->done = true;
}

/* The reply (caller owns), or NULL with the error in out_error. */
static ProtobufCMessage *
call(Rig *rig, const char *method, const ProtobufCMessage *request,
     const ProtobufCMessageDescriptor *reply, GError **out_error)
{
    Answer answer = { 0 };

    coco_ttrpc_client_call_async(rig->client, "grpc.AgentService", method, request, reply, 0, NULL,
                                 on_answer, &answer);
    while (!answer.done)
        (void) g_main_context_iteration(NULL, TRUE);
    if (answer.error != NULL)
        g_propagate_error(out_error, answer.error);
    return answer.reply;
}

static int
code(Rig *rig, const char *method, const ProtobufCMessage *request, char **out_text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ProtobufCMessage) reply =
        call(rig, method, request, &grpc__check_request__descriptor, &error);

    if (out_text != NULL)
        *out_text = error != NULL ? g_strdup(error->message) : NULL;
    return error != NULL ? error->code : 0;
}

static int
create(Rig *rig, const char *id, char **out_text)
{
    g_autofree char *json =
        g_strdup_printf("{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"},"
                        "\"root\":{\"path\":\"%s/rootfs\"}}",
                        coco_layout_get_shared(rig->layout));
    g_autoptr(Grpc__Spec) spec = coco_oci_spec_from_json(json, strlen(json), NULL);
    Grpc__CreateContainerRequest request;

    grpc__create_container_request__init(&request);
    request.container_id = (char *) id;
    request.oci = spec;
    return code(rig, "CreateContainer", &request.base, out_text);
}

static int
simple(Rig *rig, const char *method, const char *id, char **out_text)
{
    Grpc__StartContainerRequest request; /* Remove, Pause, Resume and Stats begin the same way */

    grpc__start_container_request__init(&request);
    request.container_id = (char *) id;
    return code(rig, method, &request.base, out_text);
}

static int
wait_status(Rig *rig, const char *id, const char *exec_id)
{
    Grpc__WaitProcessRequest request;
    g_autoptr(Grpc__WaitProcessResponse) response = NULL;

    grpc__wait_process_request__init(&request);
    request.container_id = (char *) id;
    request.exec_id = (char *) exec_id;
    response = (Grpc__WaitProcessResponse *) call(rig, "WaitProcess", &request.base,
                                                  &grpc__wait_process_response__descriptor, NULL);
    return response != NULL ? response->status : -1;
}

static char *
read_all(Rig *rig, const char *method, const char *id)
{
    GString *text = g_string_new(NULL);
    Grpc__ReadStreamRequest request;

    grpc__read_stream_request__init(&request);
    request.container_id = (char *) id;
    for (;;) {
        g_autoptr(Grpc__ReadStreamResponse) response = (Grpc__ReadStreamResponse *) call(
            rig, method, &request.base, &grpc__read_stream_response__descriptor, NULL);

        if (response == NULL || response->data.len == 0)
            return g_string_free(text, FALSE);
        g_string_append_len(text, (const char *) response->data.data, (gssize) response->data.len);
    }
}

static void
write_stdin(Rig *rig, const char *id, const char *text)
{
    Grpc__WriteStreamRequest request;
    g_autoptr(Grpc__WriteStreamResponse) response = NULL;

    grpc__write_stream_request__init(&request);
    request.container_id = (char *) id;
    request.data.data = (uint8_t *) text;
    request.data.len = strlen(text);
    response = (Grpc__WriteStreamResponse *) call(rig, "WriteStdin", &request.base,
                                                  &grpc__write_stream_response__descriptor, NULL);
    cr_assert_eq(response->len, strlen(text));
}

Test(container, a_whole_life, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;

    rig_start(&rig);
    cr_assert_eq(create(&rig, "c", NULL), 0);
    cr_assert_eq(create(&rig, "c", NULL), COCO_TTRPC_ALREADY_EXISTS);
    cr_assert_eq(simple(&rig, "StartContainer", "c", NULL), 0);
    cr_assert_eq(simple(&rig, "StartContainer", "c", NULL), COCO_TTRPC_FAILED_PRECONDITION);
    write_stdin(&rig, "c", "through");
    cr_assert_eq(simple(&rig, "CloseStdin", "c", NULL), 0);
    cr_assert_eq(wait_status(&rig, "c", ""), 42);
    cr_assert_eq(wait_status(&rig, "c", "c"), 42, "asked again, by its other name");
    out = read_all(&rig, "ReadStdout", "c");
    err = read_all(&rig, "ReadStderr", "c");
    cr_assert_str_eq(out, "through");
    cr_assert_str_eq(err, "err\n");
    cr_assert_eq(simple(&rig, "RemoveContainer", "c", NULL), 0);
    cr_assert_eq(simple(&rig, "RemoveContainer", "c", NULL), COCO_TTRPC_NOT_FOUND);
    cr_assert_eq(wait_status(&rig, "c", ""), -1);
}

Test(container, a_missing_command_is_an_error_of_create, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };
    g_autofree char *text = NULL;

    rig_start(&rig);
    cr_assert_eq(create(&rig, "nocmd", &text), COCO_TTRPC_NOT_FOUND);
    cr_assert_str_eq(text, "exec: \"sh\": executable file not found in $PATH");
    cr_assert_eq(wait_status(&rig, "nocmd", ""), -1);
    cr_assert_eq(simple(&rig, "RemoveContainer", "nocmd", NULL), COCO_TTRPC_NOT_FOUND);
}

static GError *
answer_wait(Answer *answer)
{
    while (!answer->done)
        (void) g_main_context_iteration(NULL, TRUE);
    g_clear_pointer(&answer->reply, coco_pb_free);
    return g_steal_pointer(&answer->error);
}

/* Asks for a container and returns with the request under way. */
static void
begin_create(Rig *rig, const char *id, Grpc__Storage *storage, Answer *answer)
{
    g_autofree char *json =
        g_strdup_printf("{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"},"
                        "\"root\":{\"path\":\"%s/rootfs\"}}",
                        coco_layout_get_shared(rig->layout));
    g_autoptr(Grpc__Spec) spec = coco_oci_spec_from_json(json, strlen(json), NULL);
    Grpc__CreateContainerRequest request;

    grpc__create_container_request__init(&request);
    request.container_id = (char *) id;
    request.oci = spec;
    request.storages = &storage;
    request.n_storages = storage != NULL ? 1 : 0;
    coco_ttrpc_client_call_async(rig->client, "grpc.AgentService", "CreateContainer", &request.base,
                                 &grpc__check_request__descriptor, 0, NULL, on_answer, answer);
}

/* A runtime that hangs: the id is taken meanwhile, and a removal ends the creation. */
Test(container, a_creation_can_be_cancelled, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };
    Answer answer = { 0 };
    g_autoptr(GError) error = NULL;
    g_autofree char *bundle = NULL;

    rig_start(&rig);
    bundle = g_build_filename(coco_layout_get_bundles(rig.layout), "hangs", NULL);
    begin_create(&rig, "hangs", NULL, &answer);
    cr_assert_eq(create(&rig, "hangs", NULL), COCO_TTRPC_ALREADY_EXISTS);
    cr_assert_eq(simple(&rig, "StartContainer", "hangs", NULL), COCO_TTRPC_FAILED_PRECONDITION);
    cr_assert_eq(simple(&rig, "RemoveContainer", "hangs", NULL), 0);
    error = answer_wait(&answer);
    cr_assert_eq(error->code, COCO_TTRPC_CANCELLED);
    cr_assert_not(g_file_test(bundle, G_FILE_TEST_EXISTS));
    cr_assert_eq(simple(&rig, "RemoveContainer", "hangs", NULL), COCO_TTRPC_NOT_FOUND);
}

/* A disk that does not come: the same. */
Test(container, one_that_waits_for_its_disk_exists, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };
    Answer answer = { 0 };
    g_autoptr(GError) error = NULL;
    Grpc__Storage storage;

    rig_start(&rig);
    grpc__storage__init(&storage);
    storage.driver = (char *) "blk";
    storage.source = (char *) "1f/1f";
    storage.mount_point = (char *) "/nowhere";
    begin_create(&rig, "waits", &storage, &answer);
    cr_assert_eq(create(&rig, "waits", NULL), COCO_TTRPC_ALREADY_EXISTS);
    cr_assert_eq(simple(&rig, "StartContainer", "waits", NULL), COCO_TTRPC_FAILED_PRECONDITION);
    cr_assert_eq(simple(&rig, "RemoveContainer", "waits", NULL), 0);
    error = answer_wait(&answer);
    cr_assert_eq(error->code, COCO_TTRPC_CANCELLED);
    cr_assert_eq(simple(&rig, "RemoveContainer", "waits", NULL), COCO_TTRPC_NOT_FOUND);
}

/* A runtime that dies half way has left its state. */
Test(container, a_runtime_that_dies_in_create_leaves_nothing, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };
    g_autofree char *text = NULL;
    g_autofree char *state = NULL;

    rig_start(&rig);
    state = g_build_filename(coco_layout_get_state(rig.layout), "crun", "dies", NULL);
    cr_assert_eq(create(&rig, "dies", &text), COCO_TTRPC_INTERNAL);
    cr_assert_str_eq(text, "crun create: killed by signal 9 (Killed), without a word");
    cr_assert_not(g_file_test(state, G_FILE_TEST_EXISTS), "the runtime's state is left");
}

Test(container, a_failed_create_leaves_nothing, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };
    g_autofree char *text = NULL;
    g_autofree char *bundle = NULL;

    rig_start(&rig);
    bundle = g_build_filename(coco_layout_get_bundles(rig.layout), "broken", NULL);
    cr_assert_eq(create(&rig, "broken", &text), COCO_TTRPC_INTERNAL);
    cr_assert_str_eq(text, "crun create: mount failed");
    cr_assert_not(g_file_test(bundle, G_FILE_TEST_EXISTS));
    cr_assert_eq(simple(&rig, "StartContainer", "broken", NULL), COCO_TTRPC_NOT_FOUND);
    cr_assert_eq(create(&rig, "broken", NULL), COCO_TTRPC_INTERNAL, "the id is free again");
}

Test(container, an_exec_that_ends_early_is_not_lost, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };
    Grpc__ExecProcessRequest request;
    Grpc__Process process;
    char *args[] = { (char *) "x" };

    rig_start(&rig);
    cr_assert_eq(create(&rig, "c", NULL), 0);
    cr_assert_eq(simple(&rig, "StartContainer", "c", NULL), 0);
    grpc__exec_process_request__init(&request);
    grpc__process__init(&process);
    process.args = args;
    process.n_args = 1;
    process.cwd = (char *) "/";
    request.container_id = (char *) "c";
    request.exec_id = (char *) "e";
    request.process = &process;
    for (int i = 0; i < 5; i++) {
        g_autofree char *text = NULL;

        cr_assert_eq(code(&rig, "ExecProcess", &request.base, &text), 0, "%s", text);
        cr_assert_eq(wait_status(&rig, "c", "e"), 8);
    }
    request.exec_id = (char *) "../e";
    cr_assert_eq(code(&rig, "ExecProcess", &request.base, NULL), COCO_TTRPC_INVALID_ARGUMENT);
    request.exec_id = (char *) "c";
    cr_assert_eq(code(&rig, "ExecProcess", &request.base, NULL), COCO_TTRPC_ALREADY_EXISTS);
    cr_assert_eq(simple(&rig, "CloseStdin", "c", NULL), 0);
    cr_assert_eq(wait_status(&rig, "c", ""), 42);
}

static int
exec_in(Rig *rig, const char *id, char **out_text)
{
    Grpc__ExecProcessRequest request;
    Grpc__Process process;
    char *args[] = { (char *) "x" };

    grpc__exec_process_request__init(&request);
    grpc__process__init(&process);
    process.args = args;
    process.n_args = 1;
    process.cwd = (char *) "/";
    request.container_id = (char *) id;
    request.exec_id = (char *) "e";
    request.process = &process;
    return code(rig, "ExecProcess", &request.base, out_text);
}

/* The runtime's exit is known before that of the container, which explains it. */
Test(container, an_exec_says_that_its_container_has_ended, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };
    g_autofree char *text = NULL;

    rig_start(&rig);
    cr_assert_eq(create(&rig, "ends", NULL), 0);
    cr_assert_eq(simple(&rig, "StartContainer", "ends", NULL), 0);
    cr_assert_eq(exec_in(&rig, "ends", &text), COCO_TTRPC_FAILED_PRECONDITION, "%s", text);
    cr_assert_str_eq(text, "container ends has ended (crun exec: exit status 255, without a word)");
    cr_assert_eq(wait_status(&rig, "ends", ""), 137);
}

/* Not for ever: this one goes on. */
Test(container, an_exec_that_fails_without_a_word_says_how, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };

    rig_start(&rig);
    cr_assert_eq(create(&rig, "silent", NULL), 0);
    cr_assert_eq(simple(&rig, "StartContainer", "silent", NULL), 0);
    for (int i = 0; i < 2; i++) {
        g_autofree char *text = NULL;

        cr_assert_eq(exec_in(&rig, "silent", &text), COCO_TTRPC_INTERNAL, "%s", text);
        cr_assert_str_eq(text, "crun exec: exit status 255, without a word");
    }
    cr_assert_eq(simple(&rig, "CloseStdin", "silent", NULL), 0);
    cr_assert_eq(wait_status(&rig, "silent", ""), 42);
}

Test(container, bad_requests_have_codes, .timeout = 30)
{
    g_auto(Rig) rig = { 0 };

    rig_start(&rig);
    cr_assert_eq(create(&rig, "../x", NULL), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(create(&rig, "shared", NULL), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(simple(&rig, "StartContainer", "none", NULL), COCO_TTRPC_NOT_FOUND);
    cr_assert_eq(simple(&rig, "StatsContainer", "none", NULL), COCO_TTRPC_NOT_FOUND);
    cr_assert_eq(simple(&rig, "PauseContainer", "none", NULL), COCO_TTRPC_NOT_FOUND);
    cr_assert_eq(simple(&rig, "ReadStdout", "", NULL), COCO_TTRPC_INVALID_ARGUMENT);
    cr_assert_eq(simple(&rig, "AddSwap", "x", NULL), COCO_TTRPC_UNIMPLEMENTED);
    cr_assert_eq(simple(&rig, "SetPolicy", "x", NULL), COCO_TTRPC_UNIMPLEMENTED);
}
