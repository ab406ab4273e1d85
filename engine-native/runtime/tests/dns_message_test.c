/* DNS messages: what is read out of a query, what is refused, and replies byte by byte. */
#include "../dns/message.h"
#include "../dns/upstream.h"
#include "check.h"
#include "dns_bytes.h"

static void test_query(void) {
    uint8_t packet[512];
    struct dns_query query;
    size_t len = make_query(packet, "Web.My-Net", DNS_A, 0);

    CHECK(dns_parse_query(packet, len, &query) == DNS_OK);
    CHECK(query.id == 0x1234 && query.type == DNS_A && query.class == DNS_IN && query.is_plain);
    CHECK(strcmp(query.name, "web.my-net") == 0 && query.payload == 512 && !query.has_edns);
    len = make_query(packet, "", DNS_A, 4096);
    CHECK(dns_parse_query(packet, len, &query) == DNS_OK && query.name[0] == '\0');
    CHECK(query.has_edns && query.payload == 4096);
    len = make_query(packet, "a", DNS_A, 1);
    CHECK(dns_parse_query(packet, len, &query) == DNS_OK && query.payload == 512);
}

/* Every prefix of a good query is no good query, and none is read beyond its end (ASan watches). */
static void test_cut_short(void) {
    uint8_t packet[512];
    struct dns_query query;
    size_t len = make_query(packet, "web.net", DNS_AAAA, 1232);

    for (size_t cut = 0; cut < len; cut++) {
        uint8_t exact[512];
        memset(exact, 0xff, sizeof exact);
        memcpy(exact, packet, cut);
        CHECK(dns_parse_query(exact, cut, &query) == (cut < DNS_HEADER ? -1 : DNS_FORMERR));
    }
}

static void test_hostile(void) {
    uint8_t packet[512];
    struct dns_query query;
    size_t len = make_query(packet, "web", DNS_A, 0);

    packet[2] |= 0x80; /* a response: answering it could go on for ever */
    CHECK(dns_parse_query(packet, len, &query) == -1);
    packet[2] = 0x29; /* an update */
    CHECK(dns_parse_query(packet, len, &query) == DNS_NOTIMP);
    packet[2] = 0x01;
    packet[5] = 2; /* two questions */
    CHECK(dns_parse_query(packet, len, &query) == DNS_FORMERR);
    packet[5] = 1;
    packet[12] = 0xc0; /* a name that points at itself */
    packet[13] = 0x0c;
    CHECK(dns_parse_query(packet, len, &query) == DNS_FORMERR);
    len = make_query(packet, "a.b", DNS_A, 0);
    packet[13] = '.'; /* a label that is a dot must not pass for two labels */
    CHECK(dns_parse_query(packet, len, &query) == DNS_OK && !query.is_plain);

    uint8_t longest[600] = {0, 0, 1, 0, 0, 1};
    for (size_t i = 0; i < 5; i++) {
        longest[12 + i * 64] = 63;
        memset(longest + 13 + i * 64, 'a', 63);
    }
    CHECK(dns_parse_query(longest, sizeof longest, &query) == DNS_FORMERR); /* 320 bytes of name */
    longest[12 + 3 * 64] = 61;
    longest[12 + 3 * 64 + 62] = 0;
    CHECK(dns_parse_query(longest, 12 + 255 + 4, &query) == DNS_OK && strlen(query.name) == 253);
}

static void test_reply(void) {
    uint8_t packet[512], out[512];
    struct dns_query query;
    struct dns_reply reply;
    struct ip ip;
    static const uint8_t expected[] = {0x12, 0x34, 0x85, 0x80, 0,    1,    0, 1, 0, 0,    0,    1,
                                       3,    'w',  'e',  'b',  0,    0,    1, 0, 1, 0xc0, 0x0c, 0,
                                       1,    0,    1,    0,    0,    0,    5, 0, 4, 10,   0,    0,
                                       7,    0,    0,    41,   0x04, 0xd0, 0, 0, 0, 0,    0,    0};
    size_t len = make_query(packet, "web", DNS_A, 1232);

    CHECK(dns_parse_query(packet, len, &query) == DNS_OK);
    CHECK(ip_parse("10.0.0.7", &ip));
    dns_reply_begin(&reply, out, sizeof out, packet, &query);
    dns_reply_address(&reply, &ip, 5);
    CHECK(dns_reply_end(&reply, DNS_OK) == sizeof expected && memcmp(out, expected, sizeof expected) == 0);
}

static void test_truncated_reply(void) {
    uint8_t packet[512], out[512];
    struct dns_query query;
    struct dns_reply reply;
    struct ip ip;
    size_t len = make_query(packet, "web", DNS_A, 512);

    CHECK(dns_parse_query(packet, len, &query) == DNS_OK && ip_parse("10.0.0.7", &ip));
    dns_reply_begin(&reply, out, sizeof out, packet, &query);
    for (int i = 0; i < 100; i++)
        dns_reply_address(&reply, &ip, 5);
    CHECK(dns_reply_end(&reply, DNS_OK) <= sizeof out && dns_is_truncated(out));
    CHECK(answers_of(out) == (512 - 21 - 11) / 16);
}

static void test_response(void) {
    uint8_t packet[512], response[512];
    size_t len = make_query(packet, "web.net", DNS_A, 0);

    memcpy(response, packet, len);
    CHECK(!dns_is_response_to(packet, len, response, len)); /* still a query */
    response[2] |= 0x80;
    CHECK(dns_is_response_to(packet, len, response, len));
    response[13] = 'W';
    CHECK(dns_is_response_to(packet, len, response, len)); /* case does not count */
    CHECK(!dns_is_response_to(packet, len, response, len - 1));
    response[13] = 'x';
    CHECK(!dns_is_response_to(packet, len, response, len)); /* another name */
}

static void test_reverse(void) {
    struct ip ip, wanted;

    CHECK(dns_reverse_address("5.0.201.10.in-addr.arpa", &ip) && ip_parse("10.201.0.5", &wanted));
    CHECK(ip_compare(&ip, &wanted) == 0);
    CHECK(
        dns_reverse_address("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", &ip));
    CHECK(ip_parse("fd00::1", &wanted) && ip_compare(&ip, &wanted) == 0);
    CHECK(!dns_reverse_address("256.0.201.10.in-addr.arpa", &ip));
    CHECK(!dns_reverse_address("0.201.10.in-addr.arpa", &ip));
    CHECK(!dns_reverse_address("5.0.201.10.in-addr.arpa.com", &ip) && !dns_reverse_address("", &ip));
}

static void test_upstream(void) {
    struct upstream upstream;

    upstream_parse_file("# nameserver 9.9.9.9\nsearch corp\n nameserver\t127.0.0.53 \nnameserver x\n"
                        "nameserver fd00::53#c\nnameservers 1.1.1.1\nnameserver 8.8.8.8",
                        &upstream);
    CHECK(upstream.count == 3 && upstream.addresses[0].ss_family == AF_INET &&
          upstream.addresses[1].ss_family == AF_INET6);
    upstream_parse_list("10.0.0.1,,bad,fd00::1,10.0.0.2,10.0.0.3,10.0.0.4", &upstream);
    CHECK(upstream.count == UPSTREAM_MAX);
    upstream_parse_file("", &upstream);
    CHECK(upstream.count == 0);
}

int main(void) {
    test_query();
    test_cut_short();
    test_hostile();
    test_reply();
    test_truncated_reply();
    test_response();
    test_reverse();
    test_upstream();
    return checks_done("dns_message_test");
}
