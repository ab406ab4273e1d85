/* Strict, bounded JSON: a parser into one arena, typed readers, and a writer that escapes.
 * Every message of PROTOCOL.md passes here and every byte of it may be hostile: UTF-8 is checked, depth is at
 * most 32, an object has at most 1024 members and none twice, and strings hold no NUL (they become C
 * strings). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* JSON_UINT is a whole number that only an unsigned 64-bit integer can hold. */
enum json_type {
    JSON_NULL,
    JSON_BOOL,
    JSON_INT,
    JSON_UINT,
    JSON_DOUBLE,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json {
    enum json_type type;
    const char *key;         /* name in the object that holds it, else NULL */
    const struct json *next; /* the following member or element */
    const char *raw;         /* the value's own text in the input, raw_len bytes, not terminated */
    size_t raw_len;
    union {
        bool boolean;
        int64_t integer;
        uint64_t uint;
        double number;
        struct {
            const char *text; /* NUL-terminated */
            size_t len;
        } string;
        struct {
            const struct json *first;
            size_t count;
        } list; /* arrays and objects */
    };
};

struct json_doc;

/* `text` must outlive the document (raw slices point into it). NULL with err set (bad_request) on bad input.
 */
struct json_doc *json_parse(const char *text, size_t len, struct err *err);
const struct json *json_root(const struct json_doc *doc);
void json_free(struct json_doc *doc);

static inline void json_cleanup(struct json_doc **doc) {
    json_free(*doc);
}
#define auto_json __attribute__((cleanup(json_cleanup)))

#define json_each(item, array)                                                                               \
    for (const struct json *item = (array) ? (array)->list.first : NULL; item; item = item->next)

/* NULL when there is no such member, or `object` is NULL or no object. A member that is null counts as
 * absent. */
const struct json *json_get(const struct json *object, const char *key);

/* need: absent is an error. opt: absent leaves *out as the caller set it. Both: a wrong type is bad_request
 * that names the key; integers are checked against min and max. Return 0 or -1. */
int json_need_string(const struct json *object, const char *key, const char **out, struct err *err);
int json_opt_string(const struct json *object, const char *key, const char **out, struct err *err);
int json_need_int(const struct json *object, const char *key, int64_t min, int64_t max, int64_t *out,
                  struct err *err);
int json_opt_int(const struct json *object, const char *key, int64_t min, int64_t max, int64_t *out,
                 struct err *err);
/* The whole range of 64 bits; -1 reads as its largest value, as Go's tools write "no limit" either way. */
int json_opt_uint(const struct json *object, const char *key, uint64_t *out, struct err *err);
int json_opt_bool(const struct json *object, const char *key, bool *out, struct err *err);
int json_need_object(const struct json *object, const char *key, const struct json **out, struct err *err);
int json_opt_object(const struct json *object, const char *key, const struct json **out, struct err *err);
int json_opt_array(const struct json *object, const char *key, const struct json **out, struct err *err);

/* The writer. Commas are its own business. A failed allocation is remembered and reported by json_out_finish.
 */
struct json_out {
    char *data;
    size_t len, cap;
    bool comma, failed;
};

void json_out_free(struct json_out *out);
#define auto_json_out __attribute__((cleanup(json_out_free)))

void json_open_object(struct json_out *out);
void json_close_object(struct json_out *out);
void json_open_array(struct json_out *out);
void json_close_array(struct json_out *out);
void json_key(struct json_out *out, const char *key);
void json_string(struct json_out *out, const char *text); /* bytes that are not UTF-8 become U+FFFD */
void json_string_n(struct json_out *out, const char *text, size_t len);
void json_int(struct json_out *out, int64_t value);
void json_uint(struct json_out *out, uint64_t value);
void json_bool(struct json_out *out, bool value);
void json_null(struct json_out *out);
void json_raw(struct json_out *out, const char *text, size_t len); /* text that is JSON already */

/* Member shorthands: key and value in one call. */
void json_put_string(struct json_out *out, const char *key, const char *text);
void json_put_int(struct json_out *out, const char *key, int64_t value);
void json_put_uint(struct json_out *out, const char *key, uint64_t value);
void json_put_bool(struct json_out *out, const char *key, bool value);

/* Opens the reply object of a request: {"id":<id>,"ok":true — the caller adds members and closes it. */
void json_open_reply(struct json_out *out, const struct json *id);
/* A whole failed reply: {"id":…,"ok":false,"error":{"code":…,"message":…}}. id may be NULL. */
void json_error_reply(struct json_out *out, const struct json *id, const struct err *err);

/* 0 when everything fitted in memory, else -1. */
int json_out_finish(struct json_out *out, struct err *err);

/* Length of the valid UTF-8 sequence at `text` (1–4), or 0 when there is none. Surrogates and overlong forms
 * are invalid. */
size_t utf8_sequence(const char *text, size_t len);
