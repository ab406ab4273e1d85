/* See answer.h. */
#include "answer.h"

#include <string.h>

/* Containers come and go under their names: what a cache keeps longer than this points at nobody. */
enum { LOCAL_TTL_S = 5, NETWORKS_MAX = 64 };

/* The networks whose names the asker may know: the one it asks on, and the others that it is attached to. */
struct visible {
    unsigned networks[NETWORKS_MAX];
    unsigned count;
};

static void see(struct visible *visible, unsigned network) {
    for (unsigned i = 0; i < visible->count; i++)
        if (visible->networks[i] == network)
            return;
    if (visible->count < NETWORKS_MAX)
        visible->networks[visible->count++] = network;
}

static void see_all(const struct answer_request *request, const struct dns_host *asker,
                    struct visible *visible) {
    struct dns_host *const *endpoints = NULL;

    see(visible, request->network);
    size_t count = asker ? records_find_container(request->records, asker->container, &endpoints) : 0;
    for (size_t i = 0; i < count; i++)
        see(visible, endpoints[i]->network);
}

/* The host itself asks: from the gateway's address, or from the loopback one that its own firewall put there.
 * It has its own resolver: a query of it that were forwarded could be one that was forwarded to here. */
static bool is_host(const struct records *records, unsigned number, const struct ip *source) {
    const struct dns_network *network = &records->networks[number];

    for (unsigned i = 0; i < network->gateway_count; i++)
        if (ip_compare(&network->gateways[i], source) == 0)
            return true;
    return false;
}

bool answer_may_ask(const struct records *records, unsigned network, const struct ip *source) {
    return network < records->network_count && records_is_on_network(records, network, source);
}

static bool may_forward(const struct records *records, const struct visible *visible) {
    for (unsigned i = 0; i < visible->count; i++)
        if (!records->networks[visible->networks[i]].is_internal)
            return true;
    return false;
}

static void begin(const struct answer_request *request, const struct dns_query *query, uint8_t *out,
                  struct dns_reply *reply) {
    size_t cap = DNS_MESSAGE_MAX;

    if (!request->is_tcp)
        cap = query->payload < DNS_UDP_MAX ? query->payload : DNS_UDP_MAX;
    dns_reply_begin(reply, out, cap, request->packet, query);
}

static size_t reply_code(const struct answer_request *request, const struct dns_query *query,
                         enum dns_rcode code, uint8_t *out) {
    struct dns_reply reply;

    begin(request, query, out, &reply);
    return dns_reply_end(&reply, code);
}

/* 0: no network that the asker sees has the name. A name without an address of the kind that was asked for
 * gets an empty answer, so that nobody asks the world for it. */
static size_t reply_name(const struct answer_request *request, const struct visible *visible,
                         const struct dns_query *query, uint8_t *out) {
    for (unsigned i = 0; i < visible->count; i++) {
        const struct dns_name *first = NULL;
        size_t count = records_find_name(request->records, visible->networks[i], query->name, &first);
        if (count == 0)
            continue;
        struct dns_reply reply;
        begin(request, query, out, &reply);
        for (size_t n = 0; n < count; n++) {
            const struct ip *ip = &first[(n + request->turn) % count].address;
            uint16_t type = ip->len == 4 ? DNS_A : DNS_AAAA;
            if (query->type == type || query->type == DNS_ANY)
                dns_reply_address(&reply, ip, LOCAL_TTL_S);
        }
        return dns_reply_end(&reply, DNS_OK);
    }
    return 0;
}

/* 0: not an address of a network that the asker sees. */
static size_t reply_reverse(const struct answer_request *request, const struct visible *visible,
                            const struct dns_query *query, uint8_t *out) {
    struct ip address;

    if (!dns_reverse_address(query->name, &address))
        return 0;
    for (unsigned i = 0; i < visible->count; i++) {
        unsigned network = visible->networks[i];
        if (!records_is_on_network(request->records, network, &address))
            continue;
        const struct dns_host *host = records_find_host(request->records, network, &address);
        struct dns_reply reply;
        begin(request, query, out, &reply);
        if (host && (query->type == DNS_PTR || query->type == DNS_ANY))
            dns_reply_pointer(&reply, host->name, LOCAL_TTL_S);
        return dns_reply_end(&reply, host ? DNS_OK : DNS_NXDOMAIN);
    }
    return 0;
}

enum answer_verdict answer_query(const struct answer_request *request, uint8_t *out, struct answer *answer) {
    const struct records *records = request->records;
    struct dns_query query;
    struct visible visible = {.count = 0};

    *answer = (struct answer){0};
    if (!answer_may_ask(records, request->network, &request->source))
        return ANSWER_DROP;
    int code = dns_parse_query(request->packet, request->len, &query);
    if (code < 0)
        return ANSWER_DROP;
    if (code != DNS_OK) {
        answer->len = dns_refuse(request->packet, (enum dns_rcode)code, out);
        return ANSWER_REPLY;
    }
    const struct dns_host *asker = records_find_host(records, request->network, &request->source);
    see_all(request, asker, &visible);
    if (query.class != DNS_IN || query.type == DNS_AXFR || query.type == DNS_IXFR) {
        answer->len = reply_code(request, &query, DNS_REFUSED, out);
        return ANSWER_REPLY;
    }
    if (query.is_plain && query.name[0])
        answer->len = reply_name(request, &visible, &query, out);
    if (answer->len == 0 && query.is_plain)
        answer->len = reply_reverse(request, &visible, &query, out);
    if (answer->len == 0 && is_host(records, request->network, &request->source))
        answer->len = reply_code(request, &query, DNS_REFUSED, out);
    if (answer->len == 0 && !may_forward(records, &visible))
        answer->len = reply_code(request, &query, DNS_NXDOMAIN, out);
    if (answer->len > 0)
        return ANSWER_REPLY;
    answer->servers = asker ? asker->servers : NULL;
    return ANSWER_FORWARD;
}
