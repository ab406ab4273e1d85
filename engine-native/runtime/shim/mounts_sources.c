/* The shim's side of mounts.h: opens every source in the agreed order. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "devices.h"
#include "mounts.h"
#include "rootfs.h"

/* A user namespace may mount proc and sysfs only for pid and network namespaces that it owns. */
bool mounts_need_host_sys(const struct spec *spec) {
    return spec->userns && spec->namespaces.net;
}

bool mounts_need_host_proc(const struct spec *spec) {
    bool is_owner =
        spec->userns_path && strcmp(spec->namespaces.pid ? spec->namespaces.pid : "", "host") != 0;

    return spec->userns && spec->namespaces.pid && !is_owner;
}

size_t mounts_source_count(const struct spec *spec, const struct cgroup *cgroup) {
    size_t n = 1;

    for (int kind = 0; kind < CGROUP_KINDS; kind++)
        n += cgroup->dir[kind] >= 0;
    if (spec->userns)
        n += DEFAULT_DEVICES + spec->device_count;
    for (size_t i = 0; i < spec->mount_count; i++)
        n += spec->mounts[i].type == MOUNT_BIND;
    return n + mounts_need_host_sys(spec) + mounts_need_host_proc(spec);
}

static int open_devices(const struct spec *spec, int *fds, size_t *n, struct err *err) {
    for (size_t i = 0; i < DEFAULT_DEVICES; i++) {
        const struct default_device *d = &default_devices[i];
        if ((fds[*n] = rootfs_open_device(d->path, d->major, d->minor, 'c', err)) < 0)
            return -1;
        (*n)++;
    }
    for (size_t i = 0; i < spec->device_count; i++) {
        const struct device_spec *d = &spec->devices[i];
        if ((fds[*n] = rootfs_open_device(d->source, (unsigned)d->major, (unsigned)d->minor, d->type, err)) <
            0)
            return -1;
        (*n)++;
    }
    return 0;
}

static int open_each(const struct spec *spec, const struct cgroup *cgroup, int userns_fd, int *fds, size_t *n,
                     struct err *err) {
    if ((fds[*n] = rootfs_open(spec, userns_fd, err)) < 0)
        return -1;
    (*n)++;
    for (int kind = 0; kind < CGROUP_KINDS; kind++) {
        if (cgroup->dir[kind] < 0)
            continue;
        if ((fds[*n] = rootfs_open_readonly(cgroup->dir[kind], "", err)) < 0)
            return -1;
        (*n)++;
    }
    if (spec->userns && open_devices(spec, fds, n, err))
        return -1;
    for (size_t i = 0; i < spec->mount_count; i++) {
        if (spec->mounts[i].type != MOUNT_BIND)
            continue;
        if ((fds[*n] = rootfs_open_bind(&spec->mounts[i], userns_fd, err)) < 0)
            return -1;
        (*n)++;
    }
    if (mounts_need_host_sys(spec)) {
        const char *net = spec->namespaces.net;
        fds[*n] = strcmp(net, "host") == 0 ? rootfs_open_readonly(AT_FDCWD, "/sys", err)
                                           : rootfs_open_sysfs(net, err);
        if (fds[*n] < 0)
            return -1;
        (*n)++;
    }
    if (mounts_need_host_proc(spec)) {
        if ((fds[*n] = rootfs_open_readonly(AT_FDCWD, "/proc", err)) < 0)
            return -1;
        (*n)++;
    }
    return 0;
}

int mounts_open_sources(const struct spec *spec, const struct cgroup *cgroup, int userns_fd, int *fds,
                        struct err *err) {
    size_t n = 0;

    if (open_each(spec, cgroup, userns_fd, fds, &n, err) == 0)
        return 0;
    while (n > 0)
        (void)close(fds[--n]);
    return -1;
}
