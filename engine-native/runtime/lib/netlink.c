/* Links, addresses and routes for containers, over nl_message.c. */
#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "nl_message.h"

struct ip {
    int family; /* AF_INET or AF_INET6 */
    unsigned char bytes[16];
    size_t len;
    unsigned prefix;
};

static int parse_ip(const char *text, bool with_prefix, struct ip *ip, struct err *err) {
    char copy[64];
    *ip = (struct ip){0};
    size_t len = strlen(text);
    if (len >= sizeof copy)
        return err_set(err, ERR_BAD_REQUEST, "\"%.80s\" is not an address", text);
    memcpy(copy, text, len + 1);
    char *slash = strchr(copy, '/');
    if (slash)
        *slash++ = '\0';
    if (inet_pton(AF_INET, copy, ip->bytes) == 1)
        *ip = (struct ip){AF_INET, {ip->bytes[0], ip->bytes[1], ip->bytes[2], ip->bytes[3]}, 4, 32};
    else if (inet_pton(AF_INET6, copy, ip->bytes) == 1)
        ip->family = AF_INET6, ip->len = 16, ip->prefix = 128;
    else
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is not an address", text);
    if (with_prefix != (slash != NULL))
        return err_set(err, ERR_BAD_REQUEST, "address \"%s\" must be written %s prefix length", text,
                       with_prefix ? "with its" : "without a");
    if (!slash)
        return 0;
    char *end;
    unsigned long prefix = strtoul(slash, &end, 10);
    if (*slash < '0' || *slash > '9' || *end || prefix > ip->prefix)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" has a bad prefix length", text);
    ip->prefix = (unsigned)prefix;
    return 0;
}

static int check_name(const char *name, struct err *err) {
    size_t len = name ? strlen(name) : 0;
    if (len == 0 || len >= IFNAMSIZ || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
        strpbrk(name, "/: \t\n%"))
        return err_set(err, ERR_BAD_REQUEST, "\"%.80s\" is not an interface name (1 to 15 plain characters)",
                       name ? name : "");
    return 0;
}

static int parse_mac(const char *text, unsigned char mac[6], struct err *err) {
    bool good = strlen(text) == 17 && strspn(text, "0123456789abcdefABCDEF:") == 17;
    for (size_t i = 0; good && i < 6; i++) {
        const char *at = text + i * 3;
        good = at[0] != ':' && at[1] != ':' && at[2] == (i < 5 ? ':' : '\0');
        mac[i] = (unsigned char)strtoul(at, NULL, 16);
    }
    if (!good || (mac[0] & 1))
        return err_set(err, ERR_BAD_REQUEST, "\"%.40s\" is not a unicast mac address", text);
    return 0;
}

static void add_up(struct nl_batch *batch, const char *name) {
    struct ifinfomsg info = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    nl_begin(batch, RTM_NEWLINK, 0, &info, sizeof info);
    nl_attr_string(batch, IFLA_IFNAME, name);
}

static void add_address(struct nl_batch *batch, int index, const struct ip *ip) {
    struct ifaddrmsg message = {.ifa_family = (unsigned char)ip->family,
                                .ifa_prefixlen = (unsigned char)ip->prefix,
                                /* Our own addresses are unique by construction: waiting for duplicate address
                                 * detection would leave a new container deaf over IPv6 for a second. */
                                .ifa_flags = ip->family == AF_INET6 ? IFA_F_NODAD : 0,
                                .ifa_index = (unsigned)index};
    nl_begin(batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &message, sizeof message);
    nl_attr(batch, IFA_LOCAL, ip->bytes, ip->len);
    nl_attr(batch, IFA_ADDRESS, ip->bytes, ip->len);
    if (ip->family == AF_INET && ip->prefix < 31) {
        unsigned char broadcast[4];
        for (unsigned i = 0; i < 4; i++) {
            unsigned bits = ip->prefix >= 8 * (i + 1) ? 8 : ip->prefix <= 8 * i ? 0 : ip->prefix - 8 * i;
            broadcast[i] = (unsigned char)(ip->bytes[i] | (0xffu >> bits));
        }
        nl_attr(batch, IFA_BROADCAST, broadcast, sizeof broadcast);
    }
}

static void add_default_route(struct nl_batch *batch, int index, const struct ip *gateway) {
    struct rtmsg route = {.rtm_family = (unsigned char)gateway->family,
                          .rtm_table = RT_TABLE_MAIN,
                          .rtm_protocol = RTPROT_BOOT,
                          .rtm_scope = RT_SCOPE_UNIVERSE,
                          .rtm_type = RTN_UNICAST};
    nl_begin(batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &route, sizeof route);
    nl_attr(batch, RTA_GATEWAY, gateway->bytes, gateway->len);
    nl_attr_u32(batch, RTA_OIF, (uint32_t)index);
}

/* Without an address of the network's own there is no IPv6 on the link, not even a link-local address:
 * what the firewall does not know of must not be there. */
static void add_no_link_local(struct nl_batch *batch, const char *name) {
    const unsigned char none = IN6_ADDR_GEN_MODE_NONE;
    nl_begin(batch, RTM_NEWLINK, 0, &(struct ifinfomsg){0}, sizeof(struct ifinfomsg));
    nl_attr_string(batch, IFLA_IFNAME, name);
    struct rtattr *spec = nl_nest(batch, IFLA_AF_SPEC);
    struct rtattr *inet6 = nl_nest(batch, AF_INET6);
    nl_attr(batch, IFLA_INET6_ADDR_GEN_MODE, &none, 1);
    nl_nest_end(batch, inet6);
    nl_nest_end(batch, spec);
}

/* One request names the pair, the bridge and the other namespace: the inner end is born inside. */
static void add_veth(struct nl_batch *batch, const struct net_attach *a, int bridge, int netns_fd,
                     const unsigned char *mac) {
    struct ifinfomsg info = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    nl_begin(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof info);
    nl_attr_string(batch, IFLA_IFNAME, a->host_ifname);
    nl_attr_u32(batch, IFLA_MASTER, (uint32_t)bridge);
    if (a->mtu)
        nl_attr_u32(batch, IFLA_MTU, a->mtu);
    struct rtattr *link = nl_nest(batch, IFLA_LINKINFO);
    nl_attr_string(batch, IFLA_INFO_KIND, "veth");
    struct rtattr *data = nl_nest(batch, IFLA_INFO_DATA);
    struct rtattr *peer = nl_nest(batch, VETH_INFO_PEER);
    nl_bytes(batch, &(struct ifinfomsg){0}, sizeof(struct ifinfomsg));
    nl_attr_string(batch, IFLA_IFNAME, a->ifname);
    nl_attr_u32(batch, IFLA_NET_NS_FD, (uint32_t)netns_fd);
    if (a->mtu)
        nl_attr_u32(batch, IFLA_MTU, a->mtu);
    if (mac)
        nl_attr(batch, IFLA_ADDRESS, mac, 6);
    nl_nest_end(batch, peer);
    nl_nest_end(batch, data);
    nl_nest_end(batch, link);
}

/* The inner end is still down here, so no packet passes the port before it is isolated. */
static void add_port_flags(struct nl_batch *batch, const struct net_attach *a) {
    const unsigned char on = 1;
    nl_begin(batch, RTM_NEWLINK, 0, &(struct ifinfomsg){0}, sizeof(struct ifinfomsg));
    nl_attr_string(batch, IFLA_IFNAME, a->host_ifname);
    struct rtattr *link = nl_nest(batch, IFLA_LINKINFO);
    nl_attr_string(batch, IFLA_INFO_SLAVE_KIND, "bridge");
    struct rtattr *data = nl_nest(batch, IFLA_INFO_SLAVE_DATA);
    if (a->isolated)
        nl_attr(batch, IFLA_BRPORT_ISOLATED, &on, 1);
    if (a->hairpin)
        nl_attr(batch, IFLA_BRPORT_MODE, &on, 1);
    nl_nest_end(batch, data);
    nl_nest_end(batch, link);
}

int net_loopback_up(int netns_fd, struct err *err) {
    auto_close int sock = nl_open(netns_fd, err);
    if (sock < 0)
        return -1;
    struct nl_batch batch = {0};
    unsigned failed = 0;
    add_up(&batch, "lo");
    int result = nl_talk(sock, &batch, &failed, err);
    if (result == NL_BROKEN)
        return -1;
    return result == 0 ? 0 : err_sys_as(err, ERR_NETWORK, -result, "cannot bring up \"lo\"");
}

static int create_pair(const struct net_attach *a, int netns_fd, const unsigned char *mac, struct err *err) {
    auto_close int sock = nl_open(-1, err);
    if (sock < 0)
        return -1;
    struct nl_link bridge;
    if (nl_find_link(sock, a->bridge, &bridge, err) < 0)
        return -1;
    if (bridge.index == 0)
        return err_set(err, ERR_NETWORK, "bridge \"%s\" does not exist", a->bridge);
    struct nl_batch batch = {0};
    unsigned failed = 0;
    add_veth(&batch, a, bridge.index, netns_fd, mac);
    if (a->isolated || a->hairpin)
        add_port_flags(&batch, a);
    int result = nl_talk(sock, &batch, &failed, err);
    if (result == 0)
        return 0;
    if (result == NL_BROKEN)
        return -1;
    if (failed == 0)
        return err_sys_as(err, ERR_NETWORK, -result, "cannot create \"%s\" in bridge \"%s\"", a->host_ifname,
                          a->bridge);
    err_sys_as(err, ERR_NETWORK, -result, "cannot set port flags of \"%s\"", a->host_ifname);
    struct err ignored;
    (void)net_link_remove(a->host_ifname, &ignored);
    return -1;
}

/* The texts of a net_attach as numbers; a family of 0 stands for "not asked for". */
struct plan {
    struct ip address, gateway, address6, gateway6;
    unsigned char mac[6];
    bool has_mac;
};

static bool given(const char *text) {
    return text && *text;
}

static int parse_family(const char *text, bool with_prefix, int family, struct ip *ip, struct err *err) {
    *ip = (struct ip){0};
    if (!given(text))
        return 0;
    if (parse_ip(text, with_prefix, ip, err) < 0)
        return -1;
    return ip->family == family ? 0
                                : err_set(err, ERR_BAD_REQUEST, "\"%s\" is not an IPv%d address", text,
                                          family == AF_INET ? 4 : 6);
}

static int make_plan(const struct net_attach *a, struct plan *plan, struct err *err) {
    *plan = (struct plan){.has_mac = given(a->mac)};
    if (check_name(a->bridge, err) < 0 || check_name(a->host_ifname, err) < 0 ||
        check_name(a->ifname, err) < 0 || parse_family(a->address, true, AF_INET, &plan->address, err) < 0 ||
        parse_family(a->gateway, false, AF_INET, &plan->gateway, err) < 0 ||
        parse_family(a->address6, true, AF_INET6, &plan->address6, err) < 0 ||
        parse_family(a->gateway6, false, AF_INET6, &plan->gateway6, err) < 0 ||
        (plan->has_mac && parse_mac(a->mac, plan->mac, err) < 0))
        return -1;
    if (plan->address.family == 0 && plan->address6.family == 0)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" needs an address", a->ifname);
    return 0;
}

static int configure_inside(const struct net_attach *a, int netns_fd, const struct plan *plan,
                            struct err *err) {
    auto_close int sock = nl_open(netns_fd, err);
    struct nl_link inner;
    if (sock < 0 || nl_find_link(sock, a->ifname, &inner, err) < 0)
        return -1;
    struct nl_batch batch = {0};
    const char *steps[8] = {0};
    add_up(&batch, "lo");
    steps[batch.count - 1] = "bring up \"lo\"";
    if (plan->address6.family == 0 && access("/proc/sys/net/ipv6", F_OK) == 0) {
        add_no_link_local(&batch, a->ifname);
        steps[batch.count - 1] = "keep IPv6 off";
    }
    if (plan->address.family)
        add_address(&batch, inner.index, &plan->address), steps[batch.count - 1] = "set the address";
    if (plan->address6.family)
        add_address(&batch, inner.index, &plan->address6), steps[batch.count - 1] = "set the IPv6 address";
    add_up(&batch, a->ifname);
    steps[batch.count - 1] = "bring up the link";
    if (plan->gateway.family)
        add_default_route(&batch, inner.index, &plan->gateway),
            steps[batch.count - 1] = "set the default route";
    if (plan->gateway6.family)
        add_default_route(&batch, inner.index, &plan->gateway6),
            steps[batch.count - 1] = "set the IPv6 default route";
    unsigned failed = 0;
    int result = nl_talk(sock, &batch, &failed, err);
    if (result == 0)
        return 0;
    if (result != NL_BROKEN)
        err_sys_as(err, ERR_NETWORK, -result, "cannot %s of \"%s\" (address \"%s\", gateway \"%s\")",
                   failed < 8 && steps[failed] ? steps[failed] : "configure", a->ifname,
                   a->address ? a->address : "", a->gateway ? a->gateway : "");
    return -1;
}

int net_attach_container(const struct net_attach *a, int netns_fd, struct err *err) {
    struct plan plan;
    if (make_plan(a, &plan, err) < 0 || create_pair(a, netns_fd, plan.has_mac ? plan.mac : NULL, err) < 0)
        return -1;
    if (configure_inside(a, netns_fd, &plan, err) == 0)
        return 0;
    struct err ignored;
    (void)net_link_remove(a->host_ifname, &ignored);
    return -1;
}

int net_route_container(const char *ifname, const char *gateway, const char *gateway6, int netns_fd,
                        struct err *err) {
    struct ip ip, ip6;
    struct nl_link link;
    if (check_name(ifname, err) < 0 || parse_family(gateway, false, AF_INET, &ip, err) < 0 ||
        parse_family(gateway6, false, AF_INET6, &ip6, err) < 0)
        return -1;
    auto_close int sock = nl_open(netns_fd, err);
    if (sock < 0 || nl_find_link(sock, ifname, &link, err) < 0)
        return -1;
    if (link.index == 0)
        return err_set(err, ERR_NETWORK, "there is no interface \"%s\"", ifname);
    struct nl_batch batch = {0};
    unsigned failed = 0;
    if (ip.family)
        add_default_route(&batch, link.index, &ip);
    if (ip6.family)
        add_default_route(&batch, link.index, &ip6);
    int result = batch.count ? nl_talk(sock, &batch, &failed, err) : 0;
    if (result == NL_BROKEN)
        return -1;
    return result == 0
               ? 0
               : err_sys_as(err, ERR_NETWORK, -result, "cannot set the default route of \"%s\"", ifname);
}

static int remove_link(int sock, const char *ifname, struct err *err) {
    struct nl_batch batch = {0};
    unsigned failed = 0;
    nl_begin(&batch, RTM_DELLINK, 0, &(struct ifinfomsg){0}, sizeof(struct ifinfomsg));
    nl_attr_string(&batch, IFLA_IFNAME, ifname);
    int result = nl_talk(sock, &batch, &failed, err);
    if (result == NL_BROKEN)
        return -1;
    return result == 0 || result == -ENODEV
               ? 0
               : err_sys_as(err, ERR_NETWORK, -result, "cannot remove \"%s\"", ifname);
}

int net_link_remove(const char *ifname, struct err *err) {
    auto_close int sock = check_name(ifname, err) < 0 ? -1 : nl_open(-1, err);
    return sock < 0 ? -1 : remove_link(sock, ifname, err);
}

int net_detach_container(const char *ifname, int netns_fd, struct err *err) {
    auto_close int sock = check_name(ifname, err) < 0 ? -1 : nl_open(netns_fd, err);
    return sock < 0 ? -1 : remove_link(sock, ifname, err);
}

/* A bridge without an address of its own takes the lowest of its ports and changes it as they come and go,
 * which costs every neighbour an ARP time-out. So it gets one, made from the IP address when there is one. */
static void add_bridge(struct nl_batch *batch, const char *bridge, const struct ip *ip, unsigned mtu) {
    nl_begin(batch, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &(struct ifinfomsg){0}, sizeof(struct ifinfomsg));
    nl_attr_string(batch, IFLA_IFNAME, bridge);
    if (mtu)
        nl_attr_u32(batch, IFLA_MTU, mtu);
    if (ip) {
        const unsigned char *tail = ip->bytes + ip->len - 4;
        const unsigned char mac[6] = {0x02, 0x42, tail[0], tail[1], tail[2], tail[3]};
        nl_attr(batch, IFLA_ADDRESS, mac, sizeof mac);
    }
    struct rtattr *link = nl_nest(batch, IFLA_LINKINFO);
    nl_attr_string(batch, IFLA_INFO_KIND, "bridge");
    nl_nest_end(batch, link);
}

static int create_bridge(int sock, const char *bridge, const struct ip *ip, unsigned mtu,
                         struct nl_link *link, struct err *err) {
    struct nl_batch batch = {0};
    unsigned failed = 0;
    add_bridge(&batch, bridge, ip, mtu);
    int result = nl_talk(sock, &batch, &failed, err);
    if (result == NL_BROKEN)
        return -1;
    if (result != 0 && result != -EEXIST)
        return err_sys_as(err, ERR_NETWORK, -result, "cannot create bridge \"%s\"", bridge);
    return nl_find_link(sock, bridge, link, err);
}

int net_bridge_ensure(const char *bridge, const char *address, const char *address6, unsigned mtu,
                      struct err *err) {
    struct ip ip, ip6;
    if (check_name(bridge, err) < 0 || parse_family(address, true, AF_INET, &ip, err) < 0 ||
        parse_family(address6, true, AF_INET6, &ip6, err) < 0)
        return -1;
    bool has_ip = ip.family != 0;
    auto_close int sock = nl_open(-1, err);
    struct nl_link link;
    if (sock < 0 || nl_find_link(sock, bridge, &link, err) < 0)
        return -1;
    if (link.index == 0 && create_bridge(sock, bridge, has_ip ? &ip : NULL, mtu, &link, err) < 0)
        return -1;
    if (strcmp(link.kind, "bridge") != 0)
        return err_set(err, ERR_EXISTS, "\"%s\" exists and is not a bridge; choose another name", bridge);
    struct nl_batch batch = {0};
    unsigned failed = 0;
    /* A link-local address of the kernel's choice is checked for a second first, and until then no neighbour
     * is asked for: the first packets to a new network would be lost. */
    if (access("/proc/sys/net/ipv6", F_OK) == 0)
        add_no_link_local(&batch, bridge);
    add_up(&batch, bridge);
    if (mtu)
        nl_attr_u32(&batch, IFLA_MTU, mtu);
    if (has_ip)
        add_address(&batch, link.index, &ip);
    if (ip6.family) {
        struct ip local = {.family = AF_INET6, .bytes = {0xfe, 0x80, [15] = 1}, .len = 16, .prefix = 64};
        add_address(&batch, link.index, &local);
        add_address(&batch, link.index, &ip6);
    }
    int result = nl_talk(sock, &batch, &failed, err);
    if (result == NL_BROKEN)
        return -1;
    return result == 0
               ? 0
               : err_sys_as(err, ERR_NETWORK, -result, "cannot set up bridge \"%s\" (address \"%s\", mtu %u)",
                            bridge, has_ip ? address : "", mtu);
}

int net_bridge_remove(const char *bridge, struct err *err) {
    struct nl_link link;
    auto_close int sock = check_name(bridge, err) < 0 ? -1 : nl_open(-1, err);
    if (sock < 0 || nl_find_link(sock, bridge, &link, err) < 0)
        return -1;
    if (link.index == 0)
        return 0;
    if (strcmp(link.kind, "bridge") != 0)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is not a bridge", bridge);
    return remove_link(sock, bridge, err);
}
