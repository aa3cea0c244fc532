// SPDX-License-Identifier: Apache-2.0
/*
 * coco-vmm-broker URL: the program that decides on a measurement when a key broker's URL is
 * configured. It posts its standard input there as JSON and writes the broker's answer to standard
 * output. A broker that cannot be asked is told as a refusal, so that its reason reaches the pod's
 * error.
 *
 * It is a program of its own because it alone links libcurl.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <glib.h>
#include <json-c/json.h>

#include "vmm/owner/sev-attest.h"

#define MAX_QUESTION (16u * 1024u)
#define CONNECT_TIMEOUT_S 10L
#define TIMEOUT_S 3600L /* the caller's own comes first */

static int
answer(const char *text)
{
    return fputs(text, stdout) >= 0 && fflush(stdout) == 0 ? 0 : 1;
}

static int
refuse(const char *url, const char *cause)
{
    g_autofree char *reason = g_strdup_printf("key broker '%s': %s", url, cause);
    json_object *object = json_object_new_object();
    int code;

    json_object_object_add(object, "decision", json_object_new_string("refuse"));
    json_object_object_add(object, "reason", json_object_new_string(reason));
    code = answer(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(object);
    return code;
}

static bool
read_question(GString *question)
{
    char buffer[4096];
    ssize_t n;

    while ((n = read(STDIN_FILENO, buffer, sizeof buffer)) > 0 && question->len <= MAX_QUESTION)
        g_string_append_len(question, buffer, n);
    return n == 0 && question->len <= MAX_QUESTION;
}

static size_t
on_body(char *data, size_t size, size_t n, void *user_data)
{
    GString *body = user_data;

    /* Less than what came makes libcurl give up. */
    if (body->len + size * n > COCO_SEV_MAX_ANSWER)
        return 0;
    g_string_append_len(body, data, (gssize) (size * n));
    return size * n;
}

static CURLcode
post(CURL *curl, const char *url, const GString *question, GString *body, char *message)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURLcode result;

    (void) curl_easy_setopt(curl, CURLOPT_URL, url);
    /* No redirects, and nothing but what the config can ask for. */
    (void) curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    (void) curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    (void) curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    (void) curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
    (void) curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    (void) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, question->str);
    (void) curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long) question->len);
    (void) curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    (void) curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    (void) curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
    result = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    return result;
}

static int
ask(CURL *curl, const char *url, const GString *question)
{
    g_autoptr(GString) body = g_string_new(NULL);
    char message[CURL_ERROR_SIZE] = "";
    CURLcode result = post(curl, url, question, body, message);
    long status = 0;

    if (result != CURLE_OK)
        return refuse(url, message[0] != '\0' ? message : curl_easy_strerror(result));
    (void) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        g_autofree char *cause = g_strdup_printf("it answered with HTTP status %ld", status);

        return refuse(url, cause);
    }
    return answer(body->str);
}

int
main(int argc, char **argv)
{
    g_autoptr(GString) question = g_string_new(NULL);
    CURL *curl;
    int code;

    if (argc != 2) {
        (void) fprintf(stderr, "usage: coco-vmm-broker URL <QUESTION\n");
        return 2;
    }
    if (!read_question(question))
        return refuse(argv[1], "the question cannot be read");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || (curl = curl_easy_init()) == NULL)
        return refuse(argv[1], "libcurl does not start");
    code = ask(curl, argv[1], question);
    curl_easy_cleanup(curl);
    curl_global_cleanup();
    return code;
}
