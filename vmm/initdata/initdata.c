// SPDX-License-Identifier: Apache-2.0
/*
 * Reads, checks and packs initdata (initdata.h). The bytes that came are the bytes that go to the
 * guest: gzip from an annotation is not packed anew.
 */
#include "vmm/initdata/initdata.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/evp.h>
#include <zlib.h>

#include "guest-protocol/posix/fd.h"
#include "vmm/config/byte-text.h"
#include "vmm/config/vmm-error.h"
#include "vmm/initdata/toml.h"

#define VERSION "0.1.0"
#define GZIP_WINDOW (16 + MAX_WBITS) /* zlib: with gzip's header and trailer, and no other */
#define MAGIC "initdata"
#define MAX_QUOTED 40

G_STATIC_ASSERT(COCO_INITDATA_MAX_TOML <= COCO_TOML_MAX_TEXT);

static const struct {
    const char *name;
    const EVP_MD *(*method)(void);
} algorithms[] = {
    { "sha256", EVP_sha256 },
    { "sha384", EVP_sha384 },
    { "sha512", EVP_sha512 },
};

struct _CocoInitdata {
    GByteArray *toml; /* with a NUL behind it */
    GByteArray *gzip;
    GHashTable *entries;
    char *version;
    char *algorithm;
    bool has_data;
    uint8_t digest[COCO_INITDATA_MAX_DIGEST];
    unsigned int digest_len;
};

static CocoInitdata *
initdata_new(void)
{
    CocoInitdata *initdata = g_new0(CocoInitdata, 1);

    initdata->toml = g_byte_array_new();
    initdata->gzip = g_byte_array_new();
    initdata->entries = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return initdata;
}

void
coco_initdata_free(CocoInitdata *initdata)
{
    if (initdata == NULL)
        return;
    (void) g_byte_array_free(initdata->toml, TRUE);
    (void) g_byte_array_free(initdata->gzip, TRUE);
    g_hash_table_unref(initdata->entries);
    g_free(initdata->version);
    g_free(initdata->algorithm);
    g_free(initdata);
}

/* One step of zlib, whose output is appended to toml up to its limit. */
static int
inflate_some(z_stream *stream, GByteArray *toml)
{
    uint8_t buffer[16 * 1024];
    int status;

    stream->next_out = buffer;
    stream->avail_out = sizeof buffer;
    status = inflate(stream, Z_NO_FLUSH);
    g_byte_array_append(toml, buffer, (unsigned int) (sizeof buffer - stream->avail_out));
    return status;
}

static bool
unpack(CocoInitdata *initdata, GError **error)
{
    z_stream stream = { 0 };
    bool has_rest;
    int status;

    if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK)
        return coco_vmm_bad_config(error, "initdata: zlib does not start");
    stream.next_in = initdata->gzip->data;
    stream.avail_in = initdata->gzip->len;
    do
        status = inflate_some(&stream, initdata->toml);
    while (status == Z_OK && initdata->toml->len <= COCO_INITDATA_MAX_TOML);
    has_rest = stream.avail_in > 0;
    (void) inflateEnd(&stream);
    if (initdata->toml->len > COCO_INITDATA_MAX_TOML)
        return coco_vmm_bad_config(error, "initdata: unpacked it has more than %u bytes",
                                   COCO_INITDATA_MAX_TOML);
    if (status == Z_BUF_ERROR)
        return coco_vmm_bad_config(error, "initdata: the gzip data is cut off");
    if (status != Z_STREAM_END)
        return coco_vmm_bad_config(error, "initdata: it is not valid gzip data");
    if (has_rest)
        return coco_vmm_bad_config(error, "initdata: something follows the gzip data");
    return true;
}

/* gzip without name and time: the same text gives the same bytes. */
static bool
pack(CocoInitdata *initdata, GError **error)
{
    z_stream stream = { 0 };
    uLong bound;
    int status;

    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return coco_vmm_bad_config(error, "initdata: zlib does not start");
    bound = deflateBound(&stream, initdata->toml->len);
    g_byte_array_set_size(initdata->gzip, (unsigned int) bound);
    stream.next_in = initdata->toml->data;
    stream.avail_in = initdata->toml->len;
    stream.next_out = initdata->gzip->data;
    stream.avail_out = (uInt) bound;
    status = deflate(&stream, Z_FINISH);
    g_byte_array_set_size(initdata->gzip, (unsigned int) (bound - stream.avail_out));
    (void) deflateEnd(&stream);
    if (status != Z_STREAM_END)
        return coco_vmm_bad_config(error, "initdata: zlib cannot pack it");
    if (initdata->gzip->len > COCO_INITDATA_MAX_GZIP)
        return coco_vmm_bad_config(error, "initdata: packed it has more than %u bytes",
                                   COCO_INITDATA_MAX_GZIP);
    return true;
}

/* A value as it can stand in a message: one line, and not the whole of a policy. */
static char *
quote(const char *value)
{
    g_autofree char *head = g_strndup(value, MAX_QUOTED);
    g_autofree char *escaped = g_strescape(head, NULL);

    return g_strdup_printf("'%s%s'", escaped, strlen(value) > MAX_QUOTED ? "…" : "");
}

static bool
on_key(const char *table, const char *key, const char *value, void *user_data, GError **error)
{
    CocoInitdata *initdata = user_data;
    bool in_head = table[0] == '\0';

    if (strcmp(table, "data") == 0) {
        initdata->has_data = true;
        if (key != NULL)
            (void) g_hash_table_replace(initdata->entries, g_strdup(key), g_strdup(value));
    } else if (key != NULL && in_head && strcmp(key, "version") == 0) {
        initdata->version = g_strdup(value);
    } else if (key != NULL && in_head && strcmp(key, "algorithm") == 0) {
        initdata->algorithm = g_strdup(value);
    } else {
        return coco_vmm_bad_config(error, "unknown %s '%s'", in_head ? "key" : "table",
                                   in_head ? key : table);
    }
    return true;
}

static bool
digest(CocoInitdata *initdata, GError **error)
{
    g_autofree char *shown = quote(initdata->algorithm);

    for (size_t i = 0; i < G_N_ELEMENTS(algorithms); i++) {
        if (strcmp(initdata->algorithm, algorithms[i].name) == 0)
            return EVP_Digest(initdata->toml->data, initdata->toml->len, initdata->digest,
                              &initdata->digest_len, algorithms[i].method(), NULL) == 1 ||
                   coco_vmm_bad_config(error, "initdata: %s failed", initdata->algorithm);
    }
    return coco_vmm_bad_config(error, "initdata: algorithm %s is not one of sha256, sha384, sha512",
                               shown);
}

/* The text is there: checks it and fills the rest. */
static bool
read_toml(CocoInitdata *initdata, GError **error)
{
    g_autofree char *version = NULL;
    const uint8_t nul = 0;

    g_byte_array_append(initdata->toml, &nul, 1);
    g_byte_array_set_size(initdata->toml, initdata->toml->len - 1);
    if (!coco_toml_parse((const char *) initdata->toml->data, initdata->toml->len, on_key, initdata,
                         error)) {
        g_prefix_error(error, "initdata: ");
        return false;
    }
    if (initdata->version == NULL || initdata->algorithm == NULL)
        return coco_vmm_bad_config(error, "initdata: '%s' is missing",
                                   initdata->version == NULL ? "version" : "algorithm");
    version = quote(initdata->version);
    if (strcmp(initdata->version, VERSION) != 0)
        return coco_vmm_bad_config(
            error, "initdata: version %s is not supported, only '" VERSION "'", version);
    if (!initdata->has_data)
        return coco_vmm_bad_config(error, "initdata: table [data] is missing");
    return digest(initdata, error);
}

/* As Kata takes it: line breaks do not count. */
static bool
decode(CocoInitdata *initdata, const char *value, size_t len, GError **error)
{
    g_autoptr(GString) text = g_string_sized_new(len);
    g_autoptr(GBytes) data = NULL;

    for (size_t i = 0; i < len; i++) {
        if (value[i] != '\n' && value[i] != '\r')
            g_string_append_c(text, value[i]);
    }
    data = strlen(text->str) == text->len ? coco_bytes_of_base64(text->str) : NULL;
    if (data == NULL || text->len == 0)
        return coco_vmm_bad_config(error, "initdata: %s",
                                   text->len == 0 ? "it is empty"
                                                  : "it is not base64 (standard alphabet, padded)");
    g_byte_array_append(initdata->gzip, g_bytes_get_data(data, NULL),
                        (unsigned int) g_bytes_get_size(data));
    return true;
}

CocoInitdata *
coco_initdata_from_annotation(const char *value, size_t len, GError **error)
{
    g_autoptr(CocoInitdata) initdata = initdata_new();

    if (len > COCO_INITDATA_MAX_ANNOTATION)
        (void) coco_vmm_bad_config(error, "initdata: the annotation has more than %u bytes",
                                   COCO_INITDATA_MAX_ANNOTATION);
    else if (decode(initdata, value, len, error) && unpack(initdata, error) &&
             read_toml(initdata, error))
        return g_steal_pointer(&initdata);
    return NULL;
}

CocoInitdata *
coco_initdata_from_toml(const char *text, size_t len, GError **error)
{
    g_autoptr(CocoInitdata) initdata = initdata_new();

    if (len > COCO_INITDATA_MAX_TOML) {
        (void) coco_vmm_bad_config(error, "initdata: it has more than %u bytes",
                                   COCO_INITDATA_MAX_TOML);
        return NULL;
    }
    g_byte_array_append(initdata->toml, (const uint8_t *) text, (unsigned int) len);
    if (!read_toml(initdata, error) || !pack(initdata, error))
        return NULL;
    return g_steal_pointer(&initdata);
}

/* The whole of a regular file, at most max bytes. */
static GByteArray *
read_file(const char *path, size_t max, GError **error)
{
    /* O_NONBLOCK: a FIFO by this name must not hang the launch. */
    g_auto(CocoFd) fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    g_autoptr(GByteArray) content = g_byte_array_new();
    uint8_t buffer[16 * 1024];
    struct stat info;
    ssize_t n = 0;

    if (fd < 0 || fstat(fd, &info) < 0)
        return (void) coco_vmm_bad_config(error, "initdata: read '%s': %s", path,
                                          g_strerror(errno)),
               NULL;
    if (!S_ISREG(info.st_mode))
        return (void) coco_vmm_bad_config(error, "initdata: read '%s': not a file", path), NULL;
    while (content->len <= max && (n = read(fd, buffer, sizeof buffer)) > 0)
        g_byte_array_append(content, buffer, (unsigned int) n);
    if (n < 0)
        return (void) coco_vmm_bad_config(error, "initdata: read '%s': %s", path,
                                          g_strerror(errno)),
               NULL;
    if (content->len > max)
        return (void) coco_vmm_bad_config(error, "initdata: read '%s': more than %zu bytes", path,
                                          max),
               NULL;
    return g_steal_pointer(&content);
}

CocoInitdata *
coco_initdata_load_annotation(const char *path, GError **error)
{
    g_autoptr(GByteArray) value = read_file(path, COCO_INITDATA_MAX_ANNOTATION, error);

    if (value == NULL)
        return NULL;
    return coco_initdata_from_annotation((const char *) value->data, value->len, error);
}

CocoInitdata *
coco_initdata_load_toml(const char *path, GError **error)
{
    g_autoptr(GByteArray) text = read_file(path, COCO_INITDATA_MAX_TOML, error);
    CocoInitdata *initdata;

    if (text == NULL)
        return NULL;
    initdata = coco_initdata_from_toml((const char *) text->data, text->len, error);
    if (initdata == NULL)
        g_prefix_error(error, "file '%s': ", path);
    return initdata;
}

const char *
coco_initdata_algorithm(const CocoInitdata *initdata)
{
    return initdata->algorithm;
}

const char *
coco_initdata_toml(const CocoInitdata *initdata, size_t *out_len)
{
    *out_len = initdata->toml->len;
    return (const char *) initdata->toml->data;
}

const uint8_t *
coco_initdata_digest(const CocoInitdata *initdata, size_t *out_len)
{
    *out_len = initdata->digest_len;
    return initdata->digest;
}

void
coco_initdata_bind(const CocoInitdata *initdata, uint8_t *out_field, size_t len)
{
    size_t n = MIN(len, initdata->digest_len);

    memcpy(out_field, initdata->digest, n);
    memset(out_field + n, 0, len - n);
}

char *
coco_initdata_cmdline(const CocoInitdata *initdata)
{
    size_t len = 0;
    const uint8_t *digest = coco_initdata_digest(initdata, &len);
    g_autofree char *hex = coco_hex_of(digest, len);

    return g_strdup_printf("coco.initdata_digest=%s:%s", coco_initdata_algorithm(initdata), hex);
}

const char *
coco_initdata_entry(const CocoInitdata *initdata, const char *name)
{
    return g_hash_table_lookup(initdata->entries, name);
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}

const char **
coco_initdata_names(const CocoInitdata *initdata)
{
    unsigned int n;
    const char **names = (void *) g_hash_table_get_keys_as_array(initdata->entries, &n);

    qsort(names, n, sizeof *names, compare_names);
    return names;
}

char *
coco_initdata_annotation(const CocoInitdata *initdata)
{
    return g_base64_encode(initdata->gzip->data, initdata->gzip->len);
}

GBytes *
coco_initdata_image(const CocoInitdata *initdata)
{
    const size_t head = strlen(MAGIC) + sizeof(uint64_t);
    uint64_t length = GUINT64_TO_LE((uint64_t) initdata->gzip->len);
    size_t size = (head + initdata->gzip->len + COCO_INITDATA_SECTOR - 1) / COCO_INITDATA_SECTOR *
                  COCO_INITDATA_SECTOR;
    uint8_t *image = g_malloc0(size);

    memcpy(image, MAGIC, strlen(MAGIC));
    memcpy(image + strlen(MAGIC), &length, sizeof length);
    memcpy(image + head, initdata->gzip->data, initdata->gzip->len);
    return g_bytes_new_take(image, size);
}
