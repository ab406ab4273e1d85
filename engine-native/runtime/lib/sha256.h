/* SHA-256 (FIPS 180-4), with the processor's SHA instructions where it has them. Names layers and checks
 * streams. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t total;
    unsigned char block[64];
    size_t used;
};

void sha256_init(struct sha256 *sha);
void sha256_add(struct sha256 *sha, const void *data, size_t len);
/* Writes 64 lower-case hex digits and a NUL. The state must be initialised again before more use. */
void sha256_finish_hex(struct sha256 *sha, char hex[65]);

/* Tests switch the instructions off to compare both ways of computing. */
void sha256_use_portable(int portable);
