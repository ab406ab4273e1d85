/* The runtime's half of filesystem.h. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../shim/devices.h"
#include "../shim/kernel.h"
#include "../shim/rootfs.h"
#include "filesystem.h"
#include "namespaces.h"

#define MS_SLAVE_FLAG (1UL << 19)

bool filesystem_is_cgroup(const struct oci_mount *mount) {
    return mount->type && !mount->bind &&
           (strcmp(mount->type, "cgroup") == 0 || strcmp(mount->type, "cgroup2") == 0);
}

bool filesystem_needs_host_view(const struct oci_config *config, const struct oci_mount *mount) {
    const struct oci_namespace *ns = config->namespaces;

    if (mount->bind || !mount->type || !ns[NS_USER].wanted)
        return false;
    if (strcmp(mount->type, "sysfs") == 0)
        return !ns[NS_NET].wanted || (ns[NS_NET].path && !ns[NS_USER].path);
    if (strcmp(mount->type, "proc") == 0)
        return !ns[NS_PID].wanted || (ns[NS_PID].path && !ns[NS_USER].path);
    return false;
}

bool filesystem_fills_dev(const struct oci_config *config) {
    for (size_t i = 0; i < config->mount_count; i++)
        if (config->mounts[i].bind && strcmp(config->mounts[i].destination, "/dev") == 0)
            return false;
    return true;
}

bool filesystem_owns_mounts(const struct oci_config *config) {
    return config->namespaces[NS_MOUNT].wanted && !config->namespaces[NS_MOUNT].path;
}

bool filesystem_opens_early(const struct oci_config *config, const struct oci_mount *mount) {
    return mount->bind &&
           (config->namespaces[NS_USER].wanted || mount->idmap || !filesystem_owns_mounts(config));
}

static size_t cgroup_dirs(const struct cgroup *cgroup) {
    size_t n = 0;

    for (int kind = 0; cgroup->version != 0 && kind < CGROUP_KINDS; kind++)
        n += cgroup->dir[kind] >= 0;
    return n;
}

static bool binds_devices(const struct oci_config *config) {
    return config->namespaces[NS_USER].wanted && filesystem_fills_dev(config);
}

size_t filesystem_source_count(const struct oci_config *config, const struct cgroup *cgroup) {
    size_t n = 1;

    for (size_t i = 0; i < config->mount_count; i++) {
        const struct oci_mount *mount = &config->mounts[i];
        n += filesystem_is_cgroup(mount)
                 ? cgroup_dirs(cgroup)
                 : filesystem_opens_early(config, mount) || filesystem_needs_host_view(config, mount);
    }
    if (binds_devices(config))
        n += DEFAULT_DEVICES + config->device_count;
    return n;
}

/* Nothing that is mounted inside may show on the host, whatever the host shares: a slave, unless config.json
 * names another propagation. */
static int open_detached(const char *path, bool recursive, struct err *err) {
    unsigned flags = recursive ? AT_RECURSIVE : 0;
    auto_close int fd = k_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | flags);

    if (fd < 0)
        return err_sys(err, errno, "cannot open mount source \"%s\"", path);
    return steal_fd(&fd);
}

static int map_owners(int fd, const struct oci_mount *mount, int userns_fd, struct err *err) {
    auto_close int own = -1;
    int through = userns_fd;

    if (mount->maps.uid_count > 0 || mount->maps.gid_count > 0) {
        own = namespaces_open_mapping(&mount->maps, err);
        if (own < 0)
            return -1;
        through = own;
    }
    if (through < 0)
        return err_set(err, ERR_BAD_REQUEST, "mount \"%s\": \"idmap\" needs mappings or a user namespace",
                       mount->destination);
    if (k_mount_setattr(fd, mount->idmap_recursive ? AT_RECURSIVE : 0, MOUNT_ATTR_IDMAP, (uint64_t)through))
        return err_sys_as(err, ERR_UNSUPPORTED, errno, "cannot map the owners of \"%s\" (idmapped mount)",
                          mount->source);
    return 0;
}

int filesystem_open_bind(const struct oci_mount *mount, int userns_fd, struct err *err) {
    auto_close int fd = open_detached(mount->source, mount->bind_recursive, err);

    if (fd < 0 || (mount->idmap && map_owners(fd, mount, userns_fd, err)))
        return -1;
    unsigned long propagation = mount->propagation ? mount->propagation : MS_SLAVE_FLAG;
    bool recursive = !mount->propagation || mount->is_propagation_recursive;
    if (k_mount_change(fd, recursive ? AT_RECURSIVE : 0, 0, 0, propagation) ||
        ((mount->set | mount->clear) && k_mount_change(fd, 0, mount->set, mount->clear, 0)) ||
        ((mount->recursive_set | mount->recursive_clear) &&
         k_mount_change(fd, AT_RECURSIVE, mount->recursive_set, mount->recursive_clear, 0)))
        return err_sys(err, errno, "cannot set the flags of mount \"%s\"", mount->destination);
    return steal_fd(&fd);
}

static int open_host_view(const struct oci_mount *mount, struct err *err) {
    auto_close int fd = open_detached(strcmp(mount->type, "proc") == 0 ? "/proc" : "/sys", true, err);

    if (fd < 0)
        return -1;
    if (k_mount_change(fd, AT_RECURSIVE, 0, 0, MS_SLAVE_FLAG) ||
        (mount->set && k_mount_change(fd, 0, mount->set, 0, 0)))
        return err_sys(err, errno, "cannot set the flags of mount \"%s\"", mount->destination);
    return steal_fd(&fd);
}

struct opening {
    int *fds;
    size_t count;
};

static int keep(struct opening *o, int fd) {
    if (fd < 0)
        return -1;
    o->fds[o->count++] = fd;
    return 0;
}

static int open_cgroups(struct opening *o, const struct oci_mount *mount, const struct cgroup *cgroup,
                        struct err *err) {
    for (int kind = 0; cgroup->version != 0 && kind < CGROUP_KINDS; kind++) {
        if (cgroup->dir[kind] < 0)
            continue;
        auto_close int fd = k_open_tree(cgroup->dir[kind], "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
        if (fd < 0 || k_mount_change(fd, 0, mount->set | MOUNT_ATTR_SAFE, 0, MS_SLAVE_FLAG))
            return err_sys(err, errno, "cannot open the cgroups for \"%s\"", mount->destination);
        (void)keep(o, steal_fd(&fd));
    }
    return 0;
}

static int open_devices(struct opening *o, const struct oci_config *config, struct err *err) {
    for (size_t i = 0; i < DEFAULT_DEVICES; i++) {
        const struct default_device *d = &default_devices[i];
        if (keep(o, rootfs_open_device(d->path, d->major, d->minor, 'c', err)))
            return -1;
    }
    for (size_t i = 0; i < config->device_count; i++) {
        const struct oci_device *d = &config->devices[i];
        if (d->type == S_IFIFO)
            return err_set(err, ERR_UNSUPPORTED, "device \"%s\": no FIFO can be bound into a user namespace",
                           d->path);
        if (keep(o, rootfs_open_device(d->path, (unsigned)d->major, (unsigned)d->minor,
                                       d->type == S_IFBLK ? 'b' : 'c', err)))
            return -1;
    }
    return 0;
}

static int open_mount(struct opening *o, const struct oci_config *config, const struct oci_mount *mount,
                      const struct cgroup *cgroup, int userns_fd, struct err *err) {
    if (filesystem_is_cgroup(mount))
        return open_cgroups(o, mount, cgroup, err);
    if (filesystem_opens_early(config, mount))
        return keep(o, filesystem_open_bind(mount, userns_fd, err));
    return filesystem_needs_host_view(config, mount) ? keep(o, open_host_view(mount, err)) : 0;
}

int filesystem_open_sources(const struct oci_config *config, const char *root, const struct cgroup *cgroup,
                            int userns_fd, int *fds, struct err *err) {
    struct opening o = {fds, 0};
    int root_fd = open_detached(root, true, err);
    int rc = keep(&o, root_fd);

    if (rc == 0 && k_mount_change(root_fd, AT_RECURSIVE, 0, 0, MS_SLAVE_FLAG))
        rc = err_sys(err, errno, "cannot separate the mounts of root \"%s\"", root);
    for (size_t i = 0; rc == 0 && i < config->mount_count; i++)
        rc = open_mount(&o, config, &config->mounts[i], cgroup, userns_fd, err);
    if (rc == 0 && binds_devices(config))
        rc = open_devices(&o, config, err);
    while (rc && o.count > 0)
        (void)close(fds[--o.count]);
    return rc;
}
