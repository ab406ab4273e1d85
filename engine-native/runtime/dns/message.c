/* See message.h. */
#include "message.h"

#include <string.h>

enum {
    FLAG_QR = 0x8000,
    FLAG_OPCODE = 0x7800,
    FLAG_AA = 0x0400,
    FLAG_TC = 0x0200,
    FLAG_RD = 0x0100,
    FLAG_RA = 0x0080,
    FLAG_CD = 0x0010,
    OPT_SIZE = 11,
    POINTER_TO_QUESTION = 0xc000 | DNS_HEADER,
};

static uint16_t get16(const uint8_t *at) {
    return (uint16_t)(at[0] << 8 | at[1]);
}

static void put16(uint8_t *at, unsigned value) {
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static uint8_t lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte + ('a' - 'A')) : byte;
}

static bool is_plain(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' || byte == '_';
}

/* The uncompressed name at *at, which is moved behind it. */
static bool read_name(const uint8_t *packet, size_t len, size_t *at, struct dns_query *query) {
    size_t out = 0, start = *at;

    query->is_plain = true;
    for (;;) {
        if (*at >= len)
            return false;
        size_t label = packet[(*at)++];
        if (label == 0)
            break;
        if (label > 63 || label > len - *at || *at + label - start > DNS_NAME_MAX - 1)
            return false;
        if (out > 0)
            query->name[out++] = '.';
        for (size_t i = 0; i < label; i++) {
            uint8_t byte = lower(packet[*at + i]);
            query->is_plain = query->is_plain && is_plain(byte);
            query->name[out++] = (char)byte;
        }
        *at += label;
    }
    query->name[out] = '\0';
    return true;
}

/* Past a name that may end in a pointer, without following it. */
static bool skip_name(const uint8_t *packet, size_t len, size_t *at) {
    while (*at < len) {
        size_t label = packet[(*at)++];
        if (label == 0)
            return true;
        if ((label & 0xc0) == 0xc0)
            return (*at)++ < len;
        if (label > 63 || label > len - *at)
            return false;
        *at += label;
    }
    return false;
}

static bool read_additional(const uint8_t *packet, size_t len, size_t at, unsigned count,
                            struct dns_query *query) {
    for (; count > 0; count--) {
        if (!skip_name(packet, len, &at) || len - at < 10)
            return false;
        uint16_t type = get16(packet + at), class = get16(packet + at + 2);
        size_t data_len = get16(packet + at + 8);
        at += 10;
        if (data_len > len - at)
            return false;
        at += data_len;
        if (type != DNS_OPT)
            continue;
        if (query->has_edns)
            return false; /* RFC 6891: at most one */
        query->has_edns = true;
        query->payload = class < DNS_UDP_DEFAULT ? DNS_UDP_DEFAULT : class;
    }
    return true;
}

int dns_parse_query(const uint8_t *packet, size_t len, struct dns_query *query) {
    size_t at = DNS_HEADER;

    memset(query, 0, sizeof *query);
    if (len < DNS_HEADER || (get16(packet + 2) & FLAG_QR))
        return -1;
    query->id = get16(packet);
    query->flags = get16(packet + 2);
    query->payload = DNS_UDP_DEFAULT;
    if (query->flags & FLAG_OPCODE)
        return DNS_NOTIMP;
    unsigned additional = get16(packet + 10);
    if (get16(packet + 4) != 1 || get16(packet + 6) || get16(packet + 8) || additional > 2)
        return DNS_FORMERR;
    if (!read_name(packet, len, &at, query) || len - at < 4)
        return DNS_FORMERR;
    query->type = get16(packet + at);
    query->class = get16(packet + at + 2);
    at += 4;
    query->question_len = at - DNS_HEADER;
    return read_additional(packet, len, at, additional, query) ? DNS_OK : DNS_FORMERR;
}

size_t dns_refuse(const uint8_t *packet, enum dns_rcode code, uint8_t *out) {
    uint16_t flags = get16(packet + 2);

    memset(out, 0, DNS_HEADER);
    memcpy(out, packet, 2);
    put16(out + 2, (unsigned)FLAG_QR | (flags & (FLAG_OPCODE | FLAG_RD)) | (unsigned)code);
    return DNS_HEADER;
}

bool dns_is_response_to(const uint8_t *query, size_t query_len, const uint8_t *response, size_t len) {
    struct dns_query asked;

    if (dns_parse_query(query, query_len, &asked) != DNS_OK)
        return false;
    if (len < DNS_HEADER + asked.question_len || !(get16(response + 2) & FLAG_QR) || get16(response + 4) != 1)
        return false;
    for (size_t i = DNS_HEADER; i < DNS_HEADER + asked.question_len; i++)
        if (lower(query[i]) != lower(response[i]))
            return false;
    return true;
}

enum dns_rcode dns_response_code(const uint8_t *response) {
    return (enum dns_rcode)(response[3] & 0x0f);
}

bool dns_is_truncated(const uint8_t *response) {
    return get16(response + 2) & FLAG_TC;
}

void dns_reply_begin(struct dns_reply *reply, uint8_t *data, size_t cap, const uint8_t *packet,
                     const struct dns_query *query) {
    *reply = (struct dns_reply){.data = data, .cap = cap, .has_edns = query->has_edns};
    memset(data, 0, DNS_HEADER);
    put16(data, query->id);
    put16(data + 2, FLAG_QR | FLAG_RA | (query->flags & (FLAG_RD | FLAG_CD)));
    put16(data + 4, 1);
    memcpy(data + DNS_HEADER, packet + DNS_HEADER, query->question_len);
    reply->len = DNS_HEADER + query->question_len;
    if (reply->has_edns)
        reply->cap -= OPT_SIZE; /* kept free for the last record */
}

/* Room for a record of `size` bytes of data with its owner, type, class and ttl written; NULL when it is
 * full. */
static uint8_t *add_record(struct dns_reply *reply, enum dns_type type, uint32_t ttl, size_t size) {
    if (reply->is_truncated || reply->cap - reply->len < 12 + size) {
        reply->is_truncated = true;
        return NULL;
    }
    uint8_t *at = reply->data + reply->len;
    put16(at, POINTER_TO_QUESTION);
    put16(at + 2, type);
    put16(at + 4, DNS_IN);
    put16(at + 6, ttl >> 16);
    put16(at + 8, ttl & 0xffff);
    put16(at + 10, (unsigned)size);
    reply->len += 12 + size;
    reply->answers++;
    return at + 12;
}

void dns_reply_address(struct dns_reply *reply, const struct ip *ip, uint32_t ttl) {
    uint8_t *data = add_record(reply, ip->len == 4 ? DNS_A : DNS_AAAA, ttl, ip->len);
    if (data)
        memcpy(data, ip->bytes, ip->len);
}

/* A dotted name as labels; 0 when it has none that DNS can carry. */
static size_t encode_name(const char *name, uint8_t out[DNS_NAME_MAX]) {
    size_t at = 0;

    while (*name) {
        size_t label = strcspn(name, ".");
        if (label == 0 || label > 63 || at + label + 2 > DNS_NAME_MAX)
            return 0;
        out[at++] = (uint8_t)label;
        memcpy(out + at, name, label);
        at += label;
        name += label + (name[label] == '.');
    }
    out[at++] = 0;
    return at;
}

void dns_reply_pointer(struct dns_reply *reply, const char *name, uint32_t ttl) {
    uint8_t encoded[DNS_NAME_MAX];
    size_t size = encode_name(name, encoded);
    uint8_t *data = size > 0 ? add_record(reply, DNS_PTR, ttl, size) : NULL;
    if (data)
        memcpy(data, encoded, size);
}

size_t dns_reply_end(struct dns_reply *reply, enum dns_rcode code) {
    uint8_t *head = reply->data;
    unsigned flags = get16(head + 2) | FLAG_AA | (unsigned)code;

    put16(head + 2, reply->is_truncated ? flags | FLAG_TC : flags);
    put16(head + 6, reply->answers);
    if (reply->has_edns) {
        uint8_t *at = head + reply->len;
        memset(at, 0, OPT_SIZE);
        put16(at + 1, DNS_OPT);
        put16(at + 3, DNS_UDP_MAX);
        put16(head + 10, 1);
        reply->len += OPT_SIZE;
    }
    return reply->len;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Sixteen bytes, lowest half-byte first, each a label. */
static bool reverse_v6(const char *name, struct ip *ip) {
    static const char suffix[] = "ip6.arpa";

    if (strlen(name) != 64 + sizeof suffix - 1 || strcmp(name + 64, suffix) != 0)
        return false;
    ip->len = 16;
    for (int i = 0; i < 32; i++) {
        int digit = hex_digit(name[2 * i]);
        if (digit < 0 || name[2 * i + 1] != '.')
            return false;
        ip->bytes[15 - i / 2] |= (uint8_t)(i % 2 ? digit << 4 : digit);
    }
    return true;
}

static bool reverse_v4(const char *name, struct ip *ip) {
    ip->len = 4;
    for (int i = 3; i >= 0; i--) {
        unsigned value = 0, digits = 0;
        for (; *name >= '0' && *name <= '9' && digits < 3; digits++)
            value = value * 10 + (unsigned)(*name++ - '0');
        if (digits == 0 || value > 255 || *name++ != '.')
            return false;
        ip->bytes[i] = (uint8_t)value;
    }
    return strcmp(name, "in-addr.arpa") == 0;
}

bool dns_reverse_address(const char *name, struct ip *ip) {
    *ip = (struct ip){0};
    if (reverse_v4(name, ip))
        return true;
    *ip = (struct ip){0};
    return reverse_v6(name, ip);
}
