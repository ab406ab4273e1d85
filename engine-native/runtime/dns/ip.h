/* Addresses and prefixes of both families in one shape. Used by every file of berth-dns. Pure but for the
 * scope of a link-local address, which only this host can name. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct ip {
    uint8_t len; /* 4 or 16; 0: none */
    uint8_t bytes[16];
};

struct prefix {
    struct ip ip;
    unsigned bits;
};

/* "10.201.0.1" or "fd00::1". */
bool ip_parse(const char *text, struct ip *ip);
/* "10.201.0.0/24". */
bool ip_parse_prefix(const char *text, struct prefix *prefix);
/* Orders by family, then by bytes: for sorted tables. */
int ip_compare(const struct ip *a, const struct ip *b);
bool ip_within(const struct ip *ip, const struct prefix *prefix);

/* IPv4 that came in an IPv6 socket stays IPv6: no socket here is of both families. */
bool ip_from_sockaddr(const struct sockaddr_storage *address, struct ip *ip);
socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *address);
/* As ip_parse and ip_to_sockaddr, for a name server: also "fe80::1%eth0". 0 when it is none. */
socklen_t ip_parse_server(const char *text, struct sockaddr_storage *address);
