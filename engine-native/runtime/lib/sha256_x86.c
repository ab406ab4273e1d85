/* SHA-256 rounds in x86's SHA instructions, chosen at run time by cpuid. Elsewhere: never available. */
#include "sha256_rounds.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

bool sha256_x86_available(void) {
    static int known = -1;
    if (known < 0) {
        unsigned a = 0, b = 0, c = 0, d = 0, c1 = 0, unused;
        known = __get_cpuid(1, &unused, &unused, &c1, &unused) && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
                (b & (1u << 29)) && (c1 & (1u << 19)) && (c1 & (1u << 9));
    }
    return known > 0;
}

/* Four message words are kept a vector: w[0..3] hold the sixteen words the schedule looks back on. */
__attribute__((target("sha,sse4.1,ssse3"))) void sha256_x86_rounds(uint32_t state[8],
                                                                   const unsigned char *data, size_t blocks) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bll, 0x0405060700010203ll);
    __m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const void *)state), 0xb1);
    __m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const void *)(state + 4)), 0x1b);
    __m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xf0);
    for (; blocks > 0; blocks--, data += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (int i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(data + (size_t)i * 16)), swap);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            __m128i now = w[i & 3];
            if (i >= 4) {
                __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(now, w[(i + 1) & 3]),
                                            _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
                now = w[i & 3] = _mm_sha256msg2_epu32(sum, w[(i + 3) & 3]);
            }
            now = _mm_add_epi32(now, _mm_loadu_si128((const void *)(sha256_k + (size_t)i * 4)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, now);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(now, 0x0e));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    low = _mm_shuffle_epi32(abef, 0x1b);
    high = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((void *)state, _mm_blend_epi16(low, high, 0xf0));
    _mm_storeu_si128((void *)(state + 4), _mm_alignr_epi8(high, low, 8));
}
#else
bool sha256_x86_available(void) {
    return false;
}

void sha256_x86_rounds(uint32_t state[8], const unsigned char *data, size_t blocks) {
    (void)state, (void)data, (void)blocks;
}
#endif
