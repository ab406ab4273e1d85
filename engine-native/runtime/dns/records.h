/* What the daemon wrote of its networks: who is on which, under which names. One immutable table a file; a
 * new file makes a new table. Used by answer.c and listen.c. Must never mix one network's names with
 * another's.
 *
 * The file, one line each, words apart by single spaces, lists by commas:
 *   berth-dns 1
 *   network BRIDGE open|internal GATEWAY[,GATEWAY6] SUBNET[,SUBNET]
 *   host CONTAINER ADDRESS[,ADDRESS] NAME[,NAME] [SERVER[,SERVER]]    on the network above it
 * The first name of a host is what its address is called in reverse. Servers are those of `--dns`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "../lib/err.h"
#include "ip.h"

enum { RECORDS_FILE_MAX = 16 << 20, RECORDS_LIST_MAX = 8 };

struct dns_host {
    struct ip address;
    const char *container;
    const char *name;    /* for the reverse */
    const char *servers; /* "10.0.0.1,fd00::1" or NULL */
    unsigned network;
};

struct dns_name {
    const char *name;
    struct ip address;
    unsigned network;
};

struct dns_network {
    const char *bridge;
    bool is_internal;
    struct ip gateways[2];
    unsigned gateway_count;
    struct prefix subnets[RECORDS_LIST_MAX];
    unsigned subnet_count;
};

struct records {
    char *text; /* every string above points into it */
    struct dns_network *networks;
    struct dns_name *names;         /* by network, name */
    struct dns_host *hosts;         /* by network, address */
    struct dns_host **by_container; /* the same hosts */
    size_t network_count, name_count, host_count;
};

/* Takes over `text`, which is terminated by a NUL at text[len]. NULL with err set when a line is wrong: then
 * nothing of the file counts. */
struct records *records_parse(char *text, size_t len, struct err *err);
/* The file `name` in the folder `dir`. A missing one is an empty table. */
struct records *records_load(int dir, const char *name, struct err *err);
void records_free(struct records *records);

/* Entries of one name of one network: *first and those behind it; the count is returned. `name` is in lower
 * case. */
size_t records_find_name(const struct records *records, unsigned network, const char *name,
                         const struct dns_name **first);
const struct dns_host *records_find_host(const struct records *records, unsigned network,
                                         const struct ip *address);
/* Every endpoint of one container, on whichever network; the count is returned. */
size_t records_find_container(const struct records *records, const char *container,
                              struct dns_host *const **first);
bool records_is_on_network(const struct records *records, unsigned network, const struct ip *address);
