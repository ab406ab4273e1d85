/* DNS messages as bytes (RFC 1035, 6891): what a query asks, whether a response belongs to it, and replies of
 * our own. Pure. Every byte that is read here may be hostile. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ip.h"

enum {
    DNS_HEADER = 12,
    DNS_NAME_MAX = 255,
    DNS_QUERY_MAX = 4096, /* a question, EDNS options and a signature are far smaller */
    DNS_MESSAGE_MAX = 65535,
    DNS_UDP_DEFAULT = 512,
    DNS_UDP_MAX = 1232, /* what passes every link without fragments */
};

enum dns_rcode { DNS_OK = 0, DNS_FORMERR, DNS_SERVFAIL, DNS_NXDOMAIN, DNS_NOTIMP, DNS_REFUSED };

enum dns_type {
    DNS_A = 1,
    DNS_PTR = 12,
    DNS_AAAA = 28,
    DNS_OPT = 41,
    DNS_IXFR = 251,
    DNS_AXFR = 252,
    DNS_ANY = 255
};

enum { DNS_IN = 1 };

struct dns_query {
    uint16_t id, flags, type, class;
    /* Lower case, labels joined by dots, no dot at the end; "" is the root. */
    char name[DNS_NAME_MAX + 1];
    /* Every label is made of letters, digits, - and _: only such a name can be one of ours. */
    bool is_plain;
    size_t question_len; /* the question section behind the header */
    bool has_edns;
    uint16_t payload; /* bytes that the asker takes by UDP */
};

/* -1: not to be answered at all (too short, or a response). DNS_OK: *query is filled in. Anything else is the
 * code to refuse it with, by dns_refuse. */
int dns_parse_query(const uint8_t *packet, size_t len, struct dns_query *query);

/* A bare reply with a code, for what could not be parsed. `packet` has a whole header; `out` takes DNS_HEADER
 * bytes. Returns its length. */
size_t dns_refuse(const uint8_t *packet, enum dns_rcode code, uint8_t *out);

/* True when `response` answers the question of `query` (its id aside). */
bool dns_is_response_to(const uint8_t *query, size_t query_len, const uint8_t *response, size_t len);
enum dns_rcode dns_response_code(const uint8_t *response);
bool dns_is_truncated(const uint8_t *response);

/* A reply under construction. What does not fit sets the truncation bit and is left out. */
struct dns_reply {
    uint8_t *data;
    size_t cap, len;
    uint16_t answers;
    bool has_edns, is_truncated;
};

/* `cap` is at least DNS_UDP_DEFAULT. `packet` is the one that `query` was parsed from. */
void dns_reply_begin(struct dns_reply *reply, uint8_t *data, size_t cap, const uint8_t *packet,
                     const struct dns_query *query);
void dns_reply_address(struct dns_reply *reply, const struct ip *ip, uint32_t ttl);
void dns_reply_pointer(struct dns_reply *reply, const char *name, uint32_t ttl);
/* Returns the length of the whole message. */
size_t dns_reply_end(struct dns_reply *reply, enum dns_rcode code);

/* The address that a reverse name asks for ("5.0.201.10.in-addr.arpa"). */
bool dns_reverse_address(const char *name, struct ip *ip);
