/* net.connect, net.disconnect, net.route: interfaces of a container that runs already. In a worker, because a
 * namespace is entered and because taking a link away waits 20 ms for the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../lib/net_spec.h"
#include "../lib/netlink.h"
#include "helper.h"

/* The namespace of a container's process. Never the host's own: a pid that was given to somebody else in the
 * meantime must not cost the host its interfaces. */
static int open_netns(const struct json *request, struct err *err) {
    int64_t pid;
    char path[64];
    struct stat theirs, ours;
    if (json_need_int(request, "pid", 2, INT32_MAX, &pid, err) < 0)
        return -1;
    (void)snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &theirs) < 0)
        return err_sys_as(err, ERR_NOT_FOUND, errno, "cannot open the network namespace of process %d",
                          (int)pid);
    if (stat("/proc/self/ns/net", &ours) < 0 || ours.st_ino == theirs.st_ino)
        return err_set(err, ERR_BAD_REQUEST, "process %d has the host's network", (int)pid);
    return steal_fd(&fd);
}

int op_net_connect(struct op_call *call, struct json_out *reply, struct err *err) {
    const struct json *interface = NULL;
    struct net_attach net;
    (void)reply;
    auto_close int netns = open_netns(call->request, err);
    if (netns < 0 || json_need_object(call->request, "interface", &interface, err) < 0 ||
        net_spec_parse(interface, &net, err) < 0)
        return -1;
    return net_attach_container(&net, netns, err);
}

int op_net_disconnect(struct op_call *call, struct json_out *reply, struct err *err) {
    const char *ifname = NULL;
    (void)reply;
    auto_close int netns = open_netns(call->request, err);
    if (netns < 0 || json_need_string(call->request, "ifname", &ifname, err) < 0)
        return -1;
    return net_detach_container(ifname, netns, err);
}

int op_net_route(struct op_call *call, struct json_out *reply, struct err *err) {
    const char *ifname = NULL, *gateway = "", *gateway6 = "";
    (void)reply;
    auto_close int netns = open_netns(call->request, err);
    if (netns < 0 || json_need_string(call->request, "ifname", &ifname, err) < 0 ||
        json_opt_string(call->request, "gateway", &gateway, err) < 0 ||
        json_opt_string(call->request, "gateway6", &gateway6, err) < 0)
        return -1;
    return net_route_container(ifname, gateway, gateway6, netns, err);
}
