/* Building and sending netlink messages: a fixed buffer of several requests, sent in one call, each
 * acknowledged. Used by netlink.c and nf_ports.c; knows nothing of links or addresses. */
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

struct nl_batch {
    _Alignas(NLMSG_ALIGNTO) char data[2048];
    size_t len;
    struct nlmsghdr *message; /* the one being built */
    unsigned count;
    int overflow;
};

/* Starts the next request: a header and a copy of `body`. flags are added to NLM_F_REQUEST | NLM_F_ACK. */
void nl_begin(struct nl_batch *batch, uint16_t type, uint16_t flags, const void *body, size_t body_len);
void nl_attr(struct nl_batch *batch, uint16_t type, const void *data, size_t len);
void nl_attr_string(struct nl_batch *batch, uint16_t type, const char *text);
void nl_attr_u32(struct nl_batch *batch, uint16_t type, uint32_t value);
struct rtattr *nl_nest(struct nl_batch *batch, uint16_t type);
void nl_nest_end(struct nl_batch *batch, struct rtattr *nest);
/* Appends bytes that are not an attribute (the inner ifinfomsg of VETH_INFO_PEER). */
void nl_bytes(struct nl_batch *batch, const void *data, size_t len);

/* A route socket in namespace netns_fd (< 0: the caller's). */
int nl_open(int netns_fd, struct err *err);

/* The kernel's next message: recv(2), but for messages that somebody else sent. In a container's network
 * namespace a program with CAP_NET_ADMIN may send to our socket: that is passed over, and EPROTO after a
 * thousand of them. */
ssize_t nl_receive(int sock, void *buffer, size_t size, int flags);

/* Sends the batch and reads one acknowledgement a request. Returns 0, or -errno of the first that failed with
 * its place in *failed; -1000 (err set) when the conversation itself broke. */
#define NL_BROKEN (-1000)
int nl_talk(int sock, struct nl_batch *batch, unsigned *failed, struct err *err);

/* What the kernel says of one link: index (0: no such link) and kind ("" for none). */
struct nl_link {
    int index;
    char kind[32];
};
int nl_find_link(int sock, const char *name, struct nl_link *link, struct err *err);
