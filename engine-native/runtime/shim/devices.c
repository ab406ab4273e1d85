/* /dev of a container. Every name is made in a fresh tmpfs through its descriptor, so no link of the image is
 * ever followed here. */
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "kernel.h"
#include "resolve.h"

const struct default_device default_devices[DEFAULT_DEVICES] = {
    {"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
    {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
};

const struct device_link device_links[] = {
    {"/proc/self/fd", "fd"},
    {"/proc/self/fd/0", "stdin"},
    {"/proc/self/fd/1", "stdout"},
    {"/proc/self/fd/2", "stderr"},
    {"pts/ptmx", "ptmx"},
    {"/proc/kcore", "core"},
    {NULL, NULL},
};

static int attach_device(int source, int dev_fd, const char *name, struct err *err) {
    auto_close int file = openat(dev_fd, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0666);

    if (file < 0 || k_move_mount(source, dev_fd, name, 0))
        return err_sys(err, errno, "cannot make device \"/dev/%s\"", name);
    (void)close(source);
    return 0;
}

/* /dev/net/tun: the directories between /dev and the node. */
static int make_parents(int root_fd, const char *path, struct err *err) {
    char parent[256];
    const char *slash = strrchr(path, '/');

    if (slash - path <= 4)
        return 0;
    if ((size_t)(slash - path) >= sizeof(parent))
        return err_set(err, ERR_BAD_REQUEST, "device path \"%s\" is too long", path);
    memcpy(parent, path, (size_t)(slash - path));
    parent[slash - path] = '\0';
    auto_close int dir = resolve_or_make(root_fd, parent, true, err);
    return dir < 0 ? -1 : 0;
}

static int make_node(int dev_fd, const char *name, mode_t mode, unsigned major, unsigned minor,
                     struct err *err) {
    if (mknodat(dev_fd, name, mode, makedev(major, minor)) || fchmodat(dev_fd, name, mode & 07777, 0))
        return err_sys(err, errno, "cannot make device \"/dev/%s\"", name);
    return 0;
}

int devices_fill(const struct spec *spec, int dev_fd, int root_fd, const int **next_source, struct err *err) {
    for (size_t i = 0; i < DEFAULT_DEVICES; i++) {
        const struct default_device *d = &default_devices[i];
        int rc = spec->userns ? attach_device(*(*next_source)++, dev_fd, d->path + 5, err)
                              : make_node(dev_fd, d->path + 5, S_IFCHR | 0666, d->major, d->minor, err);
        if (rc)
            return -1;
    }
    for (size_t i = 0; i < spec->device_count; i++) {
        const struct device_spec *d = &spec->devices[i];
        if (make_parents(root_fd, d->path, err))
            return -1;
        int rc = spec->userns ? attach_device(*(*next_source)++, dev_fd, d->path + 5, err)
                              : make_node(dev_fd, d->path + 5, (d->type == 'b' ? S_IFBLK : S_IFCHR) | 0666,
                                          (unsigned)d->major, (unsigned)d->minor, err);
        if (rc)
            return -1;
    }
    for (const struct device_link *link = device_links; link->name; link++)
        if (symlinkat(link->target, dev_fd, link->name))
            return err_sys(err, errno, "cannot link \"/dev/%s\"", link->name);
    return 0;
}
