/* libFuzzer's entry for berth-dns; built by `make fuzz`. */
#include "fuzz_dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *exact = malloc(size ? size : 1); /* of its very size: ASan sees one byte too many */

    memcpy(exact, data, size);
    fuzz_packet(exact, size);
    fuzz_text(exact, size);
    free(exact);
    return 0;
}
