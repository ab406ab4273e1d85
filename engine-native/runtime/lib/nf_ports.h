/* Entries of the maps of published ports in the engine's nftables table (family inet), as nf_tables netlink
 * messages: 0.1 ms where a run of nft costs 6. Called by the helper's workers. The maps themselves come with
 * the ruleset; networks/nft-ruleset.ts names them and gives the layout that is written here:
 *   any4, any6: inet_proto . inet_service : address . inet_service      one4, one6: address . inet_proto … */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct nf_port {
    const char *proto; /* "tcp", "udp", "sctp" */
    const char *ip;    /* of the host, or "" for every address of `to`'s family */
    uint16_t port;
    const char *to; /* of the container; its family is the entry's */
    uint16_t to_port;
};

/* A netfilter socket with a limit on every answer. */
int nf_open(struct err *err);

/* Some ports at a time, each portion one transaction; on failure none of them is there. */
int nf_ports_add(const char *table, const struct nf_port *ports, size_t count, struct err *err);
/* A port that is not there is no failure. */
int nf_ports_remove(const char *table, const struct nf_port *ports, size_t count, struct err *err);
