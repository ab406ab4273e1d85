/* See ip.h. */
#include "ip.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { DNS_PORT = 53 };

bool ip_parse(const char *text, struct ip *ip) {
    *ip = (struct ip){0};
    if (inet_pton(AF_INET, text, ip->bytes) == 1)
        ip->len = 4;
    else if (inet_pton(AF_INET6, text, ip->bytes) == 1)
        ip->len = 16;
    return ip->len != 0;
}

bool ip_parse_prefix(const char *text, struct prefix *prefix) {
    char address[64];
    const char *slash = strchr(text, '/');
    char *end = NULL;

    if (!slash || (size_t)(slash - text) >= sizeof address || slash[1] < '0' || slash[1] > '9')
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    unsigned long bits = strtoul(slash + 1, &end, 10);
    if (*end || !ip_parse(address, &prefix->ip) || bits > prefix->ip.len * 8UL)
        return false;
    prefix->bits = (unsigned)bits;
    return true;
}

int ip_compare(const struct ip *a, const struct ip *b) {
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    return memcmp(a->bytes, b->bytes, a->len);
}

bool ip_within(const struct ip *ip, const struct prefix *prefix) {
    unsigned whole = prefix->bits / 8, rest = prefix->bits % 8;

    if (ip->len == 0 || ip->len != prefix->ip.len || memcmp(ip->bytes, prefix->ip.bytes, whole) != 0)
        return false;
    if (rest == 0)
        return true;
    uint8_t mask = (uint8_t)(0xff00U >> rest);
    return ((ip->bytes[whole] ^ prefix->ip.bytes[whole]) & mask) == 0;
}

bool ip_from_sockaddr(const struct sockaddr_storage *address, struct ip *ip) {
    *ip = (struct ip){0};
    if (address->ss_family == AF_INET) {
        ip->len = 4;
        memcpy(ip->bytes, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else if (address->ss_family == AF_INET6) {
        ip->len = 16;
        memcpy(ip->bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
    }
    return ip->len != 0;
}

socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *address) {
    memset(address, 0, sizeof *address);
    if (ip->len == 4) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)address;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        memcpy(&v4->sin_addr, ip->bytes, 4);
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    memcpy(&v6->sin6_addr, ip->bytes, 16);
    return sizeof *v6;
}

socklen_t ip_parse_server(const char *text, struct sockaddr_storage *address) {
    char bare[64];
    const char *scope = strchr(text, '%');
    size_t len = scope ? (size_t)(scope - text) : strlen(text);
    struct ip ip;

    if (len >= sizeof bare)
        return 0;
    memcpy(bare, text, len);
    bare[len] = '\0';
    if (!ip_parse(bare, &ip) || (scope && ip.len != 16))
        return 0;
    socklen_t size = ip_to_sockaddr(&ip, DNS_PORT, address);
    if (scope) {
        unsigned index = if_nametoindex(scope + 1);
        if (index == 0)
            return 0;
        ((struct sockaddr_in6 *)address)->sin6_scope_id = index;
    }
    return size;
}
