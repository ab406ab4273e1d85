/* Queries that are not ours to answer, on their way to a name server and back. A bounded table; each query
 * has a random id and a socket of its own, and with it a random port and the kernel's check of the source.
 * Called by the UDP listeners and the TCP clients. Must never hand an answer to anybody but who asked. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "ip.h"

/* Who asked. `response` is the whole message with the asker's id. */
struct forward_origin {
    void *owner; /* the listener or the client: forward_forget finds by it */
    struct sockaddr_storage peer;
    socklen_t peer_len;
    struct ip source;
    bool is_tcp;
    void (*reply)(struct forward_origin *origin, const uint8_t *response, size_t len);
};

/* Answers by origin->reply, at once or later, exactly once, or never when the same query of the same asker is
 * on its way already. `servers` is a list as in the records, or NULL for the host's. */
void forward_query(const struct forward_origin *origin, const uint8_t *query, size_t len,
                   const char *servers);
/* The owner is no more: what it asked is dropped. */
void forward_forget(const void *owner);
/* Queries whose server did not answer in time go to the next one. Returns the milliseconds until it must be
 * called again, -1: nothing is on its way. */
int forward_tick(void);
