/* See listen.h. */
#include "listen.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "answer.h"
#include "connection.h"
#include "forward.h"

enum { DNS_PORT = 53, BACKLOG = 64, BATCH = 32, LISTENERS_MAX = 4096 };

static struct listener *listeners;
static struct listener *closed; /* by the latest sync: one of them may be the one that is being served */
static unsigned listener_count;
static const struct records *records;
static void (*before_query)(void);
static uint8_t query[DNS_QUERY_MAX + 1], reply[DNS_MESSAGE_MAX];

const struct records *listen_records(void) {
    return records;
}

void listen_before_query(void (*hook)(void)) {
    before_query = hook;
}

void listen_pick_up_changes(void) {
    if (before_query)
        before_query();
}

static void reply_udp(struct forward_origin *origin, const uint8_t *response, size_t len) {
    const struct listener *listener = origin->owner;

    /* A full socket loses the answer, as the network may: the asker asks again. */
    (void)sendto(listener->udp.fd, response, len, MSG_NOSIGNAL, (const struct sockaddr *)&origin->peer,
                 origin->peer_len);
}

/* Only the network's own bridge, and the host itself, reach its names: an address alone proves nothing when a
 * packet comes from elsewhere with a forged one. */
static bool came_by_bridge(struct listener *listener, unsigned index) {
    char name[IF_NAMESIZE];

    if (index == listener->bridge_index)
        return true;
    if (index == 0 || !if_indextoname(index, name))
        return false;
    if (strcmp(name, "lo") == 0)
        return true;
    if (strcmp(name, listener->bridge) != 0)
        return false;
    listener->bridge_index = index;
    return true;
}

static unsigned arrival_index(struct msghdr *message) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            return (unsigned)info.ipi_ifindex;
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            return info.ipi6_ifindex;
        }
    }
    return 0;
}

static void serve(struct listener *listener, const struct forward_origin *origin, size_t len) {
    static unsigned turn;
    struct answer answer;
    struct answer_request request = {.records = records,
                                     .network = listener->network,
                                     .source = origin->source,
                                     .packet = query,
                                     .len = len,
                                     .turn = turn++};

    switch (answer_query(&request, reply, &answer)) {
    case ANSWER_DROP:
        break;
    case ANSWER_REPLY:
        (void)sendto(listener->udp.fd, reply, answer.len, MSG_NOSIGNAL,
                     (const struct sockaddr *)&origin->peer, origin->peer_len);
        break;
    case ANSWER_FORWARD:
        forward_query(origin, query, len, answer.servers);
        break;
    }
}

static void on_query(struct watch *watch, uint32_t events) {
    struct listener *listener = watch_owner(watch, struct listener, udp);

    (void)events;
    listen_pick_up_changes();
    for (int i = 0; i < BATCH && listener->udp.fd >= 0; i++) {
        struct forward_origin origin = {.owner = listener, .reply = reply_udp};
        _Alignas(struct cmsghdr) char control[128];
        struct iovec part = {query, sizeof query};
        struct msghdr message = {.msg_name = &origin.peer,
                                 .msg_namelen = sizeof origin.peer,
                                 .msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        ssize_t len = recvmsg(listener->udp.fd, &message, 0);
        if (len < 0)
            return;
        origin.peer_len = message.msg_namelen;
        if (len > DNS_QUERY_MAX || !ip_from_sockaddr(&origin.peer, &origin.source) ||
            !came_by_bridge(listener, arrival_index(&message)))
            continue;
        serve(listener, &origin, (size_t)len);
    }
}

static void on_connection(struct watch *watch, uint32_t events) {
    struct listener *listener = watch_owner(watch, struct listener, tcp);
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    struct ip source;

    (void)events;
    auto_close int fd = accept4(watch->fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 || !ip_from_sockaddr(&peer, &source) || !answer_may_ask(records, listener->network, &source))
        return;
    connection_add(listener, steal_fd(&fd), &source);
}

/* SO_REUSEADDR: a server of the host's own on every address (0.0.0.0) does not keep us from ours. */
static int open_socket(const struct ip *ip, int type) {
    struct sockaddr_storage address;
    socklen_t len = ip_to_sockaddr(ip, DNS_PORT, &address);
    int on = 1, level = ip->len == 4 ? IPPROTO_IP : IPPROTO_IPV6;
    auto_close int fd = socket(address.ss_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) ||
        setsockopt(fd, level, ip->len == 4 ? IP_FREEBIND : IPV6_FREEBIND, &on, sizeof on) ||
        (ip->len == 16 && setsockopt(fd, level, IPV6_V6ONLY, &on, sizeof on)) ||
        (type == SOCK_DGRAM &&
         setsockopt(fd, level, ip->len == 4 ? IP_PKTINFO : IPV6_RECVPKTINFO, &on, sizeof on)) ||
        bind(fd, (struct sockaddr *)&address, len) || (type == SOCK_STREAM && listen(fd, BACKLOG)))
        return -1;
    return steal_fd(&fd);
}

static int open_missing(struct listener *listener, struct err *err) {
    if (listener->udp.fd < 0) {
        int fd = open_socket(&listener->address, SOCK_DGRAM);
        if (fd < 0 || loop_add(&listener->udp, fd, EPOLLIN, on_query))
            return err_sys_as(err, ERR_NETWORK, errno, "cannot serve udp on the gateway of \"%s\"",
                              listener->bridge);
    }
    if (listener->tcp.fd < 0) {
        int fd = open_socket(&listener->address, SOCK_STREAM);
        if (fd < 0 || loop_add(&listener->tcp, fd, EPOLLIN, on_connection))
            return err_sys_as(err, ERR_NETWORK, errno, "cannot serve tcp on the gateway of \"%s\"",
                              listener->bridge);
    }
    return 0;
}

static struct listener *find_or_add(const struct ip *address, const char *bridge) {
    for (struct listener *l = listeners; l; l = l->next)
        if (ip_compare(&l->address, address) == 0 && strcmp(l->bridge, bridge) == 0)
            return l;
    struct listener *added = listener_count < LISTENERS_MAX && strlen(bridge) < sizeof added->bridge
                                 ? calloc(1, sizeof *added)
                                 : NULL;
    if (!added)
        return NULL;
    added->udp.fd = added->tcp.fd = -1;
    added->address = *address;
    (void)snprintf(added->bridge, sizeof added->bridge, "%s", bridge);
    added->next = listeners;
    listeners = added;
    listener_count++;
    return added;
}

static void free_closed(void) {
    while (closed) {
        struct listener *next = closed->next;
        free(closed);
        closed = next;
    }
}

static void close_unwanted(void) {
    for (struct listener **slot = &listeners; *slot;) {
        struct listener *listener = *slot;
        if (listener->is_wanted) {
            slot = &listener->next;
            continue;
        }
        connection_close_all(listener);
        forward_forget(listener);
        loop_close(&listener->udp);
        loop_close(&listener->tcp);
        *slot = listener->next;
        listener_count--;
        listener->next = closed;
        closed = listener;
    }
}

unsigned listen_sync(const struct records *next, struct err *err) {
    unsigned failed = 0;

    records = next;
    free_closed();
    for (struct listener *l = listeners; l; l = l->next)
        l->is_wanted = false;
    for (unsigned n = 0; n < next->network_count; n++) {
        const struct dns_network *network = &next->networks[n];
        for (unsigned g = 0; g < network->gateway_count; g++) {
            struct listener *listener = find_or_add(&network->gateways[g], network->bridge);
            if (!listener) {
                failed++;
                (void)err_set(err, ERR_NO_SPACE, "too many networks, or no memory, for \"%s\"",
                              network->bridge);
                continue;
            }
            listener->is_wanted = true;
            listener->network = n;
        }
    }
    close_unwanted(); /* first: a gateway may have moved to another bridge */
    for (struct listener *l = listeners; l; l = l->next)
        failed += open_missing(l, err) != 0;
    return failed;
}
