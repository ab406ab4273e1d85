/* Writing a canonical tar: ustar, PAX records only for what ustar cannot say, numeric owners, whole seconds.
 */
#pragma once

#include <stdint.h>
#include <sys/stat.h>

#include "../lib/err.h"
#include "hash_ahead.h"
#include "tar_format.h"

/* Where the bytes go: to a descriptor (>= 0), and into a hash when there is one. */
#define TAR_SINK_SLOTS 4

struct tar_sink {
    int fd;
    struct hash_ahead *hash;
    uint64_t size; /* bytes so far */
    char *slots;   /* filled in turn, so that the hash may lag behind */
    uint64_t tickets[TAR_SINK_SLOTS];
    unsigned slot;
    size_t used; /* of the present slot */
};

int tar_sink_open(struct tar_sink *sink, int fd, struct hash_ahead *hash, struct err *err);
void tar_sink_close(struct tar_sink *sink);
int tar_sink_write(struct tar_sink *sink, const void *data, size_t len, struct err *err);
/* Room in the sink's own memory, for content that is read straight into it; NULL on error. tar_sink_filled
 * says how much of it was used. */
char *tar_sink_room(struct tar_sink *sink, size_t *room, struct err *err);
void tar_sink_filled(struct tar_sink *sink, size_t len);
int tar_sink_flush(struct tar_sink *sink, struct err *err);

struct tar_xattr {
    char *name, *value;
    size_t len;
};

struct tar_item {
    const char *path; /* a folder's ends in a slash */
    const char *link; /* of links, else NULL */
    char type;
    uint32_t mode, uid, gid;
    uint32_t major, minor; /* of devices */
    uint64_t size;
    int64_t mtime;
    const struct tar_xattr *xattrs; /* sorted by name */
    size_t xattr_count;
};

/* The header (with a PAX header before it where needed). The caller writes size bytes of content and the
 * padding. */
int tar_write_item(struct tar_sink *sink, const struct tar_item *item, struct err *err);
int tar_write_padding(struct tar_sink *sink, uint64_t size, struct err *err);
int tar_write_end(struct tar_sink *sink, struct err *err);
