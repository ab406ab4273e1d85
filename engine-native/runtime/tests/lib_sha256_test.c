/* SHA-256 against the standard's vectors, both ways of computing against each other at every odd length. */
#include <stdlib.h>
#include <string.h>

#include "../lib/sha256.h"
#include "check.h"

static void digest(const void *data, size_t len, size_t step, char hex[65]) {
    struct sha256 sha;
    sha256_init(&sha);
    for (size_t at = 0; at < len; at += step)
        sha256_add(&sha, (const char *)data + at, len - at < step ? len - at : step);
    sha256_finish_hex(&sha, hex);
}

static void test_vectors(void) {
    static const char *const vectors[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char hex[65];
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        digest(vectors[i][0], strlen(vectors[i][0]), 64, hex);
        CHECK(strcmp(hex, vectors[i][1]) == 0);
    }
}

int main(void) {
    unsigned char data[1025];
    char fast[65], slow[65], pieces[65];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 31 + i / 7);
    for (int portable = 0; portable < 2; portable++) {
        sha256_use_portable(portable);
        test_vectors();
    }
    for (size_t len = 0; len <= sizeof data; len += len < 200 ? 1 : 13) {
        sha256_use_portable(0);
        digest(data, len, sizeof data, fast);
        digest(data, len, 37, pieces);
        sha256_use_portable(1);
        digest(data, len, sizeof data, slow);
        CHECK(strcmp(fast, slow) == 0 && strcmp(fast, pieces) == 0);
    }
    return checks_done("lib_sha256_test");
}
