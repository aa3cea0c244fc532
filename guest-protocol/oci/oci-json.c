// SPDX-License-Identifier: Apache-2.0
/*
 * JSON <-> messages for the OCI runtime specification, by walking protobuf-c's descriptors: a field
 * that is added to oci.proto is converted without a line here. What the two forms call a field and
 * when it is present is in oci-json-names.c.
 *
 * Both forms are data from elsewhere. JSON is bounded before it is parsed (size, depth, number of
 * elements: a two-byte "{}" costs json-c half a kilobyte). Messages were bounded by the size of a
 * ttrpc frame.
 *
 * Strings of a message are written as they are: paths need not be UTF-8 for Linux, and a runtime
 * that wants UTF-8 refuses the file itself. Quotes and control characters are always escaped, so
 * nothing can break out.
 */
#include "guest-protocol/oci/oci-json.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "guest-protocol/oci/bounded-json.h"
#include "guest-protocol/oci/oci-json-names.h"
#include "guest-protocol/proto/pb.h"
#include "guest-protocol/proto/wire-limits.h"

/* Where we are in the document, for errors. */
typedef struct {
    GString *path;
    GError **error;
} Reader;

typedef bool (*ReadFunc)(Reader *reader, const ProtobufCFieldDescriptor *field, json_object *json,
                         void *out_slot);
typedef json_object *(*WriteFunc)(const ProtobufCFieldDescriptor *field, const void *slot);

/* What each protobuf type that occurs in oci.proto is in JSON. Types with no row are left out. */
typedef struct {
    size_t size; /* of one element in memory; 0: no row */
    ReadFunc read;
    WriteFunc write;
} Kind;

static const Kind *kind_of(const ProtobufCFieldDescriptor *field);
static bool read_fields(Reader *reader, json_object *json, ProtobufCMessage *message);
static json_object *write_fields(const ProtobufCMessage *message);

static bool fail(Reader *reader, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool
fail(Reader *reader, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    return coco_ttrpc_failed(reader->error, COCO_TTRPC_INVALID_ARGUMENT, "%s: %s",
                             reader->path->len > 0 ? reader->path->str : "document", text);
}

static bool
expect(Reader *reader, json_object *json, json_type type, const char *what)
{
    return json_object_get_type(json) == type || fail(reader, "expected %s", what);
}

/* True for the rule that matches all devices as a Go client writes it: pointers that were nil
 * became zero. */
static bool
is_rule_for_all_devices(const ProtobufCMessage *message)
{
    const Grpc__LinuxDeviceCgroup *rule = (const Grpc__LinuxDeviceCgroup *) message;

    return message->descriptor == &grpc__linux_device_cgroup__descriptor && rule->major == 0 &&
           rule->minor == 0 &&
           (rule->type == NULL || rule->type[0] == '\0' || rule->type[0] == 'a');
}

/* True for the entry message behind a map field. */
static bool
is_map_entry(const ProtobufCMessageDescriptor *message)
{
    return message->n_fields == 2 && g_str_has_suffix(message->name, "Entry") &&
           strcmp(message->fields[0].name, "key") == 0 &&
           strcmp(message->fields[1].name, "value") == 0;
}

static bool
is_map(const ProtobufCFieldDescriptor *field)
{
    return field->label == PROTOBUF_C_LABEL_REPEATED && field->type == PROTOBUF_C_TYPE_MESSAGE &&
           is_map_entry(field->descriptor);
}

static ProtobufCMessage *
new_message(const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message = g_malloc0(descriptor->sizeof_message);

    protobuf_c_message_init(descriptor, message);
    return message;
}

/* ---- JSON to messages ---- */

/* Text that fits a C string, from a JSON string or the key of an object. */
static bool
check_text(Reader *reader, const char *text, size_t length)
{
    if (length > COCO_JSON_MAX_STRING)
        return fail(reader, "string of %zu bytes, limit is %d", length, COCO_JSON_MAX_STRING);
    return memchr(text, '\0', length) == NULL || fail(reader, "string contains NUL");
}

static bool
read_string(Reader *reader, const ProtobufCFieldDescriptor *field, json_object *json,
            void *out_slot)
{
    size_t length;
    const char *text;

    if (!expect(reader, json, json_type_string, "a string"))
        return false;
    text = json_object_get_string(json);
    length = (size_t) json_object_get_string_len(json);
    if (!check_text(reader, text, length))
        return false;
    *(char **) out_slot = g_strndup(text, length);
    return true;
}

static bool
read_bool(Reader *reader, const ProtobufCFieldDescriptor *field, json_object *json, void *out_slot)
{
    if (!expect(reader, json, json_type_boolean, "true or false"))
        return false;
    *(protobuf_c_boolean *) out_slot = json_object_get_boolean(json);
    return true;
}

static bool
read_unsigned(Reader *reader, json_object *json, uint64_t max, uint64_t *out_value)
{
    if (!expect(reader, json, json_type_int, "a whole number"))
        return false;
    if (json_object_get_int64(json) < 0)
        return fail(reader, "expected a number that is not negative");
    if (json_object_get_uint64(json) > max)
        return fail(reader, "number is over %" G_GUINT64_FORMAT, max);
    *out_value = json_object_get_uint64(json);
    return true;
}

static bool
read_uint32(Reader *reader, const ProtobufCFieldDescriptor *field, json_object *json,
            void *out_slot)
{
    uint64_t value = 0;

    if (!read_unsigned(reader, json, UINT32_MAX, &value))
        return false;
    *(uint32_t *) out_slot = (uint32_t) value;
    return true;
}

static bool
read_uint64(Reader *reader, const ProtobufCFieldDescriptor *field, json_object *json,
            void *out_slot)
{
    return read_unsigned(reader, json, UINT64_MAX, out_slot);
}

static bool
read_int64(Reader *reader, const ProtobufCFieldDescriptor *field, json_object *json, void *out_slot)
{
    if (!expect(reader, json, json_type_int, "a whole number"))
        return false;
    if (json_object_get_uint64(json) > INT64_MAX)
        return fail(reader, "number is over %" G_GINT64_FORMAT, INT64_MAX);
    *(int64_t *) out_slot = json_object_get_int64(json);
    return true;
}

static bool
read_message(Reader *reader, const ProtobufCFieldDescriptor *field, json_object *json,
             void *out_slot)
{
    g_autoptr(ProtobufCMessage) message = new_message(field->descriptor);

    if (!read_fields(reader, json, message))
        return false;
    *(ProtobufCMessage **) out_slot = g_steal_pointer(&message);
    return true;
}

/* The array grows with what has been read, so that the message can be freed after an error half
 * way. */
static bool
read_array(Reader *reader, const ProtobufCFieldDescriptor *field, json_object *json, size_t *n,
           void **elements)
{
    const Kind *kind = kind_of(field);
    size_t length;

    if (!expect(reader, json, json_type_array, "an array"))
        return false;
    length = json_object_array_length(json);
    if (length == 0)
        return true;
    *elements = g_malloc0_n(length, kind->size);
    for (size_t i = 0; i < length; i++) {
        size_t mark = reader->path->len;

        g_string_append_printf(reader->path, "[%zu]", i);
        if (!kind->read(reader, field, json_object_array_get_idx(json, i),
                        (uint8_t *) *elements + i * kind->size))
            return false;
        *n = i + 1;
        g_string_truncate(reader->path, mark);
    }
    return true;
}

static bool
read_map_entry(Reader *reader, const ProtobufCMessageDescriptor *entry, const char *key,
               json_object *value, ProtobufCMessage **out_entry)
{
    g_autoptr(ProtobufCMessage) message = new_message(entry);
    void *key_slot = (uint8_t *) message + entry->fields[0].offset;
    void *value_slot = (uint8_t *) message + entry->fields[1].offset;

    if (!check_text(reader, key, strlen(key)))
        return false;
    if (key[0] != '\0')
        *(char **) key_slot = g_strdup(key);
    if (!kind_of(&entry->fields[1])->read(reader, &entry->fields[1], value, value_slot))
        return false;
    *out_entry = g_steal_pointer(&message);
    return true;
}

static bool
read_map(Reader *reader, const ProtobufCFieldDescriptor *field, json_object *json, size_t *n,
         void **elements)
{
    size_t mark = reader->path->len;

    if (!expect(reader, json, json_type_object, "an object"))
        return false;
    if (json_object_object_length(json) == 0)
        return true;
    *elements = g_new0(ProtobufCMessage *, (size_t) json_object_object_length(json));
    json_object_object_foreach(json, key, value)
    {
        ProtobufCMessage **entries = *elements;

        g_string_append_printf(reader->path, "[%zu]", *n);
        if (!read_map_entry(reader, field->descriptor, key, value, &entries[*n]))
            return false;
        (*n)++;
        g_string_truncate(reader->path, mark);
    }
    return true;
}

static bool
read_field(Reader *reader, const ProtobufCFieldDescriptor *field, json_object *json,
           ProtobufCMessage *message)
{
    void *slot = (uint8_t *) message + field->offset;
    void *quantifier = (uint8_t *) message + field->quantifier_offset;

    if (is_map(field))
        return read_map(reader, field, json, quantifier, slot);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return read_array(reader, field, json, quantifier, slot);
    if (!kind_of(field)->read(reader, field, json, slot))
        return false;
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        *(uint32_t *) quantifier = field->id;
    return true;
}

/* Keys that the message has no field for are never looked at, which drops them. null is absence: Go
 * writes it for a nil slice. */
static bool
read_fields(Reader *reader, json_object *json, ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    size_t mark = reader->path->len;

    if (!expect(reader, json, json_type_object, "an object"))
        return false;
    for (unsigned int i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        char name[COCO_OCI_NAME_SIZE];
        CocoOciPresence presence = coco_oci_names_lookup(descriptor, field, name);
        json_object *value = json_object_object_get(json, name);

        if (presence == COCO_OCI_WILDCARD)
            *(int64_t *) ((uint8_t *) message + field->offset) = -1;
        if (value == NULL || presence == COCO_OCI_NEVER || kind_of(field) == NULL)
            continue;
        g_string_append_printf(reader->path, "%s%s", mark > 0 ? "." : "", name);
        if (!read_field(reader, field, value, message))
            return false;
        g_string_truncate(reader->path, mark);
    }
    if (is_rule_for_all_devices(message)) {
        ((Grpc__LinuxDeviceCgroup *) message)->major = -1;
        ((Grpc__LinuxDeviceCgroup *) message)->minor = -1;
    }
    return true;
}

static ProtobufCMessage *
message_from_json(const ProtobufCMessageDescriptor *descriptor, const char *json, size_t length,
                  GError **error)
{
    g_autoptr(GString) path = g_string_new(NULL);
    Reader reader = { .path = path, .error = error };
    g_autoptr(json_object) root = coco_bounded_json_parse(json, length, error);
    g_autoptr(ProtobufCMessage) message = NULL;

    if (root == NULL)
        return NULL;
    message = new_message(descriptor);
    if (!read_fields(&reader, root, message))
        return NULL;
    return g_steal_pointer(&message);
}

/* ---- messages to JSON ---- */

static json_object *
write_string(const ProtobufCFieldDescriptor *field, const void *slot)
{
    const char *text = *(const char *const *) slot;

    return json_object_new_string(text != NULL ? text : "");
}

static json_object *
write_bool(const ProtobufCFieldDescriptor *field, const void *slot)
{
    return json_object_new_boolean(*(const protobuf_c_boolean *) slot);
}

static json_object *
write_uint32(const ProtobufCFieldDescriptor *field, const void *slot)
{
    return json_object_new_uint64(*(const uint32_t *) slot);
}

static json_object *
write_uint64(const ProtobufCFieldDescriptor *field, const void *slot)
{
    return json_object_new_uint64(*(const uint64_t *) slot);
}

static json_object *
write_int64(const ProtobufCFieldDescriptor *field, const void *slot)
{
    return json_object_new_int64(*(const int64_t *) slot);
}

static json_object *
write_message(const ProtobufCFieldDescriptor *field, const void *slot)
{
    return write_fields(*(const ProtobufCMessage *const *) slot);
}

static json_object *
write_array(const ProtobufCFieldDescriptor *field, size_t n, const void *elements)
{
    const Kind *kind = kind_of(field);
    json_object *array = json_object_new_array_ext((int) n);

    for (size_t i = 0; i < n; i++)
        json_object_array_add(array,
                              kind->write(field, (const uint8_t *) elements + i * kind->size));
    return array;
}

static json_object *
write_map(const ProtobufCFieldDescriptor *field, size_t n, const void *elements)
{
    const ProtobufCMessageDescriptor *entry_type = field->descriptor;
    const ProtobufCFieldDescriptor *fields = entry_type->fields;
    const ProtobufCMessage *const *entries = elements;
    json_object *map = json_object_new_object();

    for (size_t i = 0; i < n; i++) {
        const uint8_t *entry = (const uint8_t *) entries[i];
        const char *key = *(const char *const *) (const void *) (entry + fields[0].offset);

        json_object_object_add(map, key != NULL ? key : "",
                               kind_of(&fields[1])->write(&fields[1], entry + fields[1].offset));
    }
    return map;
}

static bool
is_zero(const ProtobufCFieldDescriptor *field, const void *slot)
{
    static const uint64_t zero = 0;
    const char *text;

    if (field->type != PROTOBUF_C_TYPE_STRING)
        return memcmp(slot, &zero, kind_of(field)->size) == 0;
    text = *(const char *const *) slot;
    return text == NULL || text[0] == '\0';
}

/* Whether a field that is not repeated has nothing to say. */
static bool
is_absent(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
          CocoOciPresence presence, const void *slot)
{
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return *(const uint32_t *) ((const uint8_t *) message + field->quantifier_offset) !=
               field->id;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(const ProtobufCMessage *const *) slot == NULL;
    if (presence == COCO_OCI_WILDCARD)
        return *(const int64_t *) slot == -1 || is_rule_for_all_devices(message);
    return presence == COCO_OCI_OMIT_ZERO && is_zero(field, slot);
}

/* NULL: leave the field out. */
static json_object *
write_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
            CocoOciPresence presence)
{
    const void *slot = (const uint8_t *) message + field->offset;
    size_t n;

    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return is_absent(message, field, presence, slot) ? NULL
                                                         : kind_of(field)->write(field, slot);
    n = *(const size_t *) (const void *) ((const uint8_t *) message + field->quantifier_offset);
    if (n == 0 && presence == COCO_OCI_OMIT_ZERO)
        return NULL;
    return is_map(field) ? write_map(field, n, *(const void *const *) slot)
                         : write_array(field, n, *(const void *const *) slot);
}

static json_object *
write_fields(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    json_object *json = json_object_new_object();

    for (unsigned int i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        char name[COCO_OCI_NAME_SIZE];
        CocoOciPresence presence = coco_oci_names_lookup(descriptor, field, name);
        json_object *value = NULL;

        if (presence != COCO_OCI_NEVER && kind_of(field) != NULL)
            value = write_field(message, field, presence);
        if (value != NULL)
            json_object_object_add(json, name, value);
    }
    return json;
}

static char *
message_to_json(const ProtobufCMessage *message)
{
    g_autoptr(json_object) json = write_fields(message);

    return g_strdup(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN |
                                                             JSON_C_TO_STRING_NOSLASHESCAPE));
}

static const Kind *
kind_of(const ProtobufCFieldDescriptor *field)
{
    /* clang-format off */
    static const Kind kinds[] = {
        [PROTOBUF_C_TYPE_STRING]  = { sizeof(char *), read_string, write_string },
        [PROTOBUF_C_TYPE_BOOL]    = { sizeof(protobuf_c_boolean), read_bool, write_bool },
        [PROTOBUF_C_TYPE_UINT32]  = { sizeof(uint32_t), read_uint32, write_uint32 },
        [PROTOBUF_C_TYPE_UINT64]  = { sizeof(uint64_t), read_uint64, write_uint64 },
        [PROTOBUF_C_TYPE_INT64]   = { sizeof(int64_t), read_int64, write_int64 },
        [PROTOBUF_C_TYPE_MESSAGE] = { sizeof(ProtobufCMessage *), read_message, write_message },
    };
    /* clang-format on */

    if (field->type >= G_N_ELEMENTS(kinds) || kinds[field->type].size == 0)
        return NULL;
    return &kinds[field->type];
}

/* ---- the types people ask for ---- */

Grpc__Spec *
coco_oci_spec_from_json(const char *json, size_t length, GError **error)
{
    return (Grpc__Spec *) message_from_json(&grpc__spec__descriptor, json, length, error);
}

Grpc__Process *
coco_oci_process_from_json(const char *json, size_t length, GError **error)
{
    return (Grpc__Process *) message_from_json(&grpc__process__descriptor, json, length, error);
}

Grpc__LinuxResources *
coco_oci_resources_from_json(const char *json, size_t length, GError **error)
{
    return (Grpc__LinuxResources *) message_from_json(&grpc__linux_resources__descriptor, json,
                                                      length, error);
}

char *
coco_oci_spec_to_json(const Grpc__Spec *spec)
{
    return message_to_json(&spec->base);
}

char *
coco_oci_process_to_json(const Grpc__Process *process)
{
    return message_to_json(&process->base);
}

char *
coco_oci_resources_to_json(const Grpc__LinuxResources *resources)
{
    return message_to_json(&resources->base);
}
