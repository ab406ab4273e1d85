/* Archives for the tests of the tar reader: one with everything in it, a reader that takes an archive whole,
 * and the checksum put right after a change. Used by helper_tar_read_test.c and fuzz_tar.c. */
#pragma once

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../helper/tar_number.h"
#include "../helper/tar_read.h"
#include "../helper/tar_write.h"
#include "../lib/cleanup.h"
#include "check.h"

/* Reads a whole archive; returns how it ended (0 or -1) and counts entries and content. */
static inline int read_all(const char *bytes, size_t size, int *entries, size_t *content, struct err *err) {
    static struct tar_entry entry;
    struct tar_reader reader;
    auto_close int fd = memfd_create("archive", MFD_CLOEXEC);
    int more = -1;
    *entries = 0;
    *content = 0;
    if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0 ||
        tar_reader_open(&reader, fd, NULL, 0, err) < 0)
        return -1;
    while ((more = tar_next(&reader, &entry, err)) == 1) {
        const void *data;
        const char *key, *value;
        size_t len, at = 0;
        int got;
        ++*entries;
        while (tar_pax_next(&reader, &at, &key, &value, &len))
            CHECK(memchr(value, 0, 0) == NULL && strlen(key) > 0);
        while ((got = tar_content(&reader, &data, &len, err)) == 1)
            *content += len;
        if (got < 0)
            break;
    }
    if (more == 1)
        more = -1;
    if (more == 0)
        more = tar_drain(&reader, err);
    tar_reader_close(&reader);
    return more;
}

/* A small archive with everything in it: long names, attributes, large numbers, links, content. */
static inline char *make_archive(size_t *size) {
    struct err err = {0};
    struct tar_sink sink;
    char path[300], value[] = "v\0w";
    struct tar_xattr xattr = {(char *)"user.x", value, 3};
    int fd = memfd_create("made", MFD_CLOEXEC);
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = '\0';
    const struct tar_item items[] = {
        {.path = "d/", .type = '5', .mode = 0755, .mtime = -5},
        {.path = "d/f", .type = '0', .mode = 0644, .size = 700, .xattrs = &xattr, .xattr_count = 1},
        {.path = path, .type = '0', .uid = 4000000, .gid = 3000000, .mtime = (int64_t)1 << 40},
        {.path = "l", .type = '2', .link = path},
        {.path = "h", .type = '1', .link = "d/f"},
    };
    CHECK(tar_sink_open(&sink, fd, NULL, &err) == 0);
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        CHECK(tar_write_item(&sink, &items[i], &err) == 0);
        char content[700] = {1};
        CHECK(tar_sink_write(&sink, content, items[i].size, &err) == 0);
        CHECK(tar_write_padding(&sink, items[i].size, &err) == 0);
    }
    CHECK(tar_write_end(&sink, &err) == 0);
    *size = (size_t)sink.size;
    char *bytes = malloc(*size);
    CHECK(pread(fd, bytes, *size, 0) == (ssize_t)*size);
    tar_sink_close(&sink);
    (void)close(fd);
    return bytes;
}

static inline void fix_checksum(char *block) {
    struct tar_header *header = (struct tar_header *)(void *)block;
    (void)snprintf(header->checksum, sizeof header->checksum, "%06o", tar_checksum(header) & 0777777);
}

/* Of every header, so that changes get past the first gate. */
static inline void fix_checksums(char *bytes, size_t size) {
    for (size_t at = 0; at + TAR_BLOCK <= size; at += TAR_BLOCK)
        if (memcmp(bytes + at + 257, "ustar", 5) == 0)
            fix_checksum(bytes + at);
}
