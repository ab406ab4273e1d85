/* The few rtnetlink conversations the engine needs: a bridge, a veth pair into a network namespace, lo.
 * Called by the shim (attach, loopback) and by the helper (bridge). Must never be called from a process with
 * several threads: a namespace is entered for as long as one socket() takes. */
#pragma once

#include <stdbool.h>

#include "err.h"

struct net_attach {
    const char *bridge;      /* "bth0": must exist */
    const char *host_ifname; /* "bv0123456789ab": our end, becomes a port of the bridge */
    const char *ifname;      /* "eth0": the end inside */
    const char *address;     /* "10.201.0.5/16", given to the end inside */
    const char *gateway;     /* "10.201.0.1", or NULL/"" for no default route */
    const char *address6;    /* "fd00::5/64", or NULL/"": then the end inside has no IPv6 at all */
    const char *gateway6;    /* as gateway */
    const char *mac;         /* "02:42:0a:c9:00:05", or NULL/"" for the kernel's choice */
    unsigned mtu;            /* 0 = the kernel's default */
    bool isolated;           /* the port talks to the bridge itself but to no other isolated port */
    bool hairpin; /* the port may get its own packets back (a container calling its own published port) */
};

/* Brings lo up. netns_fd < 0 means the caller's own network namespace. */
int net_loopback_up(int netns_fd, struct err *err);

/* Creates the pair with its inner end already in netns_fd and its outer end already in the bridge (one
 * message), brings up lo and the inner end, sets address and default route. On failure nothing is left
 * behind. Needs CAP_NET_ADMIN here and over the namespace. Errors have code `network`. */
int net_attach_container(const struct net_attach *attach, int netns_fd, struct err *err);

/* Deletes a link of the caller's own namespace by name. Missing is success. Costs 20 ms (RCU): when a
 * namespace dies its veth dies with it, asynchronously, so call this only where a namespace outlives its
 * container. */
int net_link_remove(const char *ifname, struct err *err);

/* Takes a container's link away from inside its namespace; the outer end goes with it. Missing is success. */
int net_detach_container(const char *ifname, int netns_fd, struct err *err);

/* The default routes of a namespace lead through `ifname` from now on; NULL or "" leaves that family alone.
 */
int net_route_container(const char *ifname, const char *gateway, const char *gateway6, int netns_fd,
                        struct err *err);

/* The bridge exists, is up, has these addresses (CIDR, "" for none) and this MTU (0: leave it). Idempotent; a
 * link of that name that is no bridge is `exists`. */
int net_bridge_ensure(const char *bridge, const char *address, const char *address6, unsigned mtu,
                      struct err *err);

/* Missing is success; a link of that name that is no bridge is refused with `bad_request`. */
int net_bridge_remove(const char *bridge, struct err *err);
