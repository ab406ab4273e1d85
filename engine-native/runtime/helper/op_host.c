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

/* Where the kernel has no such family there is nothing to set. */
static void set_link(const char *family, const char *link, const char *name, const char *value) {
    char path[96];
    (void)snprintf(path, sizeof path, "/proc/sys/net/%s/conf/%s/%s", family, link, name);
    auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)!write(fd, value, strlen(value));
}

int op_net_ensure(struct op_call *call, struct json_out *reply, struct err *err) {
    const char *bridge = NULL, *address = "", *address6 = "";
    int64_t mtu = 0;
    (void)reply;
    if (json_need_string(call->request, "bridge", &bridge, err) < 0 ||
        json_opt_string(call->request, "address", &address, err) < 0 ||
        json_opt_string(call->request, "address6", &address6, err) < 0 ||
        json_opt_int(call->request, "mtu", 0, 65535, &mtu, err) < 0 ||
        net_bridge_ensure(bridge, address, address6, (unsigned)mtu, err) < 0)
        return -1;
    /* A container must not give the host a default route (CVE-2020-13401). */
    set_link("ipv6", bridge, "accept_ra", "0");
    /* So that 127.0.0.1:<port> can lead here; the rules drop such packets that come from elsewhere. */
    set_link("ipv4", bridge, "route_localnet", "1");
    return 0;
}

int op_net_remove(struct op_call *call, struct json_out *reply, struct err *err) {
    const char *bridge = NULL;
    (void)reply;
    return json_need_string(call->request, "bridge", &bridge, err) < 0 ? -1 : net_bridge_remove(bridge, err);
}

/* What may be set: a fixed list, `*` standing for one interface's name. */
static const struct {
    const char *name, *values;
} settable[] = {
    {"net.ipv4.ip_forward", "01"},
    {"net.ipv4.conf.*.route_localnet", "01"},
    {"net.ipv6.conf.all.forwarding", "01"},
    {"net.ipv6.conf.*.accept_ra", "012"},
};

static bool is_ifname(const char *name, size_t len) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    return len > 0 && len < 16 && strspn(name, plain) >= len;
}

static bool fits(const char *pattern, const char *name) {
    const char *star = strchr(pattern, '*');
    if (!star)
        return strcmp(pattern, name) == 0;
    size_t before = (size_t)(star - pattern), after = strlen(star + 1), len = strlen(name);
    return len > before + after && strncmp(name, pattern, before) == 0 &&
           strcmp(name + len - after, star + 1) == 0 && is_ifname(name + before, len - before - after);
}

/* The path below /proc/sys, and which digits are values; NULL when the name is not on the list. Interface
 * names with dots are not, so every dot is a slash. */
static const char *sysctl_path(const char *name, char *path, size_t size) {
    for (size_t i = 0; i < sizeof settable / sizeof *settable; i++) {
        if (!fits(settable[i].name, name))
            continue;
        int n = snprintf(path, size, "/proc/sys/%s", name);
        for (char *at = path + 10; *at; at++)
            if (*at == '.')
                *at = '/';
        return n < 0 || (size_t)n >= size ? NULL : settable[i].values;
    }
    return NULL;
}

int op_sysctl_set(struct op_call *call, struct json_out *reply, struct err *err) {
    const char *name = NULL, *value = NULL;
    char path[128];
    (void)reply;
    if (json_need_string(call->request, "name", &name, err) < 0 ||
        json_need_string(call->request, "value", &value, err) < 0)
        return -1;
    const char *values = sysctl_path(name, path, sizeof path);
    if (!values)
        return err_set(err, ERR_BAD_REQUEST, "sysctl \"%s\" is not on the list of what may be set", name);
    if (strlen(value) != 1 || !strchr(values, value[0]))
        return err_set(err, ERR_BAD_REQUEST, "sysctl \"%s\" must be one of the digits \"%s\"", name, values);
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
