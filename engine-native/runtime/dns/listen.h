/* The sockets on each network's gateway addresses: UDP and TCP, one pair an address. Made to match the
 * records by main.c. They are bound to addresses that may not be there yet, so that a bridge can come and go.
 */
#pragma once

#include <stdbool.h>

#include "../shim/loop.h"
#include "records.h"

struct listener {
    struct watch udp, tcp;
    struct ip address;
    char bridge[16];
    unsigned bridge_index; /* the interface that the latest query came in on, once checked */
    unsigned network;      /* in the records as they are now */
    bool is_wanted;
    struct listener *next;
};

/* Opens what is missing and closes what is no longer wanted. Returns how many sockets could not be bound;
 * *err then says why for one of them. The records belong to the caller and stay until the next call. */
unsigned listen_sync(const struct records *records, struct err *err);
/* Called before each query is answered: where new records are picked up, so that a name is known the moment
 * its file stands. */
void listen_before_query(void (*hook)(void));
/* Calls it; any listener and any connection may be closed afterwards. */
void listen_pick_up_changes(void);
/* The records of the latest listen_sync. */
const struct records *listen_records(void);
