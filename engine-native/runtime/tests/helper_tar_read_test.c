/* The tar reader on hostile bytes: every cut of an archive, thousands of changed ones, numbers at their
 * limits. Run under the sanitizers; what must hold is that it ends, with an entry or an error, and reads
 * nothing it must not. */
#include "tar_bytes.h"

static void test_round_trip_and_cuts(const char *bytes, size_t size) {
    struct err err = {0};
    int entries;
    size_t content;
    CHECK(read_all(bytes, size, &entries, &content, &err) == 0 && entries == 5 && content == 700);
    /* One zero block ends an archive; whatever is shorter has been cut. */
    for (size_t len = 0; len < size - TAR_BLOCK; len += 64)
        CHECK(read_all(bytes, len, &entries, &content, &err) == -1 && err.code == ERR_BAD_REQUEST);
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
        if (round % 2)
            fix_checksums(copy, size);
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
