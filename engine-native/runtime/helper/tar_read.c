/* The tar reader: a buffer over a descriptor, headers, PAX and GNU extensions. */
#include "tar_read.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tar_number.h"

#define SLOT_SIZE (256u << 10)
#define EXTENSION_MAX (1u << 20)
/* An entry has a PAX header, a long name and a long link at most; an endless row of them would never be an
 * entry. */
#define EXTENSIONS_MAX 8
/* A client that stopped sending would otherwise hold its worker and its half-made layer for ever. */
#define IDLE_LIMIT_MS 60000
/* Real archives end with at most a tape record of zeroes; more is a client that never stops. */
#define TRAILER_MAX (64u << 20)

unsigned tar_checksum(const struct tar_header *header) {
    const unsigned char *bytes = (const unsigned char *)header;
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof *header; i++)
        sum += i >= 148 && i < 156 ? ' ' : bytes[i];
    return sum;
}

int tar_reader_open(struct tar_reader *reader, int fd, const char *first, size_t first_len, struct err *err) {
    *reader = (struct tar_reader){.fd = fd, .slots = malloc((size_t)TAR_SLOTS * SLOT_SIZE)};
    if (!reader->slots)
        return err_set(err, ERR_INTERNAL, "out of memory");
    hash_ahead_open(&reader->hash);
    (void)hash_ahead_add(&reader->hash, first, first_len);
    reader->data = (const unsigned char *)first;
    reader->end = first_len;
    reader->read = first_len;
    return 0;
}

void tar_reader_close(struct tar_reader *reader) {
    if (!reader->slots)
        return;
    hash_ahead_close(&reader->hash);
    free(reader->slots);
    free(reader->pax);
    reader->slots = NULL;
    reader->pax = NULL;
}

/* What is unread (less than a block: see need) moves to the head of the next slot, and more comes behind it.
 */
static int fill(struct tar_reader *r, struct err *err) {
    size_t left = r->end - r->start;
    r->slot = (r->slot + 1) % TAR_SLOTS;
    hash_ahead_wait(&r->hash, r->tickets[r->slot]);
    unsigned char *slot = r->slots + (size_t)r->slot * SLOT_SIZE;
    if (left > 0)
        memcpy(slot, r->data + r->start, left);
    r->data = slot;
    r->start = 0;
    r->end = left;
    for (;;) {
        struct pollfd poll_fd = {.fd = r->fd, .events = POLLIN};
        int ready = poll(&poll_fd, 1, IDLE_LIMIT_MS);
        if (ready == 0)
            return err_set(err, ERR_BAD_REQUEST, "no byte of the archive came for %d s",
                           IDLE_LIMIT_MS / 1000);
        ssize_t n = ready < 0 ? -1 : read(r->fd, slot + left, SLOT_SIZE - left);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0)
            return err_sys(err, errno, "cannot read the archive");
        r->at_end = n == 0;
        r->tickets[r->slot] = hash_ahead_add(&r->hash, slot + left, (size_t)n);
        r->end += (size_t)n;
        r->read += (uint64_t)n;
        return 0;
    }
}

/* At least n bytes (at most a block) to read; cut archives end here. */
static int need(struct tar_reader *r, size_t n, struct err *err) {
    while (r->end - r->start < n) {
        if (r->at_end)
            return err_set(err, ERR_BAD_REQUEST, "the archive is cut off after %llu bytes",
                           (unsigned long long)r->read);
        if (fill(r, err) < 0)
            return -1;
    }
    return 0;
}

int tar_content(struct tar_reader *r, const void **data, size_t *len, struct err *err) {
    if (r->left == 0)
        return 0;
    if (need(r, 1, err) < 0)
        return -1;
    *len = r->end - r->start < r->left ? r->end - r->start : (size_t)r->left;
    *data = r->data + r->start;
    r->start += *len;
    r->left -= *len;
    return 1;
}

static int skip(struct tar_reader *r, struct err *err) {
    const void *data;
    size_t len;
    int more;
    r->left += r->padding;
    r->padding = 0;
    while ((more = tar_content(r, &data, &len, err)) == 1)
        continue;
    return more;
}

/* The content of an extension header (x, L, K) as one NUL-terminated string. */
static int read_extension(struct tar_reader *r, uint64_t size, char **out, struct err *err) {
    if (size > EXTENSION_MAX)
        return err_set(err, ERR_BAD_REQUEST, "an extension header of %llu bytes is over the limit of %u",
                       (unsigned long long)size, EXTENSION_MAX);
    char *text = malloc((size_t)size + 1);
    if (!text)
        return err_set(err, ERR_INTERNAL, "out of memory");
    const void *data;
    size_t len, have = 0;
    int more;
    while ((more = tar_content(r, &data, &len, err)) == 1) {
        memcpy(text + have, data, len);
        have += len;
    }
    if (more < 0) {
        free(text);
        return -1;
    }
    text[have] = '\0';
    *out = text;
    return 0;
}

/* "<length> <key>=<value>\n": checks every record once, and cuts key and value apart with a NUL. */
static int check_pax(char *text, size_t len, struct err *err) {
    for (size_t at = 0; at < len;) {
        size_t size = 0, digits = at;
        while (digits < len && text[digits] >= '0' && text[digits] <= '9' && size <= EXTENSION_MAX)
            size = size * 10 + (size_t)(text[digits++] - '0');
        if (digits == at || digits >= len || text[digits] != ' ' || size > len - at ||
            size < digits - at + 4 || text[at + size - 1] != '\n')
            return err_set(err, ERR_BAD_REQUEST, "a pax record is malformed");
        char *equals = memchr(text + digits + 1, '=', at + size - digits - 1);
        if (!equals || equals == text + digits + 1 ||
            memchr(text + digits, '\0', (size_t)(equals - text) - digits))
            return err_set(err, ERR_BAD_REQUEST, "a pax record is malformed");
        *equals = '\0';
        at += size;
    }
    return 0;
}

int tar_pax_next(const struct tar_reader *r, size_t *at, const char **key, const char **value,
                 size_t *value_len) {
    if (*at >= r->pax_len)
        return 0;
    const char *record = r->pax + *at;
    size_t size = strtoul(record, NULL, 10);
    *key = strchr(record, ' ') + 1;
    *value = *key + strlen(*key) + 1;
    *value_len = (size_t)(record + size - 1 - *value);
    *at += size;
    return 1;
}

static int copy_name(char to[TAR_PATH_MAX + 1], const char *text, size_t len, struct err *err) {
    if (len > TAR_PATH_MAX)
        return err_set(err, ERR_BAD_REQUEST, "a name of %zu bytes is over the limit of %d", len,
                       TAR_PATH_MAX);
    if (memchr(text, '\0', len))
        return err_set(err, ERR_BAD_REQUEST, "a name holds a NUL byte");
    memcpy(to, text, len);
    to[len] = '\0';
    return 0;
}

static int apply_pax_record(struct tar_entry *e, const char *key, const char *value, size_t len,
                            struct err *err) {
    uint64_t number = 0;
    int bad = 0;
    if (strcmp(key, "path") == 0)
        return copy_name(e->path, value, len, err);
    if (strcmp(key, "linkpath") == 0)
        return copy_name(e->link, value, len, err);
    if (strncmp(key, "GNU.sparse.", 11) == 0)
        return err_set(err, ERR_UNSUPPORTED, "\"%s\" is a sparse entry; make the archive without --sparse",
                       e->path);
    if (strcmp(key, "size") == 0)
        bad = pax_unsigned(value, len, INT64_MAX, &e->size);
    else if (strcmp(key, "uid") == 0)
        bad = pax_unsigned(value, len, UINT32_MAX - 1, &number), e->uid = (uint32_t)number;
    else if (strcmp(key, "gid") == 0)
        bad = pax_unsigned(value, len, UINT32_MAX - 1, &number), e->gid = (uint32_t)number;
    else if (strcmp(key, "mtime") == 0)
        bad = pax_time(value, len, &e->mtime, &e->mtime_ns);
    return bad ? err_set(err, ERR_BAD_REQUEST, "the pax record \"%s\" is malformed", key) : 0;
}

static int apply_pax(struct tar_reader *r, struct tar_entry *e, struct err *err) {
    const char *key, *value;
    size_t at = 0, len;
    while (tar_pax_next(r, &at, &key, &value, &len))
        if (apply_pax_record(e, key, value, len, err) < 0)
            return -1;
    return 0;
}

static int parse_numbers(const struct tar_header *h, struct tar_entry *e, struct err *err) {
    int64_t mode, uid, gid, size, major = 0, minor = 0;
    if (tar_number(h->mode, sizeof h->mode, &mode) < 0 || tar_number(h->uid, sizeof h->uid, &uid) < 0 ||
        tar_number(h->gid, sizeof h->gid, &gid) < 0 || tar_number(h->size, sizeof h->size, &size) < 0 ||
        tar_number(h->mtime, sizeof h->mtime, &e->mtime) < 0)
        return err_set(err, ERR_BAD_REQUEST, "the header of \"%s\" holds a malformed number", e->path);
    if ((h->type == '3' || h->type == '4') && (tar_number(h->major, sizeof h->major, &major) < 0 ||
                                               tar_number(h->minor, sizeof h->minor, &minor) < 0))
        return err_set(err, ERR_BAD_REQUEST, "the device numbers of \"%s\" are malformed", e->path);
    if (size < 0 || uid < 0 || gid < 0 || uid >= UINT32_MAX || gid >= UINT32_MAX || mode < 0)
        return err_set(err, ERR_BAD_REQUEST, "the header of \"%s\" holds a number out of range", e->path);
    e->mode = (uint32_t)(mode & 07777);
    e->uid = (uint32_t)uid;
    e->gid = (uint32_t)gid;
    e->size = (uint64_t)size;
    e->major = (uint32_t)major;
    e->minor = (uint32_t)minor;
    e->mtime_ns = 0;
    return 0;
}

static int parse_header(const struct tar_header *h, struct tar_entry *e, struct err *err) {
    int64_t sum;
    size_t name = strnlen(h->name, sizeof h->name), prefix = strnlen(h->prefix, sizeof h->prefix);
    if (tar_number(h->checksum, sizeof h->checksum, &sum) < 0 || sum != (int64_t)tar_checksum(h))
        return err_set(err, ERR_BAD_REQUEST, "this is not a tar archive (a header's checksum is wrong)");
    /* GNU's old magic "ustar  " keeps other things where ustar has its prefix. */
    if (memcmp(h->magic, "ustar\0", 6) != 0)
        prefix = 0;
    (void)snprintf(e->path, sizeof e->path, "%.*s%s%.*s", (int)prefix, h->prefix, prefix ? "/" : "",
                   (int)name, h->name);
    (void)snprintf(e->link, sizeof e->link, "%.*s", (int)strnlen(h->link, sizeof h->link), h->link);
    e->type = h->type == '\0' || h->type == '7' ? '0' : h->type;
    return parse_numbers(h, e, err);
}

static bool is_zero(const unsigned char *block) {
    return block[0] == 0 && memcmp(block, block + 1, TAR_BLOCK - 1) == 0;
}

/* Long names of GNU tar, kept until the entry they belong to. */
struct long_names {
    char *path, *link;
};

/* One header block and, for an extension, its content. Returns 1 for an entry proper, 2 for an extension, 0
 * at the end blocks. */
static int read_header(struct tar_reader *r, struct tar_entry *e, struct long_names *names, struct err *err) {
    char **slot;
    if (skip(r, err) < 0 || need(r, TAR_BLOCK, err) < 0)
        return -1;
    const unsigned char *block = r->data + r->start;
    r->start += TAR_BLOCK;
    if (is_zero(block))
        return 0;
    if (parse_header((const struct tar_header *)(const void *)block, e, err) < 0)
        return -1;
    r->left = e->size;
    r->padding = (TAR_BLOCK - e->size % TAR_BLOCK) % TAR_BLOCK;
    if (e->type == 'L' || e->type == 'K')
        slot = e->type == 'L' ? &names->path : &names->link;
    else if (e->type == 'x' || e->type == 'g')
        slot = &r->pax;
    else
        return 1;
    char *text = NULL;
    uint64_t size = e->size;
    if (read_extension(r, size, &text, err) < 0 || !text)
        return -1;
    if (slot == &r->pax && check_pax(text, size, err) < 0) {
        free(text);
        return -1;
    }
    /* Global records say nothing that an entry of a layer needs: git and others put a comment there. */
    if (e->type == 'g') {
        free(text);
        return 2;
    }
    free(*slot);
    *slot = text;
    if (slot == &r->pax)
        r->pax_len = size;
    return 2;
}

static int finish_entry(struct tar_reader *r, struct tar_entry *e, const struct long_names *names,
                        struct err *err) {
    if ((names->path && copy_name(e->path, names->path, strlen(names->path), err) < 0) ||
        (names->link && copy_name(e->link, names->link, strlen(names->link), err) < 0) ||
        apply_pax(r, e, err) < 0)
        return -1;
    if (e->type == 'S')
        return err_set(err, ERR_UNSUPPORTED, "\"%s\" is a sparse entry; make the archive without --sparse",
                       e->path);
    if (!strchr("0123456", e->type))
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" has an unknown type '%c'", e->path, e->type);
    size_t len = strlen(e->path);
    if (e->type == '0' && len > 0 && e->path[len - 1] == '/')
        e->type = '5';
    /* Old writers give links a size without content. Only files have content. */
    if (e->type != '0')
        e->size = 0;
    r->left = e->size;
    r->padding = (TAR_BLOCK - e->size % TAR_BLOCK) % TAR_BLOCK;
    return 1;
}

int tar_next(struct tar_reader *r, struct tar_entry *e, struct err *err) {
    struct long_names names = {0};
    int kind, extensions = 0;
    free(r->pax);
    r->pax = NULL;
    r->pax_len = 0;
    while ((kind = read_header(r, e, &names, err)) == 2 && ++extensions <= EXTENSIONS_MAX)
        continue;
    if (kind == 2)
        kind = err_set(err, ERR_BAD_REQUEST, "more than %d extension headers in a row", EXTENSIONS_MAX);
    else if (kind == 1)
        kind = finish_entry(r, e, &names, err);
    else if (kind == 0 && (names.path || names.link || r->pax))
        kind = err_set(err, ERR_BAD_REQUEST, "the archive ends behind an extension header");
    free(names.path);
    free(names.link);
    return kind;
}

int tar_drain(struct tar_reader *r, struct err *err) {
    uint64_t end = r->read + TRAILER_MAX;
    while (!r->at_end) {
        r->start = r->end = 0;
        if (r->read > end)
            return err_set(err, ERR_BAD_REQUEST, "more than %u bytes follow the end of the archive",
                           TRAILER_MAX);
        if (fill(r, err) < 0)
            return -1;
    }
    return 0;
}
