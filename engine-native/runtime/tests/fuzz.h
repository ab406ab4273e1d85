/* What every fuzz target shares: first inputs that it makes itself, written into the corpus folder, which is
 * the last argument, before libFuzzer reads it. Used by tests/fuzz_*.c (`make fuzz`). */
#pragma once

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_seed(int argc, char **argv, unsigned number, const void *data, size_t size) {
    char path[4096];
    struct stat st;

    if (argc < 2 || stat(argv[argc - 1], &st) || !S_ISDIR(st.st_mode))
        return; /* one input is run again */
    (void)snprintf(path, sizeof path, "%s/seed-%u", argv[argc - 1], number);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd))
        abort();
}

static inline void fuzz_seed_text(int argc, char **argv, unsigned number, const char *text) {
    fuzz_seed(argc, argv, number, text, strlen(text));
}

/* A copy of its very size, so that ASan sees one byte too many. Free with free(). */
static inline void *fuzz_exact(const void *data, size_t size) {
    void *exact = malloc(size ? size : 1);

    if (!exact)
        abort();
    memcpy(exact, data, size);
    return exact;
}

/* The same as a C string, which ends at the first NUL. */
static inline char *fuzz_text(const void *data, size_t size) {
    char *text = malloc(size + 1);

    if (!text)
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}
