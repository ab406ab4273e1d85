/* Numbers in tar headers and PAX records: every digit checked, every overflow refused. */
#include "tar_number.h"

#include <stdbool.h>

static int base256(const unsigned char *field, size_t len, int64_t *out) {
    bool negative = field[0] & 0x40;
    uint64_t value = (field[0] & 0x3f) | (negative ? ~0x3full : 0);
    for (size_t i = 1; i < len; i++) {
        if (value >> 55 != 0 && value >> 55 != 0x1ff)
            return -1;
        value = value << 8 | field[i];
    }
    *out = (int64_t)value;
    return (*out < 0) == negative ? 0 : -1;
}

int tar_number(const char *field, size_t len, int64_t *out) {
    if (field[0] & 0x80)
        return base256((const unsigned char *)field, len, out);
    uint64_t value = 0;
    size_t i = 0;
    while (i < len && field[i] == ' ')
        i++;
    for (; i < len && field[i] >= '0' && field[i] <= '7'; i++) {
        if (value >> 60)
            return -1;
        value = value << 3 | (uint64_t)(field[i] - '0');
    }
    for (; i < len; i++)
        if (field[i] != ' ' && field[i] != '\0')
            return -1;
    *out = (int64_t)value;
    return 0;
}

int pax_unsigned(const char *text, size_t len, uint64_t max, uint64_t *out) {
    uint64_t value = 0;
    if (len == 0 || len > 19)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *out = value;
    return value <= max ? 0 : -1;
}

int pax_time(const char *text, size_t len, int64_t *seconds, uint32_t *ns) {
    bool negative = len > 0 && text[0] == '-';
    size_t dot = negative;
    uint64_t whole;
    uint32_t fraction = 0, scale = 100000000;
    while (dot < len && text[dot] != '.')
        dot++;
    if (pax_unsigned(text + negative, dot - negative, INT64_MAX / 2, &whole) < 0)
        return -1;
    for (size_t i = dot + 1; i < len; i++, scale /= 10) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        fraction += (uint32_t)(text[i] - '0') * scale;
    }
    *seconds = negative ? -(int64_t)whole : (int64_t)whole;
    *ns = fraction;
    if (negative && fraction) {
        *seconds -= 1;
        *ns = 1000000000 - fraction;
    }
    return 0;
}
