/* libFuzzer's entry for berth-dns; built by `make fuzz`. */
#include "fuzz_dns.h"
#include "dns_bytes.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    uint8_t packet[512];

    fuzz_seed(*argc, *argv, 0, packet, make_query(packet, "web.a", DNS_A, 1232));
    fuzz_seed(*argc, *argv, 1, packet, make_query(packet, "3.0.1.10.in-addr.arpa", DNS_PTR, 0));
    fuzz_seed_text(*argc, *argv, 2,
                   "berth-dns 1\nnetwork b open 10.1.0.1,fd00::1 10.1.0.0/24,fd00::/64\n"
                   "host c 10.1.0.2,fd00::2 web.a,web 10.0.0.1\nnetwork d internal 10.2.0.1 10.2.0.0/24\n");
    fuzz_seed_text(*argc, *argv, 3, "search a\nnameserver 10.0.0.1\nnameserver fe80::1%lo\n");
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *exact = fuzz_exact(data, size);

    fuzz_packet(exact, size);
    fuzz_records(exact, size);
    free(exact);
    return 0;
}
