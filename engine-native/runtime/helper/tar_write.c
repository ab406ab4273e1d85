/* The canonical tar writer: same item, same bytes, on every machine. */
#include "tar_write.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/cleanup.h"
#include "../lib/frame.h"

#define SLOT_SIZE (256u << 10)
static const char zeroes[2 * TAR_BLOCK];

int tar_sink_open(struct tar_sink *sink, int fd, struct hash_ahead *hash, struct err *err) {
    *sink = (struct tar_sink){.fd = fd, .hash = hash, .slots = malloc((size_t)TAR_SINK_SLOTS * SLOT_SIZE)};
    return sink->slots ? 0 : err_set(err, ERR_INTERNAL, "out of memory");
}

void tar_sink_close(struct tar_sink *sink) {
    free(sink->slots);
    sink->slots = NULL;
}

static char *present_slot(const struct tar_sink *sink) {
    return sink->slots + (size_t)sink->slot * SLOT_SIZE;
}

int tar_sink_flush(struct tar_sink *sink, struct err *err) {
    const char *data = present_slot(sink);
    size_t used = sink->used;
    sink->used = 0;
    if (sink->hash) {
        sink->tickets[sink->slot] = hash_ahead_add(sink->hash, data, used);
        sink->slot = (sink->slot + 1) % TAR_SINK_SLOTS;
        hash_ahead_wait(sink->hash, sink->tickets[sink->slot]);
    }
    return sink->fd < 0 ? 0 : write_all(sink->fd, data, used, err);
}

char *tar_sink_room(struct tar_sink *sink, size_t *room, struct err *err) {
    if (sink->used == SLOT_SIZE && tar_sink_flush(sink, err) < 0)
        return NULL;
    *room = SLOT_SIZE - sink->used;
    return present_slot(sink) + sink->used;
}

void tar_sink_filled(struct tar_sink *sink, size_t len) {
    sink->used += len;
    sink->size += len;
}

int tar_sink_write(struct tar_sink *sink, const void *data, size_t len, struct err *err) {
    const char *at = data;
    while (len > 0) {
        size_t room;
        char *to = tar_sink_room(sink, &room, err);
        if (!to)
            return -1;
        size_t take = room < len ? room : len;
        memcpy(to, at, take);
        tar_sink_filled(sink, take);
        at += take;
        len -= take;
    }
    return 0;
}

int tar_write_padding(struct tar_sink *sink, uint64_t size, struct err *err) {
    return tar_sink_write(sink, zeroes, (TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK, err);
}

int tar_write_end(struct tar_sink *sink, struct err *err) {
    return tar_sink_write(sink, zeroes, sizeof zeroes, err) < 0 ? -1 : tar_sink_flush(sink, err);
}

/* Octal with a closing NUL. False when it does not fit: then PAX says it and the field is 0. */
static bool put_octal(char *field, size_t len, uint64_t value) {
    bool fits = value >> (3 * (len - 1)) == 0;
    for (size_t i = len - 1; i > 0; i--, value >>= 3)
        field[i - 1] = fits ? (char)('0' + (value & 7)) : '0';
    field[len - 1] = '\0';
    return fits;
}

/* ustar splits a long name at a slash: up to 155 bytes before it, up to 100 behind. */
static bool put_path(struct tar_header *header, const char *path) {
    size_t len = strlen(path);
    if (len <= sizeof header->name) {
        memcpy(header->name, path, len);
        return true;
    }
    for (size_t cut = 1; cut <= sizeof header->prefix && cut + 1 < len; cut++) {
        if (path[cut] != '/' || len - cut - 1 > sizeof header->name)
            continue;
        memcpy(header->prefix, path, cut);
        memcpy(header->name, path + cut + 1, len - cut - 1);
        return true;
    }
    memcpy(header->name, path, sizeof header->name);
    return false;
}

struct pax {
    char *data;
    size_t len, cap;
    bool failed;
};

static void pax_add(struct pax *pax, const char *key, const char *value, size_t value_len) {
    if (pax->failed)
        return;
    /* The length counts its own digits: grow it until it is true. */
    size_t rest = strlen(key) + value_len + 3, size = rest;
    char digits[24];
    while (size != rest + (size_t)snprintf(digits, sizeof digits, "%zu", size))
        size = rest + strlen(digits);
    if (!pax->data || pax->cap - pax->len < size + 1) {
        size_t cap = (pax->len + size + 1) * 2;
        char *grown = realloc(pax->data, cap);
        if (!grown) {
            pax->failed = true;
            return;
        }
        pax->data = grown;
        pax->cap = cap;
    }
    char *at = pax->data + pax->len;
    at += sprintf(at, "%zu %s=", size, key);
    memcpy(at, value, value_len);
    at[value_len] = '\n';
    pax->len += size;
}

static void pax_number(struct pax *pax, const char *key, int64_t value) {
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)value);
    pax_add(pax, key, text, (size_t)n);
}

static void finish_header(struct tar_header *header, uint32_t major, uint32_t minor) {
    memcpy(header->magic, "ustar", 6);
    memcpy(header->version, "00", 2);
    (void)put_octal(header->major, sizeof header->major, major);
    (void)put_octal(header->minor, sizeof header->minor, minor);
    (void)put_octal(header->checksum, 7, tar_checksum(header));
    header->checksum[7] = ' ';
}

/* Fills the ustar header and collects, in the order of their keys, the records it cannot say. */
static void fill_header(struct tar_header *h, const struct tar_item *item, struct pax *pax) {
    size_t link_len = item->link ? strlen(item->link) : 0;
    char key[300];
    h->type = item->type;
    (void)put_octal(h->mode, sizeof h->mode, item->mode & 07777);
    for (size_t i = 0; i < item->xattr_count; i++) {
        (void)snprintf(key, sizeof key, "SCHILY.xattr.%s", item->xattrs[i].name);
        pax_add(pax, key, item->xattrs[i].value, item->xattrs[i].len);
    }
    if (!put_octal(h->gid, sizeof h->gid, item->gid))
        pax_number(pax, "gid", item->gid);
    memcpy(h->link, item->link ? item->link : "", link_len < sizeof h->link ? link_len : sizeof h->link);
    if (link_len > sizeof h->link)
        pax_add(pax, "linkpath", item->link, link_len);
    if (item->mtime < 0 || !put_octal(h->mtime, sizeof h->mtime, (uint64_t)item->mtime)) {
        (void)put_octal(h->mtime, sizeof h->mtime, 0);
        pax_number(pax, "mtime", item->mtime);
    }
    if (!put_path(h, item->path))
        pax_add(pax, "path", item->path, strlen(item->path));
    if (!put_octal(h->size, sizeof h->size, item->size))
        pax_number(pax, "size", (int64_t)item->size);
    if (!put_octal(h->uid, sizeof h->uid, item->uid))
        pax_number(pax, "uid", item->uid);
    finish_header(h, item->major, item->minor);
}

static int write_pax(struct tar_sink *sink, const struct pax *pax, struct err *err) {
    struct tar_header h = {.type = 'x', .name = "PaxHeaders.0/x"};
    (void)put_octal(h.mode, sizeof h.mode, 0644);
    (void)put_octal(h.uid, sizeof h.uid, 0);
    (void)put_octal(h.gid, sizeof h.gid, 0);
    (void)put_octal(h.mtime, sizeof h.mtime, 0);
    (void)put_octal(h.size, sizeof h.size, pax->len);
    finish_header(&h, 0, 0);
    return tar_sink_write(sink, &h, sizeof h, err) < 0 ||
                   tar_sink_write(sink, pax->data, pax->len, err) < 0 ||
                   tar_write_padding(sink, pax->len, err) < 0
               ? -1
               : 0;
}

int tar_write_item(struct tar_sink *sink, const struct tar_item *item, struct err *err) {
    struct tar_header header = {0};
    struct pax pax = {0};
    fill_header(&header, item, &pax);
    int result = pax.failed ? err_set(err, ERR_INTERNAL, "out of memory") : 0;
    if (result == 0 && pax.len > 0)
        result = write_pax(sink, &pax, err);
    free(pax.data);
    return result < 0 ? -1 : tar_sink_write(sink, &header, sizeof header, err);
}
