/* The small ops on the host itself: hello in the loop, bridges and sysctls in a worker, since each may wait
 * for the kernel's network lock (removing a bridge holds it for 20 ms). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../lib/netlink.h"
#include "helper.h"
#include "idmap_probe.h"

#define CGROUP2_MAGIC 0x63677270

/* "v2" only where the unified hierarchy is the one at the usual place: beside v1 controllers it controls
 * nothing. */
static const char *cgroup_version(void) {
    struct statfs fs;
    return statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_MAGIC ? "v2" : "v1";
}

int op_hello(struct op_call *call, struct json_out *reply, struct err *err) {
    struct utsname name;
    if (uname(&name) < 0)
        return err_sys(err, errno, "cannot read the kernel's version");
    json_put_string(reply, "version", HELPER_VERSION);
    json_put_int(reply, "pid", getpid());
    json_put_string(reply, "cgroup", cgroup_version());
    json_put_string(reply, "kernel", name.release);
    json_put_bool(reply, "idmap", idmap_works(call->helper->root));
    return 0;
}

int op_net_ensure(struct op_call *call, struct json_out *reply, struct err *err) {
    const char *bridge = NULL, *address = "";
    int64_t mtu = 0;
    (void)reply;
    if (json_need_string(call->request, "bridge", &bridge, err) < 0 ||
        json_opt_string(call->request, "address", &address, err) < 0 ||
        json_opt_int(call->request, "mtu", 0, 65535, &mtu, err) < 0)
        return -1;
    return net_bridge_ensure(bridge, address, (unsigned)mtu, err);
}

int op_net_remove(struct op_call *call, struct json_out *reply, struct err *err) {
    const char *bridge = NULL;
    (void)reply;
    return json_need_string(call->request, "bridge", &bridge, err) < 0 ? -1 : net_bridge_remove(bridge, err);
}

/* The fixed list of what may be set: its path below /proc/sys, or -1. */
static int sysctl_path(const char *name, char *path, size_t size) {
    static const char conf[] = "net.ipv4.conf.", leaf[] = ".route_localnet";
    if (strcmp(name, "net.ipv4.ip_forward") == 0)
        return snprintf(path, size, "/proc/sys/net/ipv4/ip_forward");
    size_t len = strlen(name), fixed = sizeof conf - 1 + sizeof leaf - 1;
    if (len <= fixed || strncmp(name, conf, sizeof conf - 1) != 0 ||
        strcmp(name + len - (sizeof leaf - 1), leaf) != 0)
        return -1;
    int width = (int)(len - fixed);
    const char *link = name + sizeof conf - 1;
    for (int i = 0; i < width; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", link[i]))
            return -1;
    return width > 15 ? -1 : snprintf(path, size, "/proc/sys/net/ipv4/conf/%.*s/route_localnet", width, link);
}

int op_sysctl_set(struct op_call *call, struct json_out *reply, struct err *err) {
    const char *name = NULL, *value = NULL;
    char path[128];
    (void)reply;
    if (json_need_string(call->request, "name", &name, err) < 0 ||
        json_need_string(call->request, "value", &value, err) < 0)
        return -1;
    if (sysctl_path(name, path, sizeof path) < 0)
        return err_set(err, ERR_BAD_REQUEST, "sysctl \"%s\" is not on the list of what may be set", name);
    if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
        return err_set(err, ERR_BAD_REQUEST, "sysctl \"%s\" must be \"0\" or \"1\"", name);
    auto_close int fd = open(path, O_RDWR | O_CLOEXEC);
    char now = 0;
    if (fd < 0)
        return err_sys(err, errno, "cannot open sysctl \"%s\"", name);
    /* Writing ip_forward resets other settings even when it changes nothing; so only a change is written. */
    if (read(fd, &now, 1) == 1 && now == value[0])
        return 0;
    if (pwrite(fd, value, 1, 0) != 1)
        return err_sys(err, errno, "cannot set sysctl \"%s\"", name);
    return 0;
}
