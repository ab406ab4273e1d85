/* The decision about one query: answered from the records, forwarded, or dropped. Pure. Called by the UDP
 * listeners and the TCP clients. Must never answer with a name of a network that the asker is not on
 * (CVE-2024-29018: nor forward what an internal network asks). */
#pragma once

#include "message.h"
#include "records.h"

enum answer_verdict { ANSWER_DROP, ANSWER_REPLY, ANSWER_FORWARD };

struct answer_request {
    const struct records *records;
    unsigned network; /* the one that the query came in on */
    struct ip source;
    const uint8_t *packet;
    size_t len;
    bool is_tcp;
    unsigned turn; /* where a list of addresses begins: the next query begins at the next one */
};

struct answer {
    size_t len;          /* of the reply in `out` */
    const char *servers; /* for a query that is forwarded: the asker's own (--dns), or NULL for the host's */
};

/* Nobody who is not on the network is answered. */
bool answer_may_ask(const struct records *records, unsigned network, const struct ip *source);
/* `out` takes DNS_MESSAGE_MAX bytes. */
enum answer_verdict answer_query(const struct answer_request *request, uint8_t *out, struct answer *answer);
