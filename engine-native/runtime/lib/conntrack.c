/* See conntrack.h. One dump of the table, then one message for each flow that is to go. */
#include "conntrack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "nl_message.h"

/* More flows than this through one container's ports are a flood; the rest times out by itself. */
#define FLOWS_MAX 65536
#define TUPLE_MAX 128

struct tuple {
    unsigned char src[16], dst[16];
    uint16_t sport, dport; /* network order */
    uint8_t proto;
};

/* A flow by what the kernel wants to hear to delete it: its original tuple, as it came. */
struct flow {
    unsigned char bytes[TUPLE_MAX];
    size_t len;
    int family;
};

struct search {
    const struct nf_port *ports;
    size_t port_count;
    int family; /* of the flow that is looked at */
    struct flow *flows;
    size_t count, room;
};

static const struct rtattr *find(const struct rtattr *first, size_t left, unsigned type) {
    for (const struct rtattr *at = first; RTA_OK(at, left); at = RTA_NEXT(at, left))
        if ((at->rta_type & NLA_TYPE_MASK) == type)
            return at;
    return NULL;
}

static const struct rtattr *inner(const struct rtattr *outer, unsigned type) {
    return outer ? find(RTA_DATA(outer), RTA_PAYLOAD(outer), type) : NULL;
}

static void copy(void *to, const struct rtattr *from, size_t len) {
    if (from && RTA_PAYLOAD(from) >= len)
        memcpy(to, RTA_DATA(from), len);
}

static struct tuple read_tuple(const struct rtattr *nest, int family) {
    struct tuple tuple = {0};
    bool six = family == AF_INET6;
    size_t width = six ? 16 : 4;
    const struct rtattr *ip = inner(nest, CTA_TUPLE_IP), *proto = inner(nest, CTA_TUPLE_PROTO);
    copy(tuple.src, inner(ip, six ? CTA_IP_V6_SRC : CTA_IP_V4_SRC), width);
    copy(tuple.dst, inner(ip, six ? CTA_IP_V6_DST : CTA_IP_V4_DST), width);
    copy(&tuple.proto, inner(proto, CTA_PROTO_NUM), 1);
    copy(&tuple.sport, inner(proto, CTA_PROTO_SRC_PORT), 2);
    copy(&tuple.dport, inner(proto, CTA_PROTO_DST_PORT), 2);
    return tuple;
}

static bool concerns(const struct search *search, const struct nf_port *port, const struct tuple *orig,
                     const struct tuple *reply) {
    unsigned char to[16], ip[16];
    size_t width = search->family == AF_INET6 ? 16 : 4;
    if (strcmp(port->proto, "udp") != 0 || inet_pton(search->family, port->to, to) != 1)
        return false;
    if (reply->sport == htons(port->to_port) && memcmp(reply->src, to, width) == 0)
        return true;
    /* Not led anywhere: to the host itself, from before. What goes out under another address is not meant. */
    bool plain = memcmp(reply->src, orig->dst, width) == 0 && memcmp(reply->dst, orig->src, width) == 0;
    if (!plain || orig->dport != htons(port->port))
        return false;
    return !*port->ip || (inet_pton(search->family, port->ip, ip) == 1 && memcmp(ip, orig->dst, width) == 0);
}

static int keep(struct search *search, const struct rtattr *orig) {
    if (RTA_PAYLOAD(orig) > TUPLE_MAX || search->count == FLOWS_MAX)
        return 0;
    if (search->count == search->room) {
        size_t room = search->room ? search->room * 2 : 64;
        struct flow *grown = realloc(search->flows, room * sizeof *grown);
        if (!grown)
            return -1;
        search->flows = grown;
        search->room = room;
    }
    struct flow *flow = &search->flows[search->count++];
    flow->len = RTA_PAYLOAD(orig);
    flow->family = search->family;
    memcpy(flow->bytes, RTA_DATA(orig), flow->len);
    return 0;
}

static int look_at(struct search *search, struct nlmsghdr *message) {
    size_t head = NLMSG_SPACE(sizeof(struct nfgenmsg));
    if (message->nlmsg_len < head)
        return 0;
    search->family = ((struct nfgenmsg *)NLMSG_DATA(message))->nfgen_family;
    const struct rtattr *first = (void *)((char *)message + head);
    size_t left = message->nlmsg_len - head;
    const struct rtattr *orig = find(first, left, CTA_TUPLE_ORIG),
                        *reply = find(first, left, CTA_TUPLE_REPLY);
    if (!orig || !reply)
        return 0;
    struct tuple there = read_tuple(orig, search->family), back = read_tuple(reply, search->family);
    if (there.proto != IPPROTO_UDP)
        return 0;
    for (size_t i = 0; i < search->port_count; i++)
        if (concerns(search, &search->ports[i], &there, &back))
            return keep(search, orig);
    return 0;
}

static void begin(struct nl_batch *batch, unsigned type, uint16_t flags, int family) {
    const struct nfgenmsg head = {.nfgen_family = (unsigned char)family, .version = NFNETLINK_V0};
    nl_begin(batch, (uint16_t)((NFNL_SUBSYS_CTNETLINK << 8) | type), 0, &head, sizeof head);
    batch->message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
}

static int dump(int sock, struct search *search, struct err *err) {
    struct nl_batch batch = {0};
    begin(&batch, IPCTNL_MSG_CT_GET, NLM_F_DUMP, AF_UNSPEC);
    if (send(sock, batch.data, batch.len, 0) < 0)
        return err_sys_as(err, ERR_NETWORK, errno, "cannot send to netlink");
    for (;;) {
        _Alignas(NLMSG_ALIGNTO) char answer[32768];
        ssize_t n = recv(sock, answer, sizeof answer, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys_as(err, ERR_NETWORK, errno, "no answer from netlink");
        size_t left = (size_t)n;
        for (struct nlmsghdr *at = (void *)answer; NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
            if (at->nlmsg_type == NLMSG_DONE || at->nlmsg_type == NLMSG_ERROR)
                return 0; /* an error: there is no table, so nothing is in it */
            if (look_at(search, at) < 0)
                return err_sys(err, ENOMEM, "cannot hold the list of flows");
        }
    }
}

static int forget_all(int sock, const struct search *search, struct err *err) {
    for (size_t i = 0; i < search->count; i++) {
        struct nl_batch batch = {0};
        unsigned failed;
        begin(&batch, IPCTNL_MSG_CT_DELETE, NLM_F_ACK, search->flows[i].family);
        struct rtattr *nest = nl_nest(&batch, CTA_TUPLE_ORIG);
        nl_bytes(&batch, search->flows[i].bytes, search->flows[i].len);
        nl_nest_end(&batch, nest);
        /* One that has ended meanwhile is what was wanted. */
        if (nl_talk(sock, &batch, &failed, err) == NL_BROKEN)
            return -1;
    }
    return 0;
}

int conntrack_forget(const struct nf_port *ports, size_t count, struct err *err) {
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any = any || strcmp(ports[i].proto, "udp") == 0;
    if (!any)
        return 0;
    auto_close int sock = nf_open(err);
    if (sock < 0)
        return -1;
    struct search search = {.ports = ports, .port_count = count};
    int result = dump(sock, &search, err);
    if (result == 0)
        result = forget_all(sock, &search, err);
    free(search.flows);
    return result;
}
