/* See mounts.h. Destinations are opened below the root first and mounted on by descriptor, so that what was
 * checked is what is mounted on. */
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "devices.h"
#include "kernel.h"
#include "protect.h"
#include "resolve.h"

struct setup {
    const struct spec *spec;
    const struct cgroup *cgroup;
    const int *next; /* the next source */
    int root, proc, dev, pts;
};

static int mount_proc(struct setup *s, struct err *err) {
    if (mounts_need_host_proc(s->spec))
        return 0; /* attached with the other sources, at the end */
    s->proc = k_new_mount("proc", NULL, MOUNT_ATTR_SAFE);
    return protect_attach(s->proc, s->proc < 0 ? -1 : resolve_plain_dir(s->root, "/proc", err), "/proc", err);
}

static int mount_below_dev(struct setup *s, const char *name, const char *type, const char *const options[],
                           unsigned attributes, int *keep, struct err *err) {
    auto_close int mount = k_new_mount(type, options, attributes);

    if (mount < 0 && errno == EPERM && strcmp(type, "mqueue") == 0)
        return 0; /* the ipc namespace belongs to another user namespace: queues by path are not to be had */
    if (mount < 0 || mkdirat(s->dev, name, 0755) || k_move_mount(mount, s->dev, name, 0))
        return err_sys(err, errno, "cannot mount \"/dev/%s\"", name);
    if (keep)
        *keep = steal_fd(&mount);
    return 0;
}

static int mount_dev(struct setup *s, struct err *err) {
    char shm_size[32];
    const char *dev_options[] = {"mode", "755", "size", "65536k", NULL};
    const char *pts_options[] = {"newinstance", NULL, "ptmxmode", "0666", "mode", "0620", "gid", "5", NULL};
    const char *shm_options[] = {"mode", "1777", "size", shm_size, NULL};
    const char *mqueue_options[] = {NULL};

    s->dev = k_new_mount("tmpfs", dev_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME);
    if (protect_attach(s->dev, s->dev < 0 ? -1 : resolve_plain_dir(s->root, "/dev", err), "/dev", err) ||
        devices_fill(s->spec, s->dev, s->root, &s->next, err))
        return -1;
    (void)snprintf(shm_size, sizeof(shm_size), "%lld", (long long)s->spec->shm_size);
    if (mount_below_dev(s, "pts", "devpts", pts_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, &s->pts,
                        err) ||
        mount_below_dev(s, "shm", "tmpfs", shm_options, MOUNT_ATTR_SAFE, NULL, err) ||
        mount_below_dev(s, "mqueue", "mqueue", mqueue_options, MOUNT_ATTR_SAFE, NULL, err))
        return -1;
    return 0;
}

/* The container sees its own groups where every runtime looks for its limits, read-only. `sources` are clones
 * of the group's own directories, so nothing above them can be reached. */
static int mount_cgroups(struct setup *s, const int *sources, struct err *err) {
    static const char path[] = "/sys/fs/cgroup";
    const char *options[] = {"mode", "755", "size", "64k", NULL};

    if (s->cgroup->version == 0)
        return 0;
    if (s->cgroup->version == 2)
        return protect_attach(sources[0], resolve_plain_dir(s->root, path, err), path, err);
    auto_close int tmpfs = k_new_mount("tmpfs", options, MOUNT_ATTR_SAFE);
    if (protect_attach(tmpfs, tmpfs < 0 ? -1 : resolve_plain_dir(s->root, path, err), path, err))
        return -1;
    for (int kind = 0; kind < CGROUP_KINDS; kind++) {
        const char *name = cgroup_controller_name(kind);
        if (s->cgroup->dir[kind] < 0)
            continue;
        if (mkdirat(tmpfs, name, 0755) || k_move_mount(*sources++, tmpfs, name, 0))
            return err_sys(err, errno, "cannot mount \"%s/%s\"", path, name);
    }
    if (k_mount_setattr(tmpfs, 0, MOUNT_ATTR_RDONLY, 0))
        return err_sys(err, errno, "cannot make \"%s\" read-only", path);
    return 0;
}

static int mount_sys(struct setup *s, const int *cgroup_sources, struct err *err) {
    if (!mounts_need_host_sys(s->spec)) {
        unsigned flags = MOUNT_ATTR_SAFE | (s->spec->privileged ? 0 : MOUNT_ATTR_RDONLY);
        auto_close int sys = k_new_mount("sysfs", NULL, flags);
        if (protect_attach(sys, sys < 0 ? -1 : resolve_plain_dir(s->root, "/sys", err), "/sys", err))
            return -1;
    }
    return mount_cgroups(s, cgroup_sources, err);
}

/* A volume on /proc or below it would let a container redirect what the shim and tools write there. */
static int refuse_proc(int target, const char *path, struct err *err) {
    struct statfs fs;

    if (fstatfs(target, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC)
        return err_set(err, ERR_BAD_REQUEST, "mount target \"%s\" lies in /proc", path);
    return 0;
}

static int make_tmpfs(const struct mount_spec *mount) {
    char size[32], mode[16], uid[16], gid[16];
    const char *options[] = {"mode", mode, "uid", uid, "gid", gid, mount->size ? "size" : NULL, size, NULL};
    unsigned attributes = (mount->suid ? 0 : MOUNT_ATTR_NOSUID) | (mount->dev ? 0 : MOUNT_ATTR_NODEV) |
                          (mount->noexec ? MOUNT_ATTR_NOEXEC : 0) | (mount->readonly ? MOUNT_ATTR_RDONLY : 0);

    (void)snprintf(size, sizeof(size), "%lld", (long long)mount->size);
    (void)snprintf(mode, sizeof(mode), "%o", mount->mode);
    (void)snprintf(uid, sizeof(uid), "%lld", (long long)mount->uid);
    (void)snprintf(gid, sizeof(gid), "%lld", (long long)mount->gid);
    return k_new_mount("tmpfs", options, attributes);
}

static int mount_volume(struct setup *s, const struct mount_spec *mount, struct err *err) {
    struct stat st;
    int source = mount->type == MOUNT_BIND ? *s->next++ : make_tmpfs(mount);

    auto_close int from = source;
    if (from < 0 || fstat(from, &st))
        return err_sys(err, errno, "cannot make the mount for \"%s\"", mount->target);
    int target = resolve_or_make(s->root, mount->target, S_ISDIR(st.st_mode), err);
    if (target >= 0 && refuse_proc(target, mount->target, err)) {
        (void)close(target);
        return -1;
    }
    return protect_attach(from, target, mount->target, err);
}

static int mount_host_views(struct setup *s, struct err *err) {
    if (mounts_need_host_sys(s->spec) &&
        protect_attach(*s->next++, resolve_plain_dir(s->root, "/sys", err), "/sys", err))
        return -1;
    if (mounts_need_host_proc(s->spec) &&
        protect_attach(*s->next++, resolve_plain_dir(s->root, "/proc", err), "/proc", err))
        return -1;
    return 0;
}

static int protect_paths(struct setup *s, struct err *err) {
    auto_close int empty = -1;

    for (char **path = s->spec->readonly; *path; path++)
        if (protect_readonly(s->root, *path, err))
            return -1;
    for (char **path = s->spec->masked; *path; path++)
        if (protect_mask(s->root, s->dev, *path, &empty, err))
            return -1;
    return 0;
}

/* Through the detached procfs of our own, never through a path of the image. */
static int write_sysctls(struct setup *s, struct err *err) {
    for (size_t i = 0; i < s->spec->sysctl_count; i++) {
        const struct pair_spec *sysctl = &s->spec->sysctls[i];
        char path[256];
        if (snprintf(path, sizeof(path), "sys/%s", sysctl->name) >= (int)sizeof(path))
            return err_set(err, ERR_BAD_REQUEST, "sysctl \"%s\" is too long", sysctl->name);
        for (char *p = path + 4; *p; p++)
            if (*p == '.')
                *p = '/';
        if (s->proc < 0)
            return err_set(err, ERR_UNSUPPORTED, "sysctls need a pid namespace of the container's own");
        auto_close int fd = openat(s->proc, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || write(fd, sysctl->value, strlen(sysctl->value)) < 0)
            return err_sys_as(err, ERR_UNSUPPORTED, errno, "cannot set sysctl \"%s\"", sysctl->name);
    }
    return 0;
}

static int set_up(struct setup *s, struct err *err) {
    const int *cgroup_sources;

    /* Nothing we do may show on the host. */
    if (k_mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
        return err_sys(err, errno, "cannot separate the container's mounts");
    if (k_move_mount(s->root, AT_FDCWD, "/", 0))
        return err_sys(err, errno, "cannot attach the container's root");
    cgroup_sources = s->next;
    for (int kind = 0; kind < CGROUP_KINDS; kind++)
        s->next += s->cgroup->dir[kind] >= 0;
    if (mount_proc(s, err) || mount_dev(s, err) || mount_sys(s, cgroup_sources, err))
        return -1;
    for (size_t i = 0; i < s->spec->mount_count; i++)
        if (mount_volume(s, &s->spec->mounts[i], err))
            return -1;
    if (mount_host_views(s, err) || write_sysctls(s, err))
        return -1;
    if (!s->spec->privileged && protect_paths(s, err))
        return -1;
    if (s->spec->root_readonly && k_mount_setattr(s->root, 0, MOUNT_ATTR_RDONLY, 0))
        return err_sys(err, errno, "cannot make the root read-only");
    return 0;
}

int mounts_set_up(const struct spec *spec, const struct cgroup *cgroup, int *fds, int *pts_fd,
                  struct err *err) {
    struct setup s = {
        .spec = spec, .cgroup = cgroup, .next = fds + 1, .root = fds[0], .proc = -1, .dev = -1, .pts = -1};

    mode_t mask = umask(0);
    int rc = set_up(&s, err);
    (void)umask(mask);
    *pts_fd = s.pts;
    if (s.proc >= 0)
        (void)close(s.proc);
    if (s.dev >= 0)
        (void)close(s.dev);
    return rc;
}

int mounts_set_console(int root_fd, int slave, struct err *err) {
    auto_close int dev = resolve_plain(root_fd, "/dev");
    auto_close int copy = k_open_tree(slave, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);

    if (dev < 0 || copy < 0)
        return err_sys(err, errno, "cannot make \"/dev/console\"");
    auto_close int file = openat(dev, "console", O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0600);
    /* A /dev of the image's own may have one, which must be no link. */
    int target = file >= 0 || errno == EEXIST ? resolve_plain(dev, "console") : -1;
    if (target < 0)
        return err_sys(err, errno, "cannot make \"/dev/console\"");
    return protect_attach(copy, target, "/dev/console", err);
}

int mounts_pivot(int root_fd, struct err *err) {
    /* pivot_root(".", ".") puts the old root on top of the new one, where it is detached at once. */
    if (fchdir(root_fd) || k_pivot_root(".", ".") || k_umount2(".", MNT_DETACH) || chdir("/"))
        return err_sys(err, errno, "cannot change to the container's root");
    return 0;
}
