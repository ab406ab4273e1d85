/* nft.wait: tells a waiting connection when somebody else has taken rules of its table away. A firewall that
 * is reloaded flushes every table of the host, ours too, and with it isolation and published ports. One
 * socket hears of every nf_tables transaction; a transaction that both deletes and creates the table is a
 * renewal. */
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../lib/nl_message.h"
#include "server.h"

/* Tables of one transaction that were created, and that lost something. Bounded: past the bound a waiter is
 * told once too often, which costs it one look. */
#define TABLES_MAX 64
#define NAME_MAX_LEN 64

struct names {
    char name[TABLES_MAX][NAME_MAX_LEN];
    unsigned count;
    bool overflow;
};

static struct source watch = {.fd = -1};
static struct names created, hurt;

static bool has(const struct names *names, const char *name) {
    for (unsigned i = 0; i < names->count; i++)
        if (strcmp(names->name[i], name) == 0)
            return true;
    return false;
}

static void note(struct names *names, const char *name) {
    if (has(names, name) || strlen(name) >= NAME_MAX_LEN)
        return;
    if (names->count == TABLES_MAX) {
        names->overflow = true;
        return;
    }
    memcpy(names->name[names->count++], name, strlen(name) + 1);
}

static void tell(struct conn *conn) {
    struct json_out reply auto_json_out = {0};
    json_open_object(&reply);
    json_key(&reply, "id");
    json_raw(&reply, conn->awaited_id, strlen(conn->awaited_id));
    json_put_bool(&reply, "ok", true);
    json_close_object(&reply);
    free(conn->awaited);
    free(conn->awaited_id);
    conn->awaited = conn->awaited_id = NULL;
    conn->in_flight--;
    conn_send(conn, &reply);
}

static void transaction_ended(bool lost_count) {
    for (struct conn *conn = server.conns; conn; conn = conn->next) {
        if (conn->dead || !conn->awaited)
            continue;
        bool is_hurt = has(&hurt, conn->awaited) && !has(&created, conn->awaited);
        if (lost_count || hurt.overflow || created.overflow || is_hurt)
            tell(conn);
    }
    created = hurt = (struct names){0};
}

/* The table's name is the first attribute of tables, chains and rules alike. */
static const char *table_of(struct nlmsghdr *message) {
    if (message->nlmsg_len < NLMSG_SPACE(sizeof(struct nfgenmsg)))
        return NULL;
    int left = (int)(message->nlmsg_len - NLMSG_SPACE(sizeof(struct nfgenmsg)));
    struct rtattr *attr = (void *)((char *)NLMSG_DATA(message) + NLMSG_ALIGN(sizeof(struct nfgenmsg)));
    for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left))
        if ((attr->rta_type & NLA_TYPE_MASK) == NFTA_TABLE_NAME && RTA_PAYLOAD(attr) > 0 &&
            memchr(RTA_DATA(attr), '\0', RTA_PAYLOAD(attr)))
            return RTA_DATA(attr);
    return NULL;
}

static void read_event(struct nlmsghdr *message) {
    if (message->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES)
        return;
    const char *table = table_of(message);
    switch (message->nlmsg_type & 0xff) {
    case NFT_MSG_NEWTABLE:
        if (table)
            note(&created, table);
        return;
    case NFT_MSG_DELTABLE:
    case NFT_MSG_DELCHAIN:
    case NFT_MSG_DELRULE:
        if (table)
            note(&hurt, table);
        return;
    case NFT_MSG_NEWGEN:
        transaction_ended(false);
        return;
    default:
        return;
    }
}

static void watch_ready(struct source *source, uint32_t events) {
    static _Alignas(NLMSG_ALIGNTO) char buffer[65536];
    (void)events;
    for (;;) {
        ssize_t n = nl_receive(source->fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (n < 0 && errno == ENOBUFS) {
            transaction_ended(true); /* something was missed: whoever waits had better look */
            continue;
        }
        if (n <= 0)
            return;
        int left = (int)n;
        for (struct nlmsghdr *at = (void *)buffer; NLMSG_OK(at, left); at = NLMSG_NEXT(at, left))
            read_event(at);
    }
}

static int open_watch(struct err *err) {
    int group = NFNLGRP_NFTABLES, room = 1 << 20;
    if (watch.fd >= 0)
        return 0;
    auto_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
    /* A socket without a port of its own hears nothing, group or not. */
    const struct sockaddr_nl own = {.nl_family = AF_NETLINK};
    if (fd < 0 || bind(fd, (const struct sockaddr *)&own, sizeof own) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
        return err_sys_as(err, ERR_NETWORK, errno, "cannot listen to changes of the firewall");
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
    watch = (struct source){watch_ready, fd};
    if (server_watch(&watch, EPOLLIN, err) < 0) {
        watch.fd = -1;
        return -1;
    }
    (void)steal_fd(&fd);
    return 0;
}

void nft_watch_add(struct conn *conn, const struct json *request, const struct json *id) {
    struct err err = {0};
    const char *table = NULL;
    if (json_need_string(request, "table", &table, &err) < 0 || open_watch(&err) < 0) {
        conn_error(conn, id, &err);
        return;
    }
    if (conn->awaited) {
        (void)err_set(&err, ERR_BAD_REQUEST, "one \"nft.wait\" at a time on a connection");
        conn_error(conn, id, &err);
        return;
    }
    conn->awaited = strdup(table);
    conn->awaited_id = strndup(id->raw, id->raw_len);
    if (!conn->awaited || !conn->awaited_id) {
        free(conn->awaited);
        free(conn->awaited_id);
        conn->awaited = conn->awaited_id = NULL;
        (void)err_set(&err, ERR_INTERNAL, "out of memory");
        conn_error(conn, id, &err);
        return;
    }
    conn->in_flight++;
}
