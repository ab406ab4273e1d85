/* The child's half of filesystem.h. Destinations are opened below the root first and mounted on by
 * descriptor. */
#include "filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../shim/devices.h"
#include "../shim/kernel.h"
#include "../shim/mounts.h"
#include "../shim/protect.h"
#include "../shim/resolve.h"

#define FSCONFIG_VALUE_MAX 255 /* longer values of fsconfig are refused by the kernel */

struct setup {
    const struct oci_config *config;
    const struct cgroup *cgroup;
    const int *next; /* the next source */
    int root;
};

/* What may cover a file of /proc: resource views of the kind lxcfs gives. Anything else there would redirect
 * what the runtime and tools read and write. */
static bool may_cover_proc(const char *path) {
    static const char *const allowed[] = {"cpuinfo",
                                          "diskstats",
                                          "meminfo",
                                          "stat",
                                          "swaps",
                                          "uptime",
                                          "loadavg",
                                          "slabinfo",
                                          "net/dev",
                                          "sys/kernel/ns_last_pid",
                                          "sys/crypto/fips_enabled"};

    path += strspn(path, "/");
    if (strncmp(path, "proc/", 5) != 0)
        return false;
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        if (strcmp(path + 5, allowed[i]) == 0)
            return true;
    return false;
}

static bool is_proc(int fd) {
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

static int check_target(int target, bool gives_proc, const char *path, struct err *err) {
    const char *name = path + strspn(path, "/");
    bool is_root_of_proc = strcmp(name, "proc") == 0 || strcmp(name, "proc/") == 0;

    if (is_root_of_proc && !gives_proc)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" cannot be mounted because it is not of type proc", path);
    if (!is_root_of_proc && is_proc(target) && !may_cover_proc(path))
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" cannot be mounted because it is inside /proc", path);
    return 0;
}

/* Through a path of our own tree, for values that fsconfig does not take. */
static int mount_long(const struct oci_mount *mount, int target, struct err *err) {
    char path[64], data[4096];
    size_t len = 0;

    data[0] = '\0';
    for (size_t i = 0; i < mount->option_count && len < sizeof(data); i++) {
        const char *key = mount->options[2 * i], *value = mount->options[2 * i + 1];
        len += (size_t)snprintf(data + len, sizeof(data) - len, "%s%s%s%s", i ? "," : "", key,
                                value ? "=" : "", value ? value : "");
    }
    if (len >= sizeof(data))
        return err_set(err, ERR_BAD_REQUEST, "the options of mount \"%s\" are too long", mount->destination);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", target);
    if (k_mount(mount->source ? mount->source : mount->type, path, mount->type, 0, data))
        return err_sys(err, errno, "cannot mount \"%s\"", mount->destination);
    return 0;
}

static bool needs_long(const struct oci_mount *mount) {
    for (size_t i = 0; i < mount->option_count; i++)
        if (mount->options[2 * i + 1] && strlen(mount->options[2 * i + 1]) > FSCONFIG_VALUE_MAX)
            return true;
    return false;
}

static int make_filesystem(const struct oci_mount *mount, struct err *err) {
    auto_close int fs = k_fsopen(mount->type);

    if (fs < 0)
        return err_sys(err, errno, "cannot mount \"%s\": filesystem \"%s\"", mount->destination, mount->type);
    (void)k_fsconfig(fs, FSCONFIG_SET_STRING, "source", mount->source ? mount->source : mount->type);
    for (size_t i = 0; i < mount->option_count; i++) {
        const char *key = mount->options[2 * i], *value = mount->options[2 * i + 1];
        if (k_fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value))
            return err_sys(err, errno, "cannot mount \"%s\": option \"%s\"", mount->destination, key);
    }
    if (k_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL))
        return err_sys(err, errno, "cannot mount \"%s\"", mount->destination);
    int fd = k_fsmount(fs, (unsigned)mount->set);
    return fd < 0 ? err_sys(err, errno, "cannot mount \"%s\"", mount->destination) : fd;
}

/* proc and sysfs never follow a link of the image: what is written there must be the kernel's. */
static int open_target(struct setup *s, const struct oci_mount *mount, bool directory, struct err *err) {
    char path[PATH_MAX];
    bool is_kernel_view =
        mount->type && (strcmp(mount->type, "proc") == 0 || strcmp(mount->type, "sysfs") == 0);

    /* A relative destination is one from the root, as older tools write it. */
    if (snprintf(path, sizeof(path), "/%s", mount->destination + strspn(mount->destination, "/")) >=
        (int)sizeof(path))
        return err_set(err, ERR_BAD_REQUEST, "mount destination \"%s\" is too long", mount->destination);
    return is_kernel_view ? resolve_plain_dir(s->root, path, err)
                          : resolve_or_make(s->root, path, directory, err);
}

static int mount_filesystem(struct setup *s, const struct oci_mount *mount, struct err *err) {
    auto_close int target = open_target(s, mount, true, err);

    if (target < 0)
        return -1;
    bool gives_proc = strcmp(mount->type, "proc") == 0;
    if (check_target(target, gives_proc, mount->destination, err))
        return -1;
    if (needs_long(mount))
        return mount_long(mount, target, err);
    auto_close int fd = make_filesystem(mount, err);
    if (fd < 0)
        return -1;
    if (mount->copy_up && copy_up(target, fd, mount->destination, err))
        return -1;
    if (protect_attach(fd, steal_fd(&target), mount->destination, err))
        return -1;
    unsigned flags = mount->is_propagation_recursive ? AT_RECURSIVE : 0;
    if (mount->propagation && k_mount_change(fd, flags, 0, 0, mount->propagation))
        return err_sys(err, errno, "cannot set the propagation of \"%s\"", mount->destination);
    return 0;
}

static int mount_source(struct setup *s, const struct oci_mount *mount, struct err *err) {
    bool is_late = mount->bind && !filesystem_opens_early(s->config, mount);
    auto_close int fd = is_late ? filesystem_open_bind(mount, -1, err) : *s->next++;
    struct stat st;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st))
        return err_sys(err, errno, "cannot look at the source of \"%s\"", mount->destination);
    auto_close int target = open_target(s, mount, S_ISDIR(st.st_mode), err);
    if (target < 0 || check_target(target, is_proc(fd), mount->destination, err))
        return -1;
    return protect_attach(fd, steal_fd(&target), mount->destination, err);
}

/* A controller is found under its own name, and under the names of all that share its hierarchy
 * ("cpu,cpuacct"). */
static int attach_controller(int tmpfs, int kind, int source, struct err *err) {
    const char *name = cgroup_controller_name(kind);
    char path[320], joined[128] = "";

    (void)snprintf(path, sizeof(path), "%s/%s", cgroup_mount, name);
    ssize_t n = readlink(path, joined, sizeof(joined) - 1);
    const char *directory = n > 0 && !strchr(joined, '/') ? joined : name;
    if (source >= 0 && (mkdirat(tmpfs, directory, 0755) || k_move_mount(source, tmpfs, directory, 0)))
        return err_sys(err, errno, "cannot mount the container's cgroup \"%s\"", name);
    if (directory == joined && symlinkat(joined, tmpfs, name) && errno != EEXIST)
        return err_sys(err, errno, "cannot link the container's cgroup \"%s\"", name);
    return 0;
}

static int mount_cgroups(struct setup *s, const struct oci_mount *mount, struct err *err) {
    static const char *const options[] = {"mode", "755", NULL};

    if (s->cgroup->version == 2)
        return mount_source(s, mount, err);
    auto_close int tmpfs = k_new_mount("tmpfs", options, MOUNT_ATTR_SAFE);
    if (tmpfs < 0)
        return err_sys(err, errno, "cannot mount \"%s\"", mount->destination);
    if (protect_attach(tmpfs, open_target(s, mount, true, err), mount->destination, err))
        return -1;
    for (int kind = 0; s->cgroup->version == 1 && kind < CGROUP_KINDS; kind++) {
        auto_close int source = s->cgroup->dir[kind] >= 0 ? *s->next++ : -1;
        if (attach_controller(tmpfs, kind, source, err))
            return -1;
    }
    if ((mount->set & MOUNT_ATTR_RDONLY) && k_mount_setattr(tmpfs, 0, MOUNT_ATTR_RDONLY, 0))
        return err_sys(err, errno, "cannot make \"%s\" read-only", mount->destination);
    return 0;
}

/* ---- devices ---- */

static int make_node(int dir, const char *name, const struct oci_device *d, struct err *err) {
    dev_t number = makedev((unsigned)d->major, (unsigned)d->minor);
    struct stat st;

    if (mknodat(dir, name, d->type | (mode_t)d->mode, number)) {
        if (errno != EEXIST || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
            return err_sys(err, errno, "cannot make device \"%s\"", d->path);
        if ((st.st_mode & S_IFMT) != d->type || (d->type != S_IFIFO && st.st_rdev != number))
            return err_set(err, ERR_BAD_REQUEST, "\"%s\" is there already and is not that device", d->path);
    }
    /* By descriptor: in a folder that another container writes to, the name may be a link to the host by now.
     */
    char path[32];
    auto_close int node = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (node < 0 || fstat(node, &st) || (st.st_mode & S_IFMT) != d->type)
        return err_set(err, ERR_BAD_REQUEST, "device \"%s\" was replaced while it was made", d->path);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", node);
    if (chmod(path, (mode_t)d->mode) || fchownat(node, "", d->uid, d->gid, AT_EMPTY_PATH))
        return err_sys(err, errno, "cannot set the owner of device \"%s\"", d->path);
    return 0;
}

static int make_device(struct setup *s, const struct oci_device *d, struct err *err) {
    char parent[PATH_MAX];
    const char *slash = strrchr(d->path, '/');
    size_t len = (size_t)(slash - d->path);

    if (len >= sizeof(parent) || slash[1] == '\0')
        return err_set(err, ERR_BAD_REQUEST, "device path \"%s\" cannot be made", d->path);
    (void)snprintf(parent, sizeof(parent), "%.*s/", (int)len, d->path);
    auto_close int dir = resolve_or_make(s->root, parent, true, err);
    if (dir < 0)
        return -1;
    if (!s->config->namespaces[NS_USER].wanted)
        return make_node(dir, slash + 1, d, err);
    auto_close int source = *s->next++;
    auto_close int file =
        openat(dir, slash + 1, O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_RDONLY | O_NONBLOCK, 0666);
    if (file < 0 || k_move_mount(source, dir, slash + 1, 0))
        return err_sys(err, errno, "cannot make device \"%s\"", d->path);
    return 0;
}

static bool is_configured(const struct oci_config *config, const char *path) {
    for (size_t i = 0; i < config->device_count; i++)
        if (strcmp(config->devices[i].path, path) == 0)
            return true;
    return false;
}

static int fill_dev(struct setup *s, struct err *err) {
    for (size_t i = 0; i < DEFAULT_DEVICES; i++) {
        struct oci_device d = {
            default_devices[i].path, S_IFCHR, default_devices[i].major, default_devices[i].minor, 0666, 0, 0};
        if (is_configured(s->config, d.path))
            s->next += s->config->namespaces[NS_USER].wanted; /* as config.json has it */
        else if (make_device(s, &d, err))
            return -1;
    }
    for (size_t i = 0; i < s->config->device_count; i++)
        if (make_device(s, &s->config->devices[i], err))
            return -1;
    auto_close int dev = resolve_plain(s->root, "/dev");
    for (const struct device_link *link = device_links; dev >= 0 && link->name; link++) {
        /* A /dev of the image's own keeps what it has, but ptmx must be the container's. */
        if (strcmp(link->name, "ptmx") == 0)
            (void)unlinkat(dev, link->name, 0);
        if (symlinkat(link->target, dev, link->name) && errno != EEXIST)
            return err_sys(err, errno, "cannot link \"/dev/%s\"", link->name);
    }
    return 0;
}

/* At its own path, where hooks that enter the mount namespace look for it; on / when that path is out of
 * reach (a user namespace below a private folder). */
static int attach_root(struct setup *s, const char *root, struct err *err) {
    if (filesystem_owns_mounts(s->config) && k_mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
        return err_sys(err, errno, "cannot separate the container's mounts");
    if (k_move_mount(s->root, AT_FDCWD, root, 0) == 0)
        return 0;
    if (!filesystem_owns_mounts(s->config) || k_move_mount(s->root, AT_FDCWD, "/", 0))
        return err_sys(err, errno, "cannot attach the container's root \"%s\"", root);
    return 0;
}

static int set_up(struct setup *s, const char *root, struct err *err) {
    if (attach_root(s, root, err))
        return -1;
    for (size_t i = 0; i < s->config->mount_count; i++) {
        const struct oci_mount *mount = &s->config->mounts[i];
        int rc = filesystem_is_cgroup(mount) ? mount_cgroups(s, mount, err)
                 : mount->bind || filesystem_needs_host_view(s->config, mount)
                     ? mount_source(s, mount, err)
                     : mount_filesystem(s, mount, err);
        if (rc)
            return -1;
    }
    return filesystem_fills_dev(s->config) ? fill_dev(s, err) : 0;
}

int filesystem_set_up(const struct oci_config *config, const char *root, const struct cgroup *cgroup,
                      const int *fds, struct err *err) {
    struct setup s = {.config = config, .cgroup = cgroup, .next = fds + 1, .root = fds[0]};
    mode_t mask = umask(0);
    int rc = set_up(&s, root, err);

    (void)umask(mask);
    return rc;
}

/* ---- after the hooks ---- */

/* Through the host's own /proc, while it is still in sight: never through a path of the image. */
static int write_sysctls(const struct oci_config *config, struct err *err) {
    auto_close int base = config->sysctl_count > 0 ? open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;

    for (size_t i = 0; i < config->sysctl_count; i++) {
        const struct pair_spec *sysctl = &config->sysctls[i];
        char path[256];
        size_t len = strlen(sysctl->name);
        if (len >= sizeof(path))
            return err_set(err, ERR_BAD_REQUEST, "sysctl \"%s\" is too long", sysctl->name);
        memcpy(path, sysctl->name, len + 1);
        for (char *p = path; !strchr(sysctl->name, '/') && (p = strchr(p, '.'));)
            *p = '/';
        auto_close int fd = openat(base, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || !is_proc(fd) || write(fd, sysctl->value, strlen(sysctl->value)) < 0)
            return err_sys_as(err, ERR_UNSUPPORTED, errno, "cannot set sysctl \"%s\"", sysctl->name);
    }
    return 0;
}

static int protect_paths(const struct oci_config *config, int root, struct err *err) {
    auto_close int empty = -1;
    auto_close int dev = resolve_plain(root, "/dev");

    for (char **path = config->readonly; *path; path++)
        if (protect_readonly(root, *path, err))
            return -1;
    for (char **path = config->masked; *path; path++)
        if (protect_mask(root, dev, *path, &empty, err))
            return -1;
    return 0;
}

static int change_root(int root_fd, bool pivot, struct err *err) {
    if (pivot)
        return mounts_pivot(root_fd, err);
    if (fchdir(root_fd) || chroot(".") || chdir("/"))
        return err_sys(err, errno, "cannot change to the container's root");
    return 0;
}

int filesystem_enter(const struct oci_config *config, int root_fd, bool no_pivot, struct err *err) {
    bool has_mounts = filesystem_owns_mounts(config);

    if (write_sysctls(config, err) || protect_paths(config, root_fd, err))
        return -1;
    if (config->root_readonly && k_mount_setattr(root_fd, 0, MOUNT_ATTR_RDONLY, 0))
        return err_sys(err, errno, "cannot make the root read-only");
    if (change_root(root_fd, has_mounts && !no_pivot, err))
        return -1;
    if (has_mounts && config->root_propagation && k_mount(NULL, "/", NULL, config->root_propagation, NULL))
        return err_sys(err, errno, "cannot set the propagation of the root");
    return 0;
}
