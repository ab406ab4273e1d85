/* What a C test needs: CHECK says where it failed and goes on; the program's exit code says whether any did.
 */
#pragma once

#include <stdio.h>

static int checks_failed;

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            checks_failed++;                                                                                 \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                    \
        }                                                                                                    \
    } while (0)

static inline int checks_done(const char *name) {
    if (checks_failed)
        (void)fprintf(stderr, "%s: %d checks failed\n", name, checks_failed);
    else
        (void)printf("%s: ok\n", name);
    return checks_failed ? 1 : 0;
}
