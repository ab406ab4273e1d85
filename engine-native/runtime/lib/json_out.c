/* The JSON writer: appends to one growing buffer. A failed allocation is remembered, not reported at each
 * call. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

static void put(struct json_out *out, const char *data, size_t len) {
    if (out->failed)
        return;
    if (out->cap - out->len < len) {
        size_t cap = out->cap ? out->cap : 256;
        while (cap - out->len < len)
            cap *= 2;
        char *grown = realloc(out->data, cap);
        if (!grown) {
            out->failed = true;
            return;
        }
        out->data = grown;
        out->cap = cap;
    }
    memcpy(out->data + out->len, data, len);
    out->len += len;
}

static void before_value(struct json_out *out) {
    if (out->comma)
        put(out, ",", 1);
    out->comma = true;
}

static void open_list(struct json_out *out, const char *bracket) {
    before_value(out);
    put(out, bracket, 1);
    out->comma = false;
}

static void close_list(struct json_out *out, const char *bracket) {
    put(out, bracket, 1);
    out->comma = true;
}

void json_open_object(struct json_out *out) {
    open_list(out, "{");
}

void json_close_object(struct json_out *out) {
    close_list(out, "}");
}

void json_open_array(struct json_out *out) {
    open_list(out, "[");
}

void json_close_array(struct json_out *out) {
    close_list(out, "]");
}

static void put_escaped(struct json_out *out, unsigned char c) {
    static const char from[] = "\"\\\b\f\n\r\t", as[] = "\"\\bfnrt";
    char escape[8];
    const char *found = c ? strchr(from, c) : NULL;
    if (found)
        put(out, (const char[]){'\\', as[found - from]}, 2);
    else
        put(out, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
}

void json_string_n(struct json_out *out, const char *text, size_t len) {
    before_value(out);
    put(out, "\"", 1);
    size_t plain = 0;
    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        size_t n = utf8_sequence(text + i, len - i);
        if (n > 0 && c >= 0x20 && c != '"' && c != '\\') {
            i += n;
            continue;
        }
        put(out, text + plain, i - plain);
        if (n == 0)
            put(out, "\xef\xbf\xbd", 3);
        else
            put_escaped(out, c);
        plain = ++i;
    }
    put(out, text + plain, len - plain);
    put(out, "\"", 1);
}

void json_string(struct json_out *out, const char *text) {
    json_string_n(out, text, strlen(text));
}

void json_key(struct json_out *out, const char *key) {
    json_string(out, key);
    put(out, ":", 1);
    out->comma = false;
}

void json_int(struct json_out *out, int64_t value) {
    char text[24];
    before_value(out);
    put(out, text, (size_t)snprintf(text, sizeof text, "%" PRId64, value));
}

void json_uint(struct json_out *out, uint64_t value) {
    char text[24];
    before_value(out);
    put(out, text, (size_t)snprintf(text, sizeof text, "%" PRIu64, value));
}

void json_bool(struct json_out *out, bool value) {
    before_value(out);
    put(out, value ? "true" : "false", value ? 4 : 5);
}

void json_null(struct json_out *out) {
    before_value(out);
    put(out, "null", 4);
}

void json_raw(struct json_out *out, const char *text, size_t len) {
    before_value(out);
    put(out, text, len);
}

void json_put_string(struct json_out *out, const char *key, const char *text) {
    json_key(out, key);
    json_string(out, text);
}

void json_put_int(struct json_out *out, const char *key, int64_t value) {
    json_key(out, key);
    json_int(out, value);
}

void json_put_uint(struct json_out *out, const char *key, uint64_t value) {
    json_key(out, key);
    json_uint(out, value);
}

void json_put_bool(struct json_out *out, const char *key, bool value) {
    json_key(out, key);
    json_bool(out, value);
}

static void open_with_id(struct json_out *out, const struct json *id, bool ok) {
    json_open_object(out);
    json_key(out, "id");
    if (id)
        json_raw(out, id->raw, id->raw_len);
    else
        json_null(out);
    json_put_bool(out, "ok", ok);
}

void json_open_reply(struct json_out *out, const struct json *id) {
    open_with_id(out, id, true);
}

void json_error_reply(struct json_out *out, const struct json *id, const struct err *err) {
    open_with_id(out, id, false);
    json_key(out, "error");
    json_open_object(out);
    json_put_string(out, "code", err_code_name(err->code));
    json_put_string(out, "message", err->message);
    json_close_object(out);
    json_close_object(out);
}

int json_out_finish(struct json_out *out, struct err *err) {
    return out->failed ? err_set(err, ERR_INTERNAL, "out of memory") : 0;
}

void json_out_free(struct json_out *out) {
    free(out->data);
    *out = (struct json_out){0};
}
