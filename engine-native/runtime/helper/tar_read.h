/* Reading a tar stream, entry by entry, hashing every byte that comes. Knows nothing of the disk it will land
 * on. Every byte may be hostile: sizes, records and names are bounded before they are believed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/err.h"
#include "hash_ahead.h"
#include "tar_format.h"

#define TAR_PATH_MAX 4095
#define TAR_SLOTS 4

struct tar_reader {
    int fd;
    const unsigned char *data; /* what came last: bytes start..end of it are still to be read */
    size_t start, end;
    unsigned char *slots; /* read into in turn, so that the hash may lag behind */
    uint64_t tickets[TAR_SLOTS];
    unsigned slot;
    struct hash_ahead hash;
    uint64_t read;    /* bytes that came */
    uint64_t left;    /* of the present entry's content */
    uint64_t padding; /* behind it */
    char *pax;        /* the present entry's PAX records, pax_len bytes */
    size_t pax_len;
    bool at_end; /* the fd has no more */
};

struct tar_entry {
    char type; /* '0' file, '1' hard link, '2' symlink, '3' '4' device, '5' folder, '6' fifo */
    char path[TAR_PATH_MAX + 1], link[TAR_PATH_MAX + 1];
    uint64_t size;
    uint32_t mode, uid, gid, major, minor;
    int64_t mtime;
    uint32_t mtime_ns;
};

/* `first` are bytes of the stream that have already been read from fd; they must stay until tar_reader_close.
 */
int tar_reader_open(struct tar_reader *reader, int fd, const char *first, size_t first_len, struct err *err);
void tar_reader_close(struct tar_reader *reader);

/* 1 = an entry (what is left of the last one's content is skipped), 0 = the end blocks have come, -1 = error:
 * bad_request for a bad or cut archive. */
int tar_next(struct tar_reader *reader, struct tar_entry *entry, struct err *err);

/* Some of the present entry's content: 1 with *data and *len > 0, 0 when there is no more, -1. */
int tar_content(struct tar_reader *reader, const void **data, size_t *len, struct err *err);

/* After the end blocks: reads the stream to its end (the hash is of all of it). */
int tar_drain(struct tar_reader *reader, struct err *err);

/* Walks PAX records: 1 with the key (NUL-terminated) and value (value_len bytes), 0 at the end. *at starts at
 * 0. */
int tar_pax_next(const struct tar_reader *reader, size_t *at, const char **key, const char **value,
                 size_t *value_len);
