/* rtnetlink against the real kernel, inside network namespaces of the test's own: nothing outlives it. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../lib/netlink.h"
#include "../lib/nl_message.h"
#include "check.h"

static int own_netns(void) {
    return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

/* A second namespace, and the caller back in the first. */
static int other_netns(int first) {
    int other = -1;
    if (unshare(CLONE_NEWNET) == 0)
        other = own_netns();
    (void)setns(first, CLONE_NEWNET);
    return other;
}

static int link_index(int netns, const char *name) {
    struct err err;
    struct nl_link link = {0};
    auto_close int sock = nl_open(netns, &err);
    return sock >= 0 && nl_find_link(sock, name, &link, &err) == 0 ? link.index : -1;
}

/* Runs a command in a namespace and looks for a text in what it prints. */
static bool shows(int netns, const char *command, const char *text) {
    char line[256];
    auto_close int own = own_netns();
    (void)setns(netns, CLONE_NEWNET);
    (void)snprintf(line, sizeof line, "%s | grep -q '%s'", command, text);
    bool found = system(line) == 0;
    (void)setns(own, CLONE_NEWNET);
    return found;
}

static void test_bridge(void) {
    struct err err = {0};
    CHECK(net_bridge_ensure("htest0", "10.99.0.1/24", "", 1400, &err) == 0);
    CHECK(net_bridge_ensure("htest0", "10.99.0.1/24", "", 1400, &err) == 0);
    CHECK(link_index(-1, "htest0") > 0);
    CHECK(net_bridge_ensure("lo", "", "", 0, &err) == -1 && err.code == ERR_EXISTS);
    CHECK(net_bridge_remove("lo", &err) == -1 && err.code == ERR_BAD_REQUEST);
    CHECK(net_bridge_ensure("a-name-far-too-long", "", "", 0, &err) == -1 && err.code == ERR_BAD_REQUEST);
    CHECK(net_bridge_ensure("x0", "10.99.0.1", "", 0, &err) == -1 && err.code == ERR_BAD_REQUEST);
    CHECK(net_bridge_ensure("x0", "10.99.0.1/33", "", 0, &err) == -1 && err.code == ERR_BAD_REQUEST);
    CHECK(link_index(-1, "x0") == 0);
}

static void test_attach(int netns) {
    struct err err = {0};
    struct net_attach a = {.bridge = "htest0",
                           .host_ifname = "hv0",
                           .ifname = "eth0",
                           .address = "10.99.0.5/24",
                           .gateway = "10.99.0.1",
                           .mac = "02:42:0a:63:00:05",
                           .mtu = 1400,
                           .isolated = true,
                           .hairpin = true};
    CHECK(net_attach_container(&a, netns, &err) == 0);
    CHECK(link_index(-1, "hv0") > 0 && link_index(netns, "eth0") > 0 && link_index(-1, "eth0") == 0);
    CHECK(system("ip -d link show hv0 | grep -q 'isolated on'") == 0);
    CHECK(net_attach_container(&a, netns, &err) == -1 && err.code == ERR_NETWORK);
    CHECK(strstr(err.message, "\"hv0\"") != NULL);

    /* An unreachable gateway fails the last step: the pair must be gone again. */
    struct net_attach bad = a;
    bad.host_ifname = "hv1";
    bad.ifname = "eth1";
    bad.address = "10.98.0.5/24";
    bad.gateway = "192.0.2.1";
    CHECK(net_attach_container(&bad, netns, &err) == -1 && err.code == ERR_NETWORK);
    CHECK(link_index(-1, "hv1") == 0 && link_index(netns, "eth1") == 0);

    /* A second interface, of both families, takes the default routes; then they go back, then it goes. */
    struct net_attach second = {.bridge = "htest0",
                                .host_ifname = "hv2",
                                .ifname = "eth1",
                                .address = "10.99.0.6/24",
                                .gateway = "10.99.0.1",
                                .address6 = "fd99::6/64",
                                .gateway6 = "fd99::1"};
    CHECK(net_attach_container(&second, netns, &err) == 0);
    CHECK(shows(netns, "ip -o address show eth1", "fd99::6/64"));
    CHECK(!shows(netns, "ip -o -6 address show eth0", "inet6"));
    CHECK(shows(netns, "ip route show default", "dev eth1"));
    CHECK(shows(netns, "ip -6 route show default", "via fd99::1 dev eth1"));
    CHECK(net_route_container("eth0", "10.99.0.1", "", netns, &err) == 0);
    CHECK(shows(netns, "ip route show default", "dev eth0"));
    CHECK(net_detach_container("eth1", netns, &err) == 0 && net_detach_container("eth1", netns, &err) == 0);
    CHECK(link_index(-1, "hv2") == 0 && link_index(netns, "eth1") == 0);
    CHECK(net_route_container("eth1", "10.99.0.1", "", netns, &err) == -1 && err.code == ERR_NETWORK);

    struct net_attach no_bridge = bad;
    no_bridge.bridge = "htest9";
    CHECK(net_attach_container(&no_bridge, netns, &err) == -1 && strstr(err.message, "\"htest9\""));
    struct net_attach bad_mac = bad;
    bad_mac.mac = "01:00:00:00:00:00";
    CHECK(net_attach_container(&bad_mac, netns, &err) == -1 && err.code == ERR_BAD_REQUEST);
}

/* A program in the container's namespace that answers in the kernel's place: "there is no such link". */
static void test_forged_answer(void) {
    struct err err = {0};
    struct nl_link link = {0};
    auto_close int sock = nl_open(-1, &err), other = nl_open(-1, &err);
    struct sockaddr_nl own = {.nl_family = AF_NETLINK};
    socklen_t len = sizeof own;
    struct nl_batch forged = {0};
    CHECK(bind(sock, (struct sockaddr *)&own, sizeof own) == 0 &&
          getsockname(sock, (struct sockaddr *)&own, &len) == 0);
    nl_begin(&forged, NLMSG_ERROR, 0, &(struct nlmsgerr){.error = -ENODEV}, sizeof(struct nlmsgerr));
    CHECK(sendto(other, forged.data, forged.len, 0, (struct sockaddr *)&own, sizeof own) > 0);
    CHECK(nl_find_link(sock, "lo", &link, &err) == 0 && link.index == 1);
}

/* Found by fuzz_netlink: what is shorter than it says, or than its type, is not read. */
static void test_short_answers(void) {
    static const unsigned char padded[] = {0x17, 0, 0, 0, 0, 0, 0, 0xed, 0xff, 0xff, 0xff, 0,
                                           0,    0, 0, 2, 0, 5, 0, 1,    0,    0x10, 0};
    struct {
        struct nlmsghdr head;
        struct nlmsgerr body;
    } unheard_of = {{sizeof unheard_of, NLMSG_ERROR, 0, 0, 0}, {.error = INT32_MIN}};
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(send(pair[1], &unheard_of, sizeof unheard_of, 0) > 0);
    CHECK(nl_find_link(pair[0], "x", &(struct nl_link){0}, &(struct err){0}) == -1);
    (void)close(pair[0]);
    (void)close(pair[1]);
    for (size_t size = 1; size <= sizeof padded; size++) {
        struct err err = {0};
        struct nl_link link;
        struct nl_batch batch = {0};
        unsigned failed;
        int fds[2];
        CHECK(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
        CHECK(send(fds[1], padded, size, 0) > 0 && send(fds[1], padded, size, 0) > 0);
        nl_begin(&batch, RTM_NEWLINK, 0, &(struct ifinfomsg){0}, sizeof(struct ifinfomsg));
        CHECK(nl_find_link(fds[0], "x", &link, &err) == -1 &&
              nl_talk(fds[0], &batch, &failed, &err) == NL_BROKEN);
        (void)close(fds[0]);
        (void)close(fds[1]);
    }
}

int main(void) {
    struct err err = {0};
    test_short_answers();
    if (unshare(CLONE_NEWNET) < 0) {
        (void)printf("lib_netlink_test: skipped, needs root\n");
        return 0;
    }
    auto_close int first = own_netns();
    auto_close int netns = other_netns(first);
    CHECK(netns >= 0);
    CHECK(net_loopback_up(-1, &err) == 0 && net_loopback_up(netns, &err) == 0);
    test_forged_answer();
    test_bridge();
    test_attach(netns);
    CHECK(net_link_remove("hv0", &err) == 0 && net_link_remove("hv0", &err) == 0);
    CHECK(net_bridge_remove("htest0", &err) == 0 && net_bridge_remove("htest0", &err) == 0);
    CHECK(link_index(-1, "htest0") == 0);
    return checks_done("lib_netlink_test");
}
