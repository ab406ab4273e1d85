/* libFuzzer's entry for the tar reader: archives of images, of `docker cp` and of build contexts. */
#include "fuzz.h"
#include "tar_bytes.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    size_t size = 0;
    auto_free char *bytes = make_archive(&size);

    fuzz_seed(*argc, *argv, 0, bytes, size);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 8)
        fix_checksums((char *)data, size);
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = {0};
    int entries;
    size_t content;

    if (read_all((const char *)data, size, &entries, &content, &err) && err.code == ERR_NONE)
        abort(); /* a refusal must say why */
    return checks_failed ? abort(), 0 : 0;
}
