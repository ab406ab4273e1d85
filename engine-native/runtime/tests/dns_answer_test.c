/* Who is told which name: the records file, and the decision about each query. */
#include <stdlib.h>

#include "../dns/answer.h"
#include "check.h"
#include "dns_bytes.h"

static const char file[] = "berth-dns 1\n"
                           "network b1-a open 10.1.0.1,fd00:1::1 10.1.0.0/24,fd00:1::/64\n"
                           "host c1 10.1.0.2,fd00:1::2 web.a,Web,c1 10.9.9.9\n"
                           "host c2 10.1.0.3 api.a,api,pool\n"
                           "host c3 10.1.0.4 two.a,two,pool\n"
                           "network b1-b open 10.2.0.1 10.2.0.0/24\n"
                           "host c3 10.2.0.2 two.b,two\n"
                           "host c4 10.2.0.3 secret.b,secret,secret\n"
                           "network b1-c internal 10.3.0.1 10.3.0.0/24\n"
                           "host c5 10.3.0.2 db.c,db\n"
                           "host c3 10.3.0.3 two.c,two\n";
enum { NET_A, NET_B, NET_C };

static struct records *records;
static uint8_t out[DNS_MESSAGE_MAX];
static struct answer answer;
static unsigned turn;

static struct records *parse(const char *text) {
    struct err err = {0};
    return records_parse(strdup(text), strlen(text), &err);
}

static enum answer_verdict ask(unsigned network, const char *source, const char *name, unsigned type) {
    uint8_t packet[512];
    struct answer_request request = {
        .records = records, .network = network, .packet = packet, .turn = turn++};

    request.len = make_query(packet, name, type, 0);
    CHECK(ip_parse(source, &request.source));
    memset(out, 0, 512);
    return answer_query(&request, out, &answer);
}

/* The last byte of the first answer's data tells the addresses of this file apart. */
static unsigned first_address(void) {
    size_t at = DNS_HEADER;
    while (out[at])
        at += out[at] + 1U;
    at += 5 + 10;
    return out[at + 2 + ((size_t)out[at] << 8 | out[at + 1]) - 1];
}

static void test_names(void) {
    CHECK(ask(NET_A, "10.1.0.3", "web", DNS_A) == ANSWER_REPLY && answers_of(out) == 1 &&
          first_address() == 2);
    CHECK(ask(NET_A, "10.1.0.3", "WEB.A", DNS_A) == ANSWER_REPLY && answers_of(out) == 1);
    CHECK(ask(NET_A, "10.1.0.3", "c1", DNS_AAAA) == ANSWER_REPLY && answers_of(out) == 1 &&
          first_address() == 2);
    CHECK(ask(NET_A, "10.1.0.3", "web", DNS_ANY) == ANSWER_REPLY && answers_of(out) == 2);
    CHECK(ask(NET_A, "fd00:1::2", "api", DNS_A) == ANSWER_REPLY && answers_of(out) == 1);
    /* It has no such address: an empty answer, not a question to the world. */
    CHECK(ask(NET_A, "10.1.0.3", "api", DNS_AAAA) == ANSWER_REPLY && answers_of(out) == 0 &&
          code_of(out) == DNS_OK);
    CHECK(ask(NET_A, "10.1.0.3", "api", 15) == ANSWER_REPLY && answers_of(out) == 0 &&
          code_of(out) == DNS_OK);
    CHECK(ask(NET_B, "10.2.0.2", "secret", DNS_A) == ANSWER_REPLY &&
          answers_of(out) == 1); /* said twice, told once */
}

static void test_round_robin(void) {
    unsigned seen[256] = {0};

    for (int i = 0; i < 10; i++) {
        CHECK(ask(NET_A, "10.1.0.2", "pool", DNS_A) == ANSWER_REPLY && answers_of(out) == 2);
        seen[first_address()]++;
    }
    CHECK(seen[3] == 5 && seen[4] == 5);
}

static void test_walls(void) {
    /* A name of another network is asked outside, like any name that nobody here has. */
    CHECK(ask(NET_A, "10.1.0.2", "secret", DNS_A) == ANSWER_FORWARD);
    CHECK(ask(NET_A, "10.1.0.2", "secret.b", DNS_A) == ANSWER_FORWARD);
    CHECK(ask(NET_A, "10.1.0.2", "3.0.2.10.in-addr.arpa", DNS_PTR) == ANSWER_FORWARD);
    /* Who is on both knows both. */
    CHECK(ask(NET_A, "10.1.0.4", "secret", DNS_A) == ANSWER_REPLY && first_address() == 3);
    CHECK(ask(NET_A, "10.1.0.4", "two", DNS_A) == ANSWER_REPLY &&
          first_address() == 4); /* the asked one first */
    /* From an address that is none of the network's. */
    CHECK(ask(NET_A, "10.2.0.3", "web", DNS_A) == ANSWER_DROP);
    CHECK(ask(NET_A, "192.0.2.1", "web", DNS_A) == ANSWER_DROP &&
          ask(99, "10.1.0.2", "web", DNS_A) == ANSWER_DROP);
}

/* CVE-2024-29018: an internal network must not reach the world by its questions. */
static void test_internal_network_forwards_nothing(void) {
    CHECK(ask(NET_C, "10.3.0.2", "two", DNS_A) == ANSWER_REPLY && answers_of(out) == 1);
    CHECK(ask(NET_C, "10.3.0.2", "exfiltrated.example.com", DNS_A) == ANSWER_REPLY &&
          code_of(out) == DNS_NXDOMAIN);
    CHECK(ask(NET_C, "10.3.0.2", "exfiltrated.example.com", 16) == ANSWER_REPLY &&
          code_of(out) == DNS_NXDOMAIN);
    CHECK(ask(NET_C, "10.3.0.99", "example.com", DNS_A) == ANSWER_REPLY && code_of(out) == DNS_NXDOMAIN);
    CHECK(ask(NET_C, "10.3.0.3", "example.com", DNS_A) ==
          ANSWER_FORWARD); /* it is on open networks as well */
}

static void test_forward(void) {
    CHECK(ask(NET_A, "10.1.0.3", "example.com", DNS_A) == ANSWER_FORWARD && !answer.servers);
    CHECK(ask(NET_A, "10.1.0.2", "example.com", DNS_A) == ANSWER_FORWARD &&
          strcmp(answer.servers, "10.9.9.9") == 0);
    CHECK(ask(NET_A, "10.1.0.3", "", 2) == ANSWER_FORWARD);
    CHECK(ask(NET_A, "10.1.0.3", "example.com", DNS_AXFR) == ANSWER_REPLY && code_of(out) == DNS_REFUSED);
    /* The host has its own resolver: a loop through us would never end. */
    CHECK(ask(NET_A, "10.1.0.1", "example.com", DNS_A) == ANSWER_REPLY && code_of(out) == DNS_REFUSED);
    CHECK(ask(NET_A, "10.1.0.1", "web", DNS_A) == ANSWER_REPLY && answers_of(out) == 1);
}

static void test_reverse(void) {
    CHECK(ask(NET_A, "10.1.0.2", "3.0.1.10.in-addr.arpa", DNS_PTR) == ANSWER_REPLY && answers_of(out) == 1);
    CHECK(memcmp(out + answer.len - 7, "\003api\001a", 7) == 0);
    CHECK(ask(NET_A, "10.1.0.2", "9.0.1.10.in-addr.arpa", DNS_PTR) == ANSWER_REPLY &&
          code_of(out) == DNS_NXDOMAIN);
    CHECK(ask(NET_A, "10.1.0.2", "8.8.8.8.in-addr.arpa", DNS_PTR) == ANSWER_FORWARD);
}

static void test_large_answer(void) {
    static char text[64000];
    uint8_t packet[512];
    struct answer_request request = {.packet = packet};
    size_t at = (size_t)sprintf(text, "berth-dns 1\nnetwork b open 10.1.0.1 10.1.0.0/16\n");

    for (unsigned i = 0; i < 1000; i++)
        at += (size_t)sprintf(text + at, "host c%u 10.1.%u.%u many\n", i, 1 + i / 250, 1 + i % 250);
    struct records *many = parse(text);
    CHECK(many && many->host_count == 1000);
    request.records = many;
    request.len = make_query(packet, "many", DNS_A, 0);
    CHECK(ip_parse("10.1.1.1", &request.source));
    CHECK(answer_query(&request, out, &answer) == ANSWER_REPLY && answer.len <= 512 && dns_is_truncated(out));
    request.is_tcp = true;
    CHECK(answer_query(&request, out, &answer) == ANSWER_REPLY && answers_of(out) == 1000 &&
          !dns_is_truncated(out));
    records_free(many);
}

static void test_bad_files(void) {
    static const char *const bad[] = {
        "berth-dns 2\n",
        "x",
        "berth-dns 1",
        "berth-dns 1\nhost c 10.0.0.1 a\n",
        "berth-dns 1\nnetwork b open 10.0.0.1\n",
        "berth-dns 1\nnetwork b shut 10.0.0.1 10.0.0.0/8\n",
        "berth-dns 1\nnetwork b open 10.0.0.1 10.0.0.0/33\n",
        "berth-dns 1\nnetwork b open 10.0.0.x 10.0.0.0/8\n",
        "berth-dns 1\nnetwork b open 10.0.0.1,10.0.0.2,10.0.0.3 10.0.0.0/8\n",
        "berth-dns 1\nnetwork b open 10.0.0.1 10.0.0.0/8\nhost c 10.0.0.2\n",
        "berth-dns 1\nnetwork b open 10.0.0.1 10.0.0.0/8\nhost c x name\n",
        "berth-dns 1\nnetwork b open 10.0.0.1 10.0.0.0/8\nhost c 10.0.0.2 name server more\n",
        "berth-dns 1\n\n",
        "berth-dns 1\nbogus\n"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(parse(bad[i]) == NULL);
    struct records *empty = parse("");
    CHECK(empty && empty->network_count == 0);
    records_free(empty);
    empty = parse("berth-dns 1\n");
    CHECK(empty && empty->host_count == 0);
    records_free(empty);
}

int main(void) {
    records = parse(file);
    CHECK(records != NULL);
    if (records) {
        test_names();
        test_round_robin();
        test_walls();
        test_internal_network_forwards_nothing();
        test_forward();
        test_reverse();
    }
    records_free(records);
    test_large_answer();
    test_bad_files();
    return checks_done("dns_answer_test");
}
