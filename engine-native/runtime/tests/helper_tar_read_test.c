/* The tar reader on hostile bytes: every cut of an archive, thousands of changed ones, numbers at their
 * limits. Run under the sanitizers; what must hold is that it ends, with an entry or an error, and reads
 * nothing it must not. */
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
static int read_all(const char *bytes, size_t size, int *entries, size_t *content, struct err *err) {
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
static char *make_archive(size_t *size) {
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

static void test_round_trip_and_cuts(const char *bytes, size_t size) {
    struct err err = {0};
    int entries;
    size_t content;
    CHECK(read_all(bytes, size, &entries, &content, &err) == 0 && entries == 5 && content == 700);
    /* One zero block ends an archive; whatever is shorter has been cut. */
    for (size_t len = 0; len < size - TAR_BLOCK; len += 64)
        CHECK(read_all(bytes, len, &entries, &content, &err) == -1 && err.code == ERR_BAD_REQUEST);
}

static void fix_checksum(char *block) {
    struct tar_header *header = (struct tar_header *)(void *)block;
    (void)snprintf(header->checksum, sizeof header->checksum, "%06o", tar_checksum(header) & 0777777);
}

static void test_changed(const char *bytes, size_t size) {
    auto_free char *copy = malloc(size);
    unsigned seed = 7;
    for (int round = 0; round < 4000; round++) {
        struct err err = {0};
        int entries;
        size_t content;
        memcpy(copy, bytes, size);
        for (int changes = 1 + rand_r(&seed) % 6; changes > 0; changes--)
            copy[(size_t)rand_r(&seed) % size] = (char)rand_r(&seed);
        /* Half of them with right checksums, so that the changes get past the first gate. */
        for (size_t at = 0; round % 2 && at + TAR_BLOCK <= size; at += TAR_BLOCK)
            if (memcmp(copy + at + 257, "ustar", 5) == 0)
                fix_checksum(copy + at);
        (void)read_all(copy, size, &entries, &content, &err);
    }
}

static void test_numbers(void) {
    int64_t value = 0;
    uint64_t number = 0;
    uint32_t ns = 0;
    CHECK(tar_number("0000644\0", 8, &value) == 0 && value == 0644);
    CHECK(tar_number("   7 \0\0\0", 8, &value) == 0 && value == 7);
    CHECK(tar_number("\0\0\0\0\0\0\0\0", 8, &value) == 0 && value == 0);
    CHECK(tar_number("0000648\0", 8, &value) == -1 && tar_number("-1      ", 8, &value) == -1);
    CHECK(tar_number("\x80\0\0\0\0\0\0\0\0\0\1\0", 12, &value) == 0 && value == 256);
    CHECK(tar_number("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", 12, &value) == 0 && value == -2);
    CHECK(tar_number("\x80\0\0\x80\0\0\0\0\0\0\0\0", 12, &value) == -1);
    CHECK(tar_number("\x80\0\0\0\x80\0\0\0\0\0\0\0", 12, &value) == -1);
    CHECK(pax_unsigned("18446744073709551616", 20, UINT64_MAX, &number) == -1 &&
          pax_unsigned("", 0, 9, &number) == -1);
    CHECK(pax_unsigned("10", 2, 9, &number) == -1 && pax_unsigned("1x", 2, 99, &number) == -1);
    CHECK(pax_time("12.5", 4, &value, &ns) == 0 && value == 12 && ns == 500000000);
    CHECK(pax_time("-1.25", 5, &value, &ns) == 0 && value == -2 && ns == 750000000);
    CHECK(pax_time("1.0000000009", 12, &value, &ns) == 0 && ns == 0 && pax_time("1.x", 3, &value, &ns) == -1);
}

int main(void) {
    size_t size = 0;
    auto_free char *bytes = make_archive(&size);
    test_numbers();
    test_round_trip_and_cuts(bytes, size);
    test_changed(bytes, size);
    return checks_done("helper_tar_read_test");
}
