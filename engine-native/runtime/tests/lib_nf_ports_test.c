/* Published ports against the real kernel, in a network namespace of the test's own; nft says what is there.
 */
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/nf_ports.h"
#include "check.h"

static const char ruleset[] =
    "nft -f - <<'X'\n"
    "table inet pt {\n"
    "map any4 { type inet_proto . inet_service : ipv4_addr . inet_service; }\n"
    "map one4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }\n"
    "map any6 { type inet_proto . inet_service : ipv6_addr . inet_service; }\n"
    "map one6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }\n"
    "}\nX\n";

static bool listed(const char *map, const char *text) {
    char command[256];
    (void)snprintf(command, sizeof command, "nft list map inet pt %s | grep -q '%s'", map, text);
    return system(command) == 0;
}

static void test_each_map(void) {
    struct err err = {0};
    const struct nf_port ports[] = {
        {"tcp", "", 8080, "10.201.0.5", 80},
        {"udp", "127.0.0.1", 53, "10.201.0.5", 5353},
        {"tcp", "", 8080, "fd00::5", 80},
        {"sctp", "2001:db8::1", 9, "fd00::5", 10},
    };
    CHECK(nf_ports_add("pt", ports, 4, &err) == 0);
    CHECK(nf_ports_add("pt", ports, 4, &err) == 0);
    CHECK(listed("any4", "tcp \\. 8080 : 10\\.201\\.0\\.5 \\. 80"));
    CHECK(listed("one4", "127\\.0\\.0\\.1 \\. udp \\. 53 : 10\\.201\\.0\\.5 \\. 5353"));
    CHECK(listed("any6", "tcp \\. 8080 : fd00::5 \\. 80"));
    CHECK(listed("one6", "2001:db8::1 \\. sctp \\. 9 : fd00::5 \\. 10"));
    CHECK(nf_ports_remove("pt", ports, 3, &err) == 0 && !listed("any4", "8080") && !listed("any6", "8080"));
    CHECK(nf_ports_remove("pt", ports, 4, &err) == 0 && !listed("one6", "sctp"));
}

static void test_many_and_bad(void) {
    struct err err = {0};
    static struct nf_port ports[100];
    for (uint16_t i = 0; i < 100; i++)
        ports[i] = (struct nf_port){"tcp", "", (uint16_t)(20000 + i), "10.201.0.5", (uint16_t)(1 + i)};
    CHECK(nf_ports_add("pt", ports, 100, &err) == 0 && listed("any4", "20099"));
    CHECK(nf_ports_remove("pt", ports, 100, &err) == 0 && !listed("any4", "200"));
    /* Somebody else's entry in the middle: what came before it is taken back. */
    const struct nf_port other = {"tcp", "", 20050, "10.201.0.9", 1};
    CHECK(nf_ports_add("pt", &other, 1, &err) == 0);
    CHECK(nf_ports_add("pt", ports, 100, &err) == -1 && err.code == ERR_NETWORK);
    CHECK(!listed("any4", "20000") && listed("any4", "10\\.201\\.0\\.9"));
    CHECK(nf_ports_add("nope", ports, 1, &err) == -1 && err.code == ERR_NOT_FOUND);
    const struct nf_port bad[] = {
        {"icmp", "", 1, "10.0.0.1", 1}, {"tcp", "", 1, "x", 1}, {"tcp", "::1", 1, "10.0.0.1", 1}};
    for (size_t i = 0; i < 3; i++)
        CHECK(nf_ports_add("pt", &bad[i], 1, &err) == -1 && err.code == ERR_BAD_REQUEST);
}

int main(void) {
    if (unshare(CLONE_NEWNET) < 0 || system("nft --version >/dev/null 2>&1") != 0) {
        (void)printf("lib_nf_ports_test: skipped, needs root and nft (install nftables)\n");
        return 0;
    }
    CHECK(system(ruleset) == 0);
    test_each_map();
    test_many_and_bad();
    return checks_done("lib_nf_ports_test");
}
