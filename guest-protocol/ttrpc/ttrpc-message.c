// SPDX-License-Identifier: Apache-2.0
/*
 * Request and Response. Unknown fields are skipped; a field that comes twice counts as its last,
 * except metadata, which is a list.
 */
#include "guest-protocol/ttrpc/ttrpc-message.h"

#include <string.h>

#include "guest-protocol/proto/pb-wire.h"
#include "guest-protocol/proto/pb.h"
#include "guest-protocol/proto/wire-limits.h"
#include "guest-protocol/ttrpc/ttrpc-frame.h"

enum {
    REQUEST_SERVICE = 1,
    REQUEST_METHOD,
    REQUEST_PAYLOAD,
    REQUEST_TIMEOUT,
    REQUEST_METADATA
};
enum {
    KEY_VALUE_KEY = 1,
    KEY_VALUE_VALUE
};
enum {
    RESPONSE_STATUS = 1,
    RESPONSE_PAYLOAD
};
enum {
    STATUS_CODE = 1,
    STATUS_TEXT
};

static CocoPbReader
reader_of(const uint8_t *data, size_t length)
{
    CocoPbReader reader = { data, length > 0 ? data + length : data };

    return reader;
}

static bool
refuse(GError **error, const char *what)
{
    return coco_ttrpc_failed(error, COCO_TTRPC_INVALID_ARGUMENT, "unmarshal %s", what);
}

static bool
take_text(const CocoPbField *field, size_t limit, char **text, GError **error, const char *what)
{
    if (field->wire_type != COCO_PB_BYTES || field->length > limit ||
        !g_utf8_validate_len((const char *) field->data, field->length, NULL))
        return refuse(error, what);
    g_free(*text);
    *text = g_strndup((const char *) field->data, field->length);
    return true;
}

static bool
take_payload(const CocoPbField *field, const uint8_t **payload, size_t *length, GError **error)
{
    if (field->wire_type != COCO_PB_BYTES)
        return refuse(error, "payload: not bytes");
    *payload = field->data;
    *length = field->length;
    return true;
}

static bool
take_metadata(const CocoPbField *field, CocoTtrpcRequest *request, GError **error)
{
    g_autofree char *key = NULL;
    g_autofree char *value = NULL;
    CocoPbReader reader;
    CocoPbField part;
    CocoPbStep step;

    if (field->wire_type != COCO_PB_BYTES)
        return refuse(error, "metadata: not a message");
    if (request->metadata == NULL)
        request->metadata = g_ptr_array_new_with_free_func(g_free);
    if (request->metadata->len / 2 >= COCO_TTRPC_MAX_METADATA)
        return refuse(error, "metadata: too many entries");
    reader = reader_of(field->data, field->length);
    while ((step = coco_pb_reader_next(&reader, &part)) == COCO_PB_FIELD) {
        if (part.number == KEY_VALUE_KEY &&
            !take_text(&part, COCO_TTRPC_MAX_NAME, &key, error, "metadata: bad key"))
            return false;
        if (part.number == KEY_VALUE_VALUE &&
            !take_text(&part, COCO_TTRPC_MAX_PAYLOAD, &value, error, "metadata: bad value"))
            return false;
    }
    if (step == COCO_PB_BAD)
        return refuse(error, "metadata: does not decode");
    g_ptr_array_add(request->metadata, g_ascii_strdown(key != NULL ? key : "", -1));
    g_ptr_array_add(request->metadata, value != NULL ? g_steal_pointer(&value) : g_strdup(""));
    return true;
}

static bool
take_request_field(const CocoPbField *field, CocoTtrpcRequest *request, GError **error)
{
    switch (field->number) {
    case REQUEST_SERVICE:
        return take_text(field, COCO_TTRPC_MAX_NAME, &request->service, error, "service: bad name");
    case REQUEST_METHOD:
        return take_text(field, COCO_TTRPC_MAX_NAME, &request->method, error, "method: bad name");
    case REQUEST_PAYLOAD:
        return take_payload(field, &request->payload, &request->payload_length, error);
    case REQUEST_TIMEOUT:
        if (field->wire_type != COCO_PB_VARINT)
            return refuse(error, "timeout_nano: not a number");
        request->timeout_nano = (int64_t) field->value;
        return true;
    case REQUEST_METADATA:
        return take_metadata(field, request, error);
    default:
        return true;
    }
}

bool
coco_ttrpc_request_decode(const uint8_t *data, size_t length, CocoTtrpcRequest *out, GError **error)
{
    g_auto(CocoTtrpcRequest) request = { 0 };
    CocoPbReader reader = reader_of(data, length);
    CocoPbField field;
    CocoPbStep step;

    while ((step = coco_pb_reader_next(&reader, &field)) == COCO_PB_FIELD) {
        if (!take_request_field(&field, &request, error))
            return false;
    }
    if (step == COCO_PB_BAD)
        return refuse(error, "request: does not decode");
    if (request.service == NULL)
        request.service = g_strdup("");
    if (request.method == NULL)
        request.method = g_strdup("");
    *out = request;
    memset(&request, 0, sizeof request);
    return true;
}

void
coco_ttrpc_request_clear(CocoTtrpcRequest *request)
{
    g_clear_pointer(&request->service, g_free);
    g_clear_pointer(&request->method, g_free);
    g_clear_pointer(&request->metadata, g_ptr_array_unref);
}

/* At most COCO_TTRPC_MAX_STATUS_TEXT bytes of UTF-8; a character is never cut in two, and what is
 * no character becomes U+FFFD. */
static char *
clean_text(const char *text, size_t length)
{
    g_autofree char *valid =
        g_utf8_make_valid(text, (gssize) MIN(length, COCO_TTRPC_MAX_STATUS_TEXT));
    size_t size = strlen(valid);

    if (size > COCO_TTRPC_MAX_STATUS_TEXT) {
        const char *end = g_utf8_find_prev_char(valid, valid + COCO_TTRPC_MAX_STATUS_TEXT + 1);

        size = (size_t) (end - valid);
    }
    return g_strndup(valid, size);
}

static bool
take_status(const CocoPbField *field, CocoTtrpcResponse *response, GError **error)
{
    CocoPbReader reader;
    CocoPbField part;
    CocoPbStep step;

    if (field->wire_type != COCO_PB_BYTES)
        return refuse(error, "status: not a message");
    reader = reader_of(field->data, field->length);
    while ((step = coco_pb_reader_next(&reader, &part)) == COCO_PB_FIELD) {
        if (part.number == STATUS_CODE && part.wire_type == COCO_PB_VARINT) {
            response->code = (uint32_t) part.value;
        } else if (part.number == STATUS_TEXT && part.wire_type == COCO_PB_BYTES) {
            g_free(response->text);
            response->text = clean_text((const char *) part.data, part.length);
        }
    }
    return step == COCO_PB_END || refuse(error, "status: does not decode");
}

bool
coco_ttrpc_response_decode(const uint8_t *data, size_t length, CocoTtrpcResponse *out,
                           GError **error)
{
    g_auto(CocoTtrpcResponse) response = { 0 };
    CocoPbReader reader = reader_of(data, length);
    CocoPbField field;
    CocoPbStep step;

    while ((step = coco_pb_reader_next(&reader, &field)) == COCO_PB_FIELD) {
        if (field.number == RESPONSE_STATUS && !take_status(&field, &response, error))
            return false;
        if (field.number == RESPONSE_PAYLOAD &&
            !take_payload(&field, &response.payload, &response.payload_length, error))
            return false;
    }
    if (step == COCO_PB_BAD)
        return refuse(error, "response: does not decode");
    *out = response;
    memset(&response, 0, sizeof response);
    return true;
}

void
coco_ttrpc_response_clear(CocoTtrpcResponse *response)
{
    g_clear_pointer(&response->text, g_free);
}

void
coco_ttrpc_set_oversize_error(GError **error, size_t length)
{
    g_set_error(error, COCO_TTRPC_ERROR, COCO_TTRPC_RESOURCE_EXHAUSTED,
                "message length %zu exceed maximum message size of %u", length,
                COCO_TTRPC_MAX_PAYLOAD);
}

static size_t
bytes_size(size_t length)
{
    return 1 + coco_pb_varint_size(length) + length;
}

/* A frame with its header written and room for length bytes after it; NULL with error set if that
 * is too much. */
static uint8_t *
new_frame(uint32_t stream_id, CocoTtrpcFrameType type, size_t length, GError **error)
{
    uint8_t *frame;

    if (length > COCO_TTRPC_MAX_PAYLOAD) {
        coco_ttrpc_set_oversize_error(error, length);
        return NULL;
    }
    frame = g_malloc(COCO_TTRPC_HEADER_SIZE + length);
    coco_ttrpc_put_header(frame, (uint32_t) length, stream_id, type, 0);
    return frame;
}

/* Packs payload as field `number` of the last size bytes of the frame, which starts at at. A peer
 * in another language refuses a whole message for one bad string, so that is an error here, where
 * it can be explained. */
static bool
put_payload(uint8_t *at, uint32_t number, const ProtobufCMessage *payload, size_t size,
            GError **error)
{
    if (size == 0)
        return true;
    at = coco_pb_put_tag(at, number, COCO_PB_BYTES);
    at = coco_pb_put_varint(at, size);
    protobuf_c_message_pack(payload, at);
    return coco_pb_check(payload->descriptor, at, size, error);
}

static size_t
key_value_size(const char *key, const char *value)
{
    return bytes_size(strlen(key)) + bytes_size(strlen(value));
}

static uint8_t *
put_metadata(uint8_t *at, const GPtrArray *metadata)
{
    for (unsigned int i = 0; metadata != NULL && i + 1 < metadata->len; i += 2) {
        const char *key = metadata->pdata[i];
        const char *value = metadata->pdata[i + 1];

        at = coco_pb_put_tag(at, REQUEST_METADATA, COCO_PB_BYTES);
        at = coco_pb_put_varint(at, key_value_size(key, value));
        at = coco_pb_put_bytes(at, KEY_VALUE_KEY, key, strlen(key));
        at = coco_pb_put_bytes(at, KEY_VALUE_VALUE, value, strlen(value));
    }
    return at;
}

uint8_t *
coco_ttrpc_request_encode(uint32_t stream_id, const char *service, const char *method,
                          int64_t timeout_nano, const GPtrArray *metadata,
                          const ProtobufCMessage *payload, size_t *out_length, GError **error)
{
    size_t inner = payload != NULL ? protobuf_c_message_get_packed_size(payload) : 0;
    size_t size = bytes_size(strlen(service)) + bytes_size(strlen(method));
    g_autofree uint8_t *frame = NULL;
    uint8_t *at;

    size += inner > 0 ? bytes_size(inner) : 0;
    size += timeout_nano != 0 ? 1 + coco_pb_varint_size((uint64_t) timeout_nano) : 0;
    for (unsigned int i = 0; metadata != NULL && i + 1 < metadata->len; i += 2)
        size += bytes_size(key_value_size(metadata->pdata[i], metadata->pdata[i + 1]));

    frame = new_frame(stream_id, COCO_TTRPC_REQUEST, size, error);
    if (frame == NULL)
        return NULL;
    at = coco_pb_put_bytes(frame + COCO_TTRPC_HEADER_SIZE, REQUEST_SERVICE, service,
                           strlen(service));
    at = coco_pb_put_bytes(at, REQUEST_METHOD, method, strlen(method));
    if (timeout_nano != 0) {
        at = coco_pb_put_tag(at, REQUEST_TIMEOUT, COCO_PB_VARINT);
        at = coco_pb_put_varint(at, (uint64_t) timeout_nano);
    }
    at = put_metadata(at, metadata);
    if (!put_payload(at, REQUEST_PAYLOAD, payload, inner, error))
        return NULL;
    *out_length = COCO_TTRPC_HEADER_SIZE + size;
    return g_steal_pointer(&frame);
}

uint8_t *
coco_ttrpc_response_encode(uint32_t stream_id, const ProtobufCMessage *payload, size_t *out_length,
                           GError **error)
{
    size_t inner = payload != NULL ? protobuf_c_message_get_packed_size(payload) : 0;
    size_t size = inner > 0 ? bytes_size(inner) : 0;
    g_autofree uint8_t *frame = new_frame(stream_id, COCO_TTRPC_RESPONSE, size, error);

    if (frame == NULL ||
        !put_payload(frame + COCO_TTRPC_HEADER_SIZE, RESPONSE_PAYLOAD, payload, inner, error))
        return NULL;
    *out_length = COCO_TTRPC_HEADER_SIZE + size;
    return g_steal_pointer(&frame);
}

uint8_t *
coco_ttrpc_status_encode(uint32_t stream_id, CocoTtrpcCode code, const char *text,
                         size_t *out_length)
{
    g_autofree char *clean = clean_text(text, strlen(text));
    size_t inner = 1 + coco_pb_varint_size((uint64_t) code) + bytes_size(strlen(clean));
    size_t size = bytes_size(inner);
    uint8_t *frame = new_frame(stream_id, COCO_TTRPC_RESPONSE, size, NULL);
    uint8_t *at = frame + COCO_TTRPC_HEADER_SIZE;

    at = coco_pb_put_tag(at, RESPONSE_STATUS, COCO_PB_BYTES);
    at = coco_pb_put_varint(at, inner);
    at = coco_pb_put_tag(at, STATUS_CODE, COCO_PB_VARINT);
    at = coco_pb_put_varint(at, (uint64_t) code);
    coco_pb_put_bytes(at, STATUS_TEXT, clean, strlen(clean));
    *out_length = COCO_TTRPC_HEADER_SIZE + size;
    return frame;
}
