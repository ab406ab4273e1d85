/* The JSON parser: text to a tree in one arena. Recursion is bounded by DEPTH_MAX. The writer is json_out.c.
 */
#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 32
/* Members are checked pairwise for a repeated name: the bound keeps that linear in the size of a message. */
#define MEMBERS_MAX 1024
#define CHUNK_SIZE 4096

struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(max_align_t) char data[];
};

struct json_doc {
    struct chunk *chunks;
    const struct json *root;
};

struct parser {
    const char *text, *at, *end;
    struct json_doc *doc;
    struct err *err;
    int depth;
};

static void *arena(struct json_doc *doc, size_t size) {
    size = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
    struct chunk *chunk = doc->chunks;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        chunk = malloc(sizeof *chunk + room);
        if (!chunk)
            return NULL;
        *chunk = (struct chunk){.next = doc->chunks, .size = room};
        doc->chunks = chunk;
    }
    void *result = chunk->data + chunk->used;
    chunk->used += size;
    return result;
}

static int fail(struct parser *p, const char *what) {
    (void)err_set(p->err, ERR_BAD_REQUEST, "json: %s at byte %zu", what, (size_t)(p->at - p->text));
    return -1;
}

static int out_of_memory(const struct parser *p) {
    (void)err_set(p->err, ERR_INTERNAL, "out of memory");
    return -1;
}

static void skip_space(struct parser *p) {
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
        p->at++;
}

size_t utf8_sequence(const char *text, size_t len) {
    const unsigned char *s = (const unsigned char *)text;
    if (len == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    size_t need = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || len < need)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return need;
}

static int hex4(struct parser *p, unsigned *out) {
    if (p->end - p->at < 4)
        return fail(p, "short \\u escape");
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        char c = *p->at++;
        unsigned digit;
        if (c >= '0' && c <= '9')
            digit = (unsigned)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (unsigned)((c | 0x20) - 'a' + 10);
        else
            return fail(p, "bad \\u escape");
        value = value << 4 | digit;
    }
    *out = value;
    return 0;
}

static char *put_utf8(char *to, unsigned code) {
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        *to++ = (char)(0x80 | (code & 0x3f));
    }
    return to;
}

static int parse_unicode_escape(struct parser *p, char **to) {
    unsigned code, low;
    if (hex4(p, &code) < 0)
        return -1;
    if (code >= 0xdc00 && code <= 0xdfff)
        return fail(p, "lone surrogate");
    if (code >= 0xd800 && code <= 0xdbff) {
        if (p->end - p->at < 6 || p->at[0] != '\\' || p->at[1] != 'u')
            return fail(p, "lone surrogate");
        p->at += 2;
        if (hex4(p, &low) < 0)
            return -1;
        if (low < 0xdc00 || low > 0xdfff)
            return fail(p, "lone surrogate");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code == 0)
        return fail(p, "NUL in a string");
    *to = put_utf8(*to, code);
    return 0;
}

static int parse_escape(struct parser *p, char **to) {
    static const char from[] = "\"\\/bfnrt", as[] = "\"\\/\b\f\n\r\t";
    if (p->at == p->end)
        return fail(p, "unterminated string");
    char c = *p->at++;
    if (c == 'u')
        return parse_unicode_escape(p, to);
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
        return fail(p, "bad escape");
    *(*to)++ = as[found - from];
    return 0;
}

/* p->at is behind the opening quote. An escape is never longer decoded than written, so the raw length is
 * room enough. */
static int parse_string(struct parser *p, const char **text, size_t *len) {
    const char *close = p->at;
    while (close < p->end && *close != '"')
        close += *close == '\\' && close + 1 < p->end ? 2 : 1;
    if (close >= p->end)
        return fail(p, "unterminated string");
    char *buffer = arena(p->doc, (size_t)(close - p->at) + 1);
    if (!buffer)
        return out_of_memory(p);
    char *to = buffer;
    while (p->at < close) {
        unsigned char c = (unsigned char)*p->at;
        if (c < 0x20)
            return fail(p, "control character in a string");
        if (c == '\\') {
            p->at++;
            if (parse_escape(p, &to) < 0)
                return -1;
            continue;
        }
        size_t n = utf8_sequence(p->at, (size_t)(close - p->at));
        if (n == 0)
            return fail(p, "invalid utf-8");
        memcpy(to, p->at, n);
        to += n;
        p->at += n;
    }
    *to = '\0';
    p->at = close + 1;
    *text = buffer;
    *len = (size_t)(to - buffer);
    return 0;
}

static bool is_digit(const struct parser *p) {
    return p->at < p->end && *p->at >= '0' && *p->at <= '9';
}

static int skip_digits(struct parser *p) {
    if (!is_digit(p))
        return fail(p, "bad number");
    while (is_digit(p))
        p->at++;
    return 0;
}

static int parse_number(struct parser *p, struct json *value) {
    const char *start = p->at;
    bool whole = true;
    if (*p->at == '-')
        p->at++;
    if (p->at < p->end && *p->at == '0')
        p->at++;
    else if (skip_digits(p) < 0)
        return -1;
    if (p->at < p->end && *p->at == '.') {
        whole = false;
        p->at++;
        if (skip_digits(p) < 0)
            return -1;
    }
    if (p->at < p->end && (*p->at == 'e' || *p->at == 'E')) {
        whole = false;
        p->at++;
        if (p->at < p->end && (*p->at == '+' || *p->at == '-'))
            p->at++;
        if (skip_digits(p) < 0)
            return -1;
    }
    char copy[64];
    size_t n = (size_t)(p->at - start);
    if (n >= sizeof copy)
        return fail(p, "number too long");
    memcpy(copy, start, n);
    copy[n] = '\0';
    errno = 0;
    value->type = whole ? JSON_INT : JSON_DOUBLE;
    if (whole)
        value->integer = strtoll(copy, NULL, 10);
    if (whole && errno == ERANGE && copy[0] != '-') {
        errno = 0;
        value->type = JSON_UINT;
        value->uint = strtoull(copy, NULL, 10);
    }
    if (!whole)
        value->number = strtod(copy, NULL);
    return errno == ERANGE ? fail(p, "number out of range") : 0;
}

static int parse_value(struct parser *p, struct json *value);

static bool has_key(const struct json *first, const char *key) {
    for (; first; first = first->next)
        if (strcmp(first->key, key) == 0)
            return true;
    return false;
}

static int parse_key(struct parser *p, const struct json *list, struct json *member) {
    size_t len;
    skip_space(p);
    if (p->at == p->end || *p->at != '"')
        return fail(p, "member name expected");
    p->at++;
    const char *key = NULL;
    if (parse_string(p, &key, &len) < 0)
        return -1;
    if (has_key(list->list.first, key))
        return fail(p, "member name given twice");
    if (list->list.count >= MEMBERS_MAX)
        return fail(p, "too many members");
    member->key = key;
    skip_space(p);
    if (p->at == p->end || *p->at != ':')
        return fail(p, "':' expected");
    p->at++;
    return 0;
}

/* Arrays and objects: p->at is behind the opening bracket. */
static int parse_list(struct parser *p, struct json *list, char close) {
    const struct json **tail = &list->list.first;
    if (++p->depth > DEPTH_MAX)
        return fail(p, "nested too deeply");
    skip_space(p);
    if (p->at < p->end && *p->at == close) {
        p->at++;
        p->depth--;
        return 0;
    }
    for (;;) {
        struct json *item = arena(p->doc, sizeof *item);
        if (!item)
            return out_of_memory(p);
        memset(item, 0, sizeof *item);
        if (close == '}' && parse_key(p, list, item) < 0)
            return -1;
        if (parse_value(p, item) < 0)
            return -1;
        *tail = item;
        tail = &item->next;
        list->list.count++;
        skip_space(p);
        if (p->at == p->end || (*p->at != ',' && *p->at != close))
            return fail(p, "',' or the closing bracket expected");
        if (*p->at++ == close)
            break;
    }
    p->depth--;
    return 0;
}

static int parse_word(struct parser *p, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(p->end - p->at) < n || memcmp(p->at, word, n) != 0)
        return fail(p, "value expected");
    p->at += n;
    return 0;
}

static int parse_bare(struct parser *p, struct json *value) {
    char c = *p->at;
    if (c == 't' || c == 'f') {
        value->type = JSON_BOOL;
        value->boolean = c == 't';
        return parse_word(p, c == 't' ? "true" : "false");
    }
    if (c == 'n') {
        value->type = JSON_NULL;
        return parse_word(p, "null");
    }
    if (c == '-' || (c >= '0' && c <= '9'))
        return parse_number(p, value);
    return fail(p, "value expected");
}

static int parse_value(struct parser *p, struct json *value) {
    skip_space(p);
    if (p->at == p->end)
        return fail(p, "value expected");
    value->raw = p->at;
    int result;
    if (*p->at == '{' || *p->at == '[') {
        value->type = *p->at == '{' ? JSON_OBJECT : JSON_ARRAY;
        p->at++;
        result = parse_list(p, value, value->type == JSON_OBJECT ? '}' : ']');
    } else if (*p->at == '"') {
        value->type = JSON_STRING;
        p->at++;
        result = parse_string(p, &value->string.text, &value->string.len);
    } else {
        result = parse_bare(p, value);
    }
    value->raw_len = (size_t)(p->at - value->raw);
    return result;
}

struct json_doc *json_parse(const char *text, size_t len, struct err *err) {
    struct json_doc *doc = calloc(1, sizeof *doc);
    struct json *root = doc ? arena(doc, sizeof *root) : NULL;
    if (!root) {
        err_set(err, ERR_INTERNAL, "out of memory");
        json_free(doc);
        return NULL;
    }
    memset(root, 0, sizeof *root);
    struct parser p = {.text = text, .at = text, .end = text + len, .doc = doc, .err = err};
    int result = parse_value(&p, root);
    if (result == 0) {
        skip_space(&p);
        if (p.at != p.end)
            result = fail(&p, "more text after the value");
    }
    if (result < 0) {
        json_free(doc);
        return NULL;
    }
    doc->root = root;
    return doc;
}

const struct json *json_root(const struct json_doc *doc) {
    return doc->root;
}

void json_free(struct json_doc *doc) {
    if (!doc)
        return;
    for (struct chunk *chunk = doc->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    free(doc);
}
