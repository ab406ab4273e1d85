/* See rootfs.h. */
#include "rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "kernel.h"
#include "sync.h"

#define LAYERS_MAX 512
/* A layer on a dead disk must end a start before the shim's own limit does. */
#define ASSEMBLE_TIMEOUT_MS 10000

/* Open layers: every lower, and the directory that holds upper and work (overlayfs wants those two on one
 * mount). */
struct layers {
    int lower[LAYERS_MAX];
    size_t lower_count;
    int state;
    const char *upper_name, *work_name;
};

static void close_layers(struct layers *layers) {
    for (size_t i = 0; i < layers->lower_count; i++)
        (void)close(layers->lower[i]);
    if (layers->state >= 0)
        (void)close(layers->state);
}
#define auto_layers __attribute__((cleanup(close_layers)))

/* All of a tree, or, where a mount below the folder cannot be mapped (/proc below "/", a FUSE mount below a
 * home), the folder's own filesystem: what cannot be mapped shows its owners as nobody. */
static int map_owners(int fd, unsigned flags, int userns_fd) {
    if (k_mount_setattr(fd, flags, MOUNT_ATTR_IDMAP, (uint64_t)userns_fd) == 0)
        return 0;
    if (errno != EINVAL || !(flags & AT_RECURSIVE))
        return -1;
    return k_mount_setattr(fd, 0, MOUNT_ATTR_IDMAP, (uint64_t)userns_fd);
}

static int open_tree_mapped(const char *path, int userns_fd, unsigned flags, struct err *err) {
    auto_close int fd = k_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | flags);

    if (fd < 0)
        return err_sys(err, errno, "cannot open \"%s\"", path);
    if (userns_fd >= 0 && map_owners(fd, flags, userns_fd))
        return err_sys_as(err, ERR_UNSUPPORTED, errno, "cannot map the owners of \"%s\" (idmapped mount)",
                          path);
    return steal_fd(&fd);
}

static int open_layers(const struct spec *spec, int userns_fd, struct layers *layers, struct err *err) {
    char parent[PATH_MAX];
    const char *slash = strrchr(spec->upper, '/');
    size_t len = (size_t)(slash - spec->upper);

    layers->upper_name = slash + 1;
    layers->work_name = strrchr(spec->work, '/') + 1;
    if (strncmp(spec->upper, spec->work, len + 1) != 0 || strchr(spec->work + len + 1, '/') || len == 0 ||
        len >= sizeof(parent))
        return err_set(err, ERR_BAD_REQUEST, "upper \"%s\" and work \"%s\" must lie in one directory",
                       spec->upper, spec->work);
    memcpy(parent, spec->upper, len);
    parent[len] = '\0';
    layers->state = open_tree_mapped(parent, userns_fd, 0, err);
    if (layers->state < 0)
        return -1;
    for (size_t i = 0; i < spec->lower_count; i++) {
        int fd = open_tree_mapped(spec->lower[i], userns_fd, 0, err);
        if (fd < 0)
            return -1;
        layers->lower[layers->lower_count++] = fd;
    }
    return 0;
}

/* Overlayfs makes its work directory, and does everything later on, with the credentials of whoever mounts
 * it. On idmapped layers root's own uid has no meaning, so the mapped root must mount, with root's
 * capabilities: changing fsuid drops the filesystem capabilities, hence the capset behind it. */
static void become_mapped_root(uint32_t id) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];

    (void)syscall(SYS_setfsgid, id);
    (void)syscall(SYS_setfsuid, id);
    if (syscall(SYS_capget, &head, data) == 0) {
        data[0].effective = data[0].permitted;
        data[1].effective = data[1].permitted;
        (void)syscall(SYS_capset, &head, data);
    }
}

/* A volatile overlay leaves a mark that refuses the next mount, because a crash may have lost writes. Whoever
 * asks for volatile again has decided that (a rebooted host makes its containers anew). */
static void clear_volatile_mark(const struct spec *spec) {
    char path[PATH_MAX];

    if (spec->root_volatile &&
        snprintf(path, sizeof(path), "%s/work/incompat/volatile/dirty", spec->work) < (int)sizeof(path) &&
        unlink(path) == 0) {
        *strrchr(path, '/') = '\0';
        (void)rmdir(path);
    }
}

static int configure_overlay(int fs, const struct layers *layers, const struct spec *spec) {
    char path[64 + NAME_MAX];

    (void)k_fsconfig(fs, FSCONFIG_SET_STRING, "source", "overlay"); /* what df shows */
    for (size_t i = 0; i < layers->lower_count; i++) {
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", layers->lower[i]);
        if (k_fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir+", path))
            return -1;
    }
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", layers->state, layers->upper_name);
    if (k_fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", path))
        return -1;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", layers->state, layers->work_name);
    if (k_fsconfig(fs, FSCONFIG_SET_STRING, "workdir", path))
        return -1;
    /* A renamed directory must stay a whole directory in upper: layers are made from it. */
    if (k_fsconfig(fs, FSCONFIG_SET_STRING, "redirect_dir", "off"))
        return -1;
    if (spec->root_volatile && k_fsconfig(fs, FSCONFIG_SET_FLAG, "volatile", NULL))
        return -1;
    return k_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL);
}

/* Device nodes of an image must not work in a user namespace, whose root could not have made them. */
static unsigned root_attributes(const struct spec *spec) {
    return spec->userns ? MOUNT_ATTR_NODEV : 0;
}

/* Overlayfs takes layers on detached mounts from Linux 6.15 on. Asked rather than tried: an older kernel
 * writes a line to its log at every attempt. */
static bool takes_detached_layers(void) {
    struct utsname name;
    char *end;

    if (uname(&name))
        return false;
    long major = strtol(name.release, &end, 10);
    long minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
    return major > 6 || (major == 6 && minor >= 15);
}

int rootfs_open(const struct spec *spec, int userns_fd, struct err *err) {
    clear_volatile_mark(spec);
    if (takes_detached_layers()) {
        auto_layers struct layers layers = {.state = -1};
        auto_close int fs = k_fsopen("overlay");
        int rc;

        if (fs < 0)
            return err_sys_as(err, ERR_UNSUPPORTED, errno, "the kernel has no overlay filesystem");
        if (open_layers(spec, userns_fd, &layers, err))
            return -1;
        if (spec->userns)
            become_mapped_root(spec->userns_base);
        rc = configure_overlay(fs, &layers, spec);
        int saved = errno;
        int root = rc == 0 ? k_fsmount(fs, root_attributes(spec)) : -1;
        if (rc == 0)
            saved = errno;
        if (spec->userns)
            become_mapped_root(0);
        if (root >= 0)
            return root;
        return err_sys(err, saved, "cannot mount the layers of \"%s\"", spec->id);
    }
    return rootfs_open_by_path(spec, userns_fd, err);
}

static int attach_layer(int tree, const char *name, struct err *err) {
    if (mkdir(name, 0700) || k_move_mount(tree, AT_FDCWD, name, 0))
        return err_sys(err, errno, "cannot attach layer \"%s\"", name);
    return 0;
}

/* Runs in the short-lived process: names of layers are their numbers, because mount(2) takes one page of
 * options. */
static int mount_by_path(const struct spec *spec, int userns_fd, struct err *err) {
    auto_layers struct layers layers = {.state = -1};
    char options[4096];
    size_t len = 0;

    if (unshare(CLONE_NEWNS) || k_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
        return err_sys(err, errno, "cannot make a private mount namespace");
    if (open_layers(spec, userns_fd, &layers, err))
        return -1;
    if (k_mount("tmpfs", spec->run_dir, "tmpfs", 0, "size=1m,mode=0711") || chdir(spec->run_dir))
        return err_sys(err, errno, "cannot use \"%s\" to assemble the layers", spec->run_dir);
    if (mkdir("merged", 0755) || attach_layer(layers.state, "s", err))
        return err->code ? -1 : err_sys(err, errno, "cannot make \"merged\"");
    len += (size_t)snprintf(options, sizeof(options),
                            "upperdir=s/%s,workdir=s/%s,redirect_dir=off%s,lowerdir=", layers.upper_name,
                            layers.work_name, spec->root_volatile ? ",volatile" : "");
    for (size_t i = 0; i < layers.lower_count && len < sizeof(options); i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "%zu", i);
        if (attach_layer(layers.lower[i], name, err))
            return -1;
        len += (size_t)snprintf(options + len, sizeof(options) - len, "%s%s", i ? ":" : "", name);
    }
    if (len >= sizeof(options))
        return err_set(err, ERR_UNSUPPORTED, "this kernel takes fewer layers than %zu", layers.lower_count);
    if (spec->userns)
        become_mapped_root(spec->userns_base);
    if (k_mount("overlay", "merged", "overlay", spec->userns ? MS_NODEV : 0, options))
        return err_sys_as(err, userns_fd >= 0 ? ERR_UNSUPPORTED : ERR_INTERNAL, errno,
                          "cannot mount the layers of \"%s\"", spec->id);
    if (spec->userns)
        become_mapped_root(0);
    int root = k_open_tree(AT_FDCWD, "merged", OPEN_TREE_CLONE);
    return root < 0 ? err_sys(err, errno, "cannot detach the mounted layers") : root;
}

int rootfs_open_by_path(const struct spec *spec, int userns_fd, struct err *err) {
    int pair[2];
    int root = -1;

    clear_volatile_mark(spec);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return err_sys(err, errno, "cannot make a socket pair");
    pid_t pid = fork();
    if (pid == 0) {
        struct err failure = {0};
        int fd = mount_by_path(spec, userns_fd, &failure);
        if (fd < 0)
            sync_send_failure(pair[1], &failure);
        else
            (void)sync_send(pair[1], SYNC_STDIO, &fd, 1, &failure);
        _exit(0);
    }
    (void)close(pair[1]);
    int rc = pid < 0 ? err_sys(err, errno, "cannot fork")
                     : sync_receive(pair[0], SYNC_STDIO, &root, 1, ASSEMBLE_TIMEOUT_MS, err);
    if (rc == 1)
        (void)err_set(err, ERR_INTERNAL, "the process that mounts the layers died");
    (void)close(pair[0]);
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    return rc == 0 ? root : -1;
}

/* A folder of a volume. Who fills the volume may put links there: none of them leads out of it. */
static int open_subpath(const struct mount_spec *mount, int userns_fd, struct err *err) {
    char path[32];
    auto_close int source = open(mount->source, O_PATH | O_DIRECTORY | O_CLOEXEC);
    auto_close int fd = source < 0 ? -1
                                   : k_openat2(source, mount->subpath, O_PATH | O_CLOEXEC, 0,
                                               RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);

    if (fd < 0)
        return err_sys_as(err, ERR_BAD_REQUEST, errno, "cannot open subpath \"%s\" of the volume at \"%s\"",
                          mount->subpath, mount->target);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open_tree_mapped(path, mount->idmap ? userns_fd : -1, AT_RECURSIVE, err);
}

/* A mount of another container (its /dev/shm) can be cloned only from inside its mount namespace. The path is
 * that container's own: a link in it leads nowhere else, and the last name is none. */
static int open_elsewhere(const struct mount_spec *mount, struct err *err) {
    auto_close int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    auto_close int other = open(mount->mount_namespace, O_RDONLY | O_CLOEXEC);

    if (own < 0 || other < 0 || setns(other, CLONE_NEWNS))
        return err_sys(err, errno, "cannot join namespace \"%s\"", mount->mount_namespace);
    int fd = k_open_tree(AT_FDCWD, mount->source, OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW);
    int saved = errno;
    if (setns(own, CLONE_NEWNS)) {
        if (fd >= 0)
            (void)close(fd);
        return err_sys(err, errno, "cannot come back from namespace \"%s\"", mount->mount_namespace);
    }
    return fd < 0 ? err_sys(err, saved, "cannot clone \"%s\" of another container", mount->source) : fd;
}

static int open_source(const struct mount_spec *mount, int userns_fd, struct err *err) {
    if (mount->mount_namespace)
        return open_elsewhere(mount, err);
    if (mount->subpath[0])
        return open_subpath(mount, userns_fd, err);
    unsigned recursive = mount->recursive ? AT_RECURSIVE : 0;
    int fd = open_tree_mapped(mount->source, mount->idmap ? userns_fd : -1, recursive, err);
    if (fd < 0 && err->code == ERR_UNSUPPORTED)
        return err_set(err, ERR_UNSUPPORTED,
                       "the filesystem of \"%s\" cannot map owners; bind it with the option \"noidmap\" to "
                       "see it with its own",
                       mount->source);
    return fd;
}

int rootfs_open_bind(const struct mount_spec *mount, int userns_fd, struct err *err) {
    auto_close int fd = open_source(mount, userns_fd, err);
    /* A volume never brings device nodes in. */
    uint64_t attributes = MOUNT_ATTR_NODEV | (mount->readonly ? MOUNT_ATTR_RDONLY : 0);

    if (fd < 0)
        return -1;
    if (k_mount_setattr(fd, AT_RECURSIVE, attributes, 0))
        return err_sys(err, errno, "cannot set the flags of mount \"%s\"", mount->target);
    /* Private unless asked otherwise: what a container mounts below must not show on the host. A shared one
     * keeps the peers that its source has. */
    if (mount->propagation != MS_SHARED &&
        k_mount_change(fd, mount->propagation_recursive ? AT_RECURSIVE : 0, 0, 0, mount->propagation))
        return err_sys(err, errno, "cannot set the propagation of mount \"%s\"", mount->target);
    return steal_fd(&fd);
}

int rootfs_open_device(const char *path, unsigned major, unsigned minor, char type, struct err *err) {
    struct stat st;
    auto_close int fd = k_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW);

    if (fd < 0 || fstat(fd, &st))
        return err_sys(err, errno, "cannot open device \"%s\" of the host", path);
    if ((st.st_mode & S_IFMT) != (type == 'b' ? S_IFBLK : S_IFCHR) || st.st_rdev != makedev(major, minor))
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" of the host is not device %c %u:%u", path, type, major,
                       minor);
    return steal_fd(&fd);
}

int rootfs_open_readonly(int dir_fd, const char *path, struct err *err) {
    unsigned empty = path[0] ? 0 : AT_EMPTY_PATH;
    auto_close int fd = k_open_tree(dir_fd, path, OPEN_TREE_CLONE | empty);

    if (fd < 0 || k_mount_setattr(fd, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_SAFE, 0))
        return err_sys(err, errno, "cannot clone \"%s\" read-only", path);
    return steal_fd(&fd);
}

int rootfs_open_sysfs(const char *netns_path, struct err *err) {
    auto_close int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    auto_close int joined = open(netns_path, O_RDONLY | O_CLOEXEC);

    if (own < 0 || joined < 0 || setns(joined, CLONE_NEWNET))
        return err_sys(err, errno, "cannot join namespace \"%s\"", netns_path);
    int fd = k_new_mount("sysfs", NULL, MOUNT_ATTR_RDONLY | MOUNT_ATTR_SAFE);
    int saved = errno;
    if (setns(own, CLONE_NEWNET)) {
        saved = errno;
        if (fd >= 0)
            (void)close(fd);
        fd = -1;
    }
    return fd < 0 ? err_sys(err, saved, "cannot make the container's \"/sys\"") : fd;
}
