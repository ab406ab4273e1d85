/* DNS messages written by hand for the tests of berth-dns. */
#pragma once

#include <stdint.h>
#include <string.h>

/* A query for `name` with id 0x1234 and RD; edns > 0 adds an OPT record with that payload. Returns its
 * length. */
static inline size_t make_query(uint8_t *out, const char *name, unsigned type, unsigned edns) {
    static const uint8_t head[12] = {0x12, 0x34, 0x01, 0x00, 0, 1};
    size_t at = sizeof head;

    memcpy(out, head, sizeof head);
    while (*name) {
        size_t label = strcspn(name, ".");
        out[at++] = (uint8_t)label;
        memcpy(out + at, name, label);
        at += label;
        name += label + (name[label] == '.');
    }
    const uint8_t tail[5] = {0, (uint8_t)(type >> 8), (uint8_t)type, 0, 1};
    memcpy(out + at, tail, sizeof tail);
    at += sizeof tail;
    if (edns > 0) {
        const uint8_t opt[11] = {0, 0, 41, (uint8_t)(edns >> 8), (uint8_t)edns};
        memcpy(out + at, opt, sizeof opt);
        at += sizeof opt;
        out[11] = 1;
    }
    return at;
}

static inline unsigned code_of(const uint8_t *message) {
    return message[3] & 0x0f;
}

static inline unsigned answers_of(const uint8_t *message) {
    return (unsigned)message[6] << 8 | message[7];
}
