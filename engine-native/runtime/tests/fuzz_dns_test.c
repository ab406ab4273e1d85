/* A bounded, repeatable fuzz of berth-dns's parsers: good inputs with bytes changed, cut and repeated. What
 * it looks for is what ASan and UBSan see. */
#include "check.h"
#include "dns_bytes.h"
#include "fuzz_dns.h"

enum { ROUNDS = 40000 };

static uint32_t state = 2463534242U;

static uint32_t next_random(void) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

static void mutate(uint8_t *data, size_t *size, size_t cap) {
    static const uint8_t edges[] = {0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff, '\n', ' ', ',', '.'};

    for (uint32_t changes = 1 + next_random() % 4; changes > 0 && *size > 0; changes--) {
        size_t at = next_random() % *size;
        switch (next_random() % 4) {
        case 0:
            data[at] = (uint8_t)next_random();
            break;
        case 1:
            data[at] = edges[next_random() % sizeof edges];
            break;
        case 2:
            *size = at;
            break;
        default:
            if (*size + 16 <= cap) {
                memmove(data + at + 16, data + at, *size - at);
                *size += 16;
            }
        }
    }
}

static void run_on(const uint8_t *seed, size_t seed_size, void (*target)(const uint8_t *, size_t)) {
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint8_t data[1024];
        size_t size = seed_size;
        memcpy(data, seed, seed_size);
        mutate(data, &size, sizeof data);
        uint8_t *exact = malloc(size ? size : 1);
        memcpy(exact, data, size);
        target(exact, size);
        free(exact);
    }
}

int main(void) {
    static const char file[] =
        "berth-dns 1\nnetwork b open 10.1.0.1,fd00::1 10.1.0.0/24,fd00::/64\n"
        "host c 10.1.0.2,fd00::2 web.a,web 10.0.0.1\nnetwork d internal 10.2.0.1 10.2.0.0/24\n";
    static const char resolv[] = "search a\nnameserver 10.0.0.1\nnameserver fe80::1%lo\n";
    uint8_t packet[512];

    run_on(packet, make_query(packet, "web.a", DNS_A, 1232), fuzz_packet);
    run_on(packet, make_query(packet, "3.0.1.10.in-addr.arpa", DNS_PTR, 0), fuzz_packet);
    run_on((const uint8_t *)file, sizeof file - 1, fuzz_records);
    run_on((const uint8_t *)resolv, sizeof resolv - 1, fuzz_records);
    return checks_done("fuzz_dns_test");
}
