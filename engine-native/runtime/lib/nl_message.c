/* Netlink messages: building, sending, reading acknowledgements. */
#include "nl_message.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "cleanup.h"

static void *reserve(struct nl_batch *batch, size_t len) {
    size_t aligned = NLMSG_ALIGN(len);
    if (batch->overflow || sizeof batch->data - batch->len < aligned) {
        batch->overflow = 1;
        return NULL;
    }
    void *at = batch->data + batch->len;
    memset(at, 0, aligned);
    batch->len += aligned;
    if (batch->message)
        batch->message->nlmsg_len = (uint32_t)(batch->data + batch->len - (char *)batch->message);
    return at;
}

void nl_begin(struct nl_batch *batch, uint16_t type, uint16_t flags, const void *body, size_t body_len) {
    batch->message = NULL;
    struct nlmsghdr *header = reserve(batch, sizeof *header);
    if (!header)
        return;
    batch->message = header;
    header->nlmsg_len = sizeof *header;
    header->nlmsg_type = type;
    header->nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST | NLM_F_ACK);
    header->nlmsg_seq = ++batch->count;
    nl_bytes(batch, body, body_len);
}

void nl_bytes(struct nl_batch *batch, const void *data, size_t len) {
    void *at = reserve(batch, len);
    if (at)
        memcpy(at, data, len);
}

void nl_attr(struct nl_batch *batch, uint16_t type, const void *data, size_t len) {
    struct rtattr *attr = reserve(batch, RTA_LENGTH(len));
    if (!attr)
        return;
    attr->rta_type = type;
    attr->rta_len = (uint16_t)RTA_LENGTH(len);
    if (len > 0)
        memcpy(RTA_DATA(attr), data, len);
}

void nl_attr_string(struct nl_batch *batch, uint16_t type, const char *text) {
    nl_attr(batch, type, text, strlen(text) + 1);
}

void nl_attr_u32(struct nl_batch *batch, uint16_t type, uint32_t value) {
    nl_attr(batch, type, &value, sizeof value);
}

struct rtattr *nl_nest(struct nl_batch *batch, uint16_t type) {
    struct rtattr *attr = reserve(batch, sizeof *attr);
    if (attr)
        attr->rta_type = (uint16_t)(type | NLA_F_NESTED);
    return attr;
}

void nl_nest_end(struct nl_batch *batch, struct rtattr *nest) {
    if (nest)
        nest->rta_len = (uint16_t)(batch->data + batch->len - (char *)nest);
}

int nl_open(int netns_fd, struct err *err) {
    auto_close int own = -1;
    if (netns_fd >= 0) {
        own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        if (own < 0)
            return err_sys_as(err, ERR_NETWORK, errno, "cannot open \"/proc/self/ns/net\"");
        if (setns(netns_fd, CLONE_NEWNET) < 0)
            return err_sys_as(err, ERR_NETWORK, errno, "cannot enter the network namespace");
    }
    auto_close int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int saved = errno;
    if (own >= 0 && setns(own, CLONE_NEWNET) < 0)
        return err_sys_as(err, ERR_NETWORK, errno, "cannot leave the network namespace");
    if (sock < 0)
        return err_sys_as(err, ERR_NETWORK, saved, "cannot open a netlink socket");
    /* The kernel answers at once; 5 s bounds a wait behind somebody else's hold of the rtnl lock. */
    struct timeval limit = {.tv_sec = 5};
    (void)setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    int on = 1;
    (void)setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
    return steal_fd(&sock);
}

ssize_t nl_receive(int sock, void *buffer, size_t size, int flags) {
    /* Whoever floods the socket gets his conversation broken, not one that never ends. */
    for (int strangers = 0; strangers < 1000;) {
        struct sockaddr_nl from = {0};
        socklen_t from_len = sizeof from;
        ssize_t n = recvfrom(sock, buffer, size, flags, (struct sockaddr *)&from, &from_len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || from.nl_family != AF_NETLINK || from.nl_pid == 0)
            return n;
        strangers++;
    }
    errno = EPROTO;
    return -1;
}

/* 0 or -errno, whatever the message says. */
static int error_of(struct nlmsghdr *message) {
    int code = ((struct nlmsgerr *)NLMSG_DATA(message))->error;
    return code > 0 || code < -4095 ? -EPROTO : code;
}

int nl_talk(int sock, struct nl_batch *batch, unsigned *failed, struct err *err) {
    if (batch->overflow) {
        err_set(err, ERR_NETWORK, "netlink request too large");
        return NL_BROKEN;
    }
    if (send(sock, batch->data, batch->len, 0) < 0) {
        err_sys_as(err, ERR_NETWORK, errno, "cannot send to netlink");
        return NL_BROKEN;
    }
    int result = 0;
    for (unsigned seen = 0; seen < batch->count;) {
        _Alignas(NLMSG_ALIGNTO) char answer[8192];
        ssize_t n = nl_receive(sock, answer, sizeof answer, 0);
        if (n <= 0) {
            err_sys_as(err, ERR_NETWORK, errno, "no answer from netlink");
            return NL_BROKEN;
        }
        int left = (int)n; /* signed: the last message may be padded beyond what came */
        for (struct nlmsghdr *at = (void *)answer; NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
            if (at->nlmsg_type != NLMSG_ERROR || at->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
                continue;
            seen++;
            int code = error_of(at);
            if (code != 0 && result == 0) {
                result = code;
                *failed = at->nlmsg_seq - 1;
            }
        }
    }
    return result;
}

static void read_kind(struct nlmsghdr *message, struct nl_link *link) {
    struct ifinfomsg *info = NLMSG_DATA(message);
    int left = (int)IFLA_PAYLOAD(message);
    link->index = info->ifi_index;
    for (struct rtattr *attr = IFLA_RTA(info); RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
        if ((attr->rta_type & NLA_TYPE_MASK) != IFLA_LINKINFO)
            continue;
        int inner_left = (int)RTA_PAYLOAD(attr);
        for (struct rtattr *in = RTA_DATA(attr); RTA_OK(in, inner_left); in = RTA_NEXT(in, inner_left))
            if (in->rta_type == IFLA_INFO_KIND)
                (void)snprintf(link->kind, sizeof link->kind, "%.*s", (int)RTA_PAYLOAD(in),
                               (const char *)RTA_DATA(in));
    }
}

int nl_find_link(int sock, const char *name, struct nl_link *link, struct err *err) {
    struct nl_batch batch = {0};
    nl_begin(&batch, RTM_GETLINK, 0, &(struct ifinfomsg){0}, sizeof(struct ifinfomsg));
    batch.message->nlmsg_flags = NLM_F_REQUEST;
    nl_attr_string(&batch, IFLA_IFNAME, name);
    *link = (struct nl_link){0};
    if (send(sock, batch.data, batch.len, 0) < 0)
        return err_sys_as(err, ERR_NETWORK, errno, "cannot send to netlink");
    for (;;) {
        _Alignas(NLMSG_ALIGNTO) char answer[16384];
        ssize_t n = nl_receive(sock, answer, sizeof answer, 0);
        if (n < 0)
            return err_sys_as(err, ERR_NETWORK, errno, "no answer from netlink");
        struct nlmsghdr *at = (void *)answer;
        bool is_error = NLMSG_OK(at, (int)n) && at->nlmsg_type == NLMSG_ERROR;
        if (!NLMSG_OK(at, (int)n) ||
            at->nlmsg_len < NLMSG_LENGTH(is_error ? sizeof(struct nlmsgerr) : sizeof(struct ifinfomsg)))
            return err_set(err, ERR_NETWORK, "short answer from netlink");
        if (is_error) {
            int code = error_of(at);
            return code == -ENODEV ? 0 : err_sys_as(err, ERR_NETWORK, -code, "cannot look up \"%s\"", name);
        }
        if (at->nlmsg_type == RTM_NEWLINK) {
            read_kind(at, link);
            return 0;
        }
    }
}
