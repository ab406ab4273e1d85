/* See nf_ports.h. */
#include "nf_ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cleanup.h"
#include "nl_message.h"

/* What fits into one nl_batch with names of ordinary length. */
#define PORTION 8

/* Key and data of one entry: each part of a concatenation fills whole 32-bit words. */
struct entry {
    const char *map;
    unsigned char key[24], data[20];
    size_t key_len, data_len;
};

static size_t put(unsigned char *at, size_t len, const void *value, size_t value_len) {
    size_t padded = (value_len + 3) & ~(size_t)3;
    memset(at + len, 0, padded);
    memcpy(at + len, value, value_len);
    return len + padded;
}

static int proto_number(const char *proto) {
    return strcmp(proto, "tcp") == 0    ? IPPROTO_TCP
           : strcmp(proto, "udp") == 0  ? IPPROTO_UDP
           : strcmp(proto, "sctp") == 0 ? IPPROTO_SCTP
                                        : -1;
}

static int make_entry(const struct nf_port *port, struct entry *entry, struct err *err) {
    unsigned char to[16], ip[16];
    int proto = proto_number(port->proto);
    bool six = inet_pton(AF_INET6, port->to, to) == 1;
    size_t width = six ? 16 : 4;
    uint16_t number = htons(port->port), to_number = htons(port->to_port);
    if (proto < 0)
        return err_set(err, ERR_BAD_REQUEST, "protocol \"%s\" is not tcp, udp or sctp", port->proto);
    if (!six && inet_pton(AF_INET, port->to, to) != 1)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is not an address", port->to);
    if (*port->ip && inet_pton(six ? AF_INET6 : AF_INET, port->ip, ip) != 1)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is not an address of the family of \"%s\"", port->ip,
                       port->to);
    *entry = (struct entry){.map = *port->ip ? (six ? "one6" : "one4") : six ? "any6" : "any4"};
    if (*port->ip)
        entry->key_len = put(entry->key, entry->key_len, ip, width);
    entry->key_len = put(entry->key, entry->key_len, &(unsigned char){(unsigned char)proto}, 1);
    entry->key_len = put(entry->key, entry->key_len, &number, 2);
    entry->data_len = put(entry->data, entry->data_len, to, width);
    entry->data_len = put(entry->data, entry->data_len, &to_number, 2);
    return 0;
}

static void add_value(struct nl_batch *batch, uint16_t type, const void *value, size_t len) {
    struct rtattr *nest = nl_nest(batch, type);
    nl_attr(batch, NFTA_DATA_VALUE, value, len);
    nl_nest_end(batch, nest);
}

static void add_message(struct nl_batch *batch, const char *table, const struct entry *entry, bool add) {
    const struct nfgenmsg head = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
    uint16_t type = (NFNL_SUBSYS_NFTABLES << 8) | (add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM);
    nl_begin(batch, type, add ? NLM_F_CREATE : 0, &head, sizeof head);
    nl_attr_string(batch, NFTA_SET_ELEM_LIST_TABLE, table);
    nl_attr_string(batch, NFTA_SET_ELEM_LIST_SET, entry->map);
    struct rtattr *list = nl_nest(batch, NFTA_SET_ELEM_LIST_ELEMENTS);
    struct rtattr *item = nl_nest(batch, NFTA_LIST_ELEM);
    add_value(batch, NFTA_SET_ELEM_KEY, entry->key, entry->key_len);
    if (add)
        add_value(batch, NFTA_SET_ELEM_DATA, entry->data, entry->data_len);
    nl_nest_end(batch, item);
    nl_nest_end(batch, list);
}

/* The frame of a transaction is not acknowledged by every kernel, so nobody may wait for that. */
static void add_frame(struct nl_batch *batch, uint16_t type) {
    const struct nfgenmsg head = {.version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
    nl_begin(batch, type, 0, &head, sizeof head);
    if (batch->message)
        batch->message->nlmsg_flags = NLM_F_REQUEST;
}

int nf_open(struct err *err) {
    auto_close int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (sock < 0)
        return err_sys_as(err, ERR_NETWORK, errno, "cannot open a netlink socket");
    /* Another program's transaction holds the tables for as long as it takes; 5 s bounds a stuck one. */
    struct timeval limit = {.tv_sec = 5};
    (void)setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    int on = 1;
    (void)setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    return steal_fd(&sock);
}

/* Waits for the last entry's acknowledgement, or for a refusal of the transaction as a whole, which carries
 * its first number. 0 or -errno of the first that failed; NL_BROKEN with err set. */
static int talk(int sock, const struct nl_batch *batch, struct err *err) {
    unsigned last = batch->count - 1;
    int result = 0;
    if (batch->overflow) {
        err_set(err, ERR_NETWORK, "netlink request too large");
        return NL_BROKEN;
    }
    if (send(sock, batch->data, batch->len, 0) < 0) {
        err_sys_as(err, ERR_NETWORK, errno, "cannot send to netlink");
        return NL_BROKEN;
    }
    for (;;) {
        _Alignas(NLMSG_ALIGNTO) char answer[8192];
        ssize_t n = nl_receive(sock, answer, sizeof answer, 0);
        if (n <= 0) {
            err_sys_as(err, ERR_NETWORK, errno, "no answer from netlink");
            return NL_BROKEN;
        }
        int left = (int)n;
        for (struct nlmsghdr *at = (void *)answer; NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
            if (at->nlmsg_type != NLMSG_ERROR || at->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
                continue;
            int code = ((struct nlmsgerr *)NLMSG_DATA(at))->error;
            if (code != 0 && result == 0)
                result = code;
            if (at->nlmsg_seq == last || (at->nlmsg_seq == 1 && code != 0))
                return result;
        }
    }
}

static int change(int sock, const char *table, const struct nf_port *ports, size_t count, bool add,
                  struct err *err) {
    struct nl_batch batch = {0};
    add_frame(&batch, NFNL_MSG_BATCH_BEGIN);
    for (size_t i = 0; i < count; i++) {
        struct entry entry = {0};
        if (make_entry(&ports[i], &entry, err) < 0)
            return NL_BROKEN;
        add_message(&batch, table, &entry, add);
    }
    add_frame(&batch, NFNL_MSG_BATCH_END);
    return talk(sock, &batch, err);
}

int nf_ports_remove(const char *table, const struct nf_port *ports, size_t count, struct err *err) {
    auto_close int sock = nf_open(err);
    if (sock < 0)
        return -1;
    for (size_t at = 0; at < count; at += PORTION) {
        size_t n = count - at < PORTION ? count - at : PORTION;
        int result = change(sock, table, ports + at, n, false, err);
        /* One that is missing refuses its whole portion: then they go one by one. */
        for (size_t i = 0; result == -ENOENT && n > 1 && i < n; i++) {
            int one = change(sock, table, ports + at + i, 1, false, err);
            if (one != 0 && one != -ENOENT)
                result = one;
        }
        if (result == NL_BROKEN)
            return -1;
        if (result != 0 && result != -ENOENT)
            return err_sys_as(err, ERR_NETWORK, -result, "cannot withdraw a port from table \"%s\"", table);
    }
    return 0;
}

int nf_ports_add(const char *table, const struct nf_port *ports, size_t count, struct err *err) {
    auto_close int sock = nf_open(err);
    if (sock < 0)
        return -1;
    for (size_t at = 0; at < count; at += PORTION) {
        size_t n = count - at < PORTION ? count - at : PORTION;
        int result = change(sock, table, ports + at, n, true, err);
        if (result == 0)
            continue;
        struct err ignored;
        if (at > 0)
            (void)nf_ports_remove(table, ports, at, &ignored);
        return result == NL_BROKEN
                   ? -1
                   : err_sys_as(err, result == -ENOENT ? ERR_NOT_FOUND : ERR_NETWORK, -result,
                                "cannot publish port %u in table \"%s\"", ports[at].port, table);
    }
    return 0;
}
