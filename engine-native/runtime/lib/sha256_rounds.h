/* Between sha256.c and sha256_x86.c: the constants and the rounds in SHA instructions. Nobody else's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const uint32_t sha256_k[64];

bool sha256_x86_available(void);
void sha256_x86_rounds(uint32_t state[8], const unsigned char *data, size_t blocks);
