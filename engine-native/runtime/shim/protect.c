/* See protect.h. */
#include "protect.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../lib/cleanup.h"
#include "kernel.h"
#include "resolve.h"

int protect_attach(int mount, int target, const char *path, struct err *err) {
    auto_close int on = target;

    if (mount < 0)
        return err_sys(err, errno, "cannot make the mount for \"%s\"", path);
    if (on < 0)
        return -1; /* err is set by who resolved it */
    if (k_move_mount(mount, on, "", MOVE_MOUNT_T_EMPTY_PATH))
        return err_sys(err, errno, "cannot mount \"%s\"", path);
    return 0;
}

int protect_mask(int root, int dev, const char *path, int *empty, struct err *err) {
    auto_close int target = resolve_plain(root, path);
    struct stat st;

    if (target < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0; /* this kernel has no such path */
    if (target < 0 || fstat(target, &st))
        return err_sys(err, errno, "cannot hide \"%s\"", path);
    if (S_ISDIR(st.st_mode)) {
        auto_close int mount = *empty >= 0 ? k_open_tree(*empty, "", OPEN_TREE_CLONE | AT_EMPTY_PATH)
                                           : k_new_mount("tmpfs", NULL, MOUNT_ATTR_SAFE | MOUNT_ATTR_RDONLY);
        if (protect_attach(mount, steal_fd(&target), path, err))
            return -1;
        if (*empty < 0)
            *empty = steal_fd(&mount);
        return 0;
    }
    auto_close int null = k_open_tree(dev, "null", OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW);
    if (null < 0 || fstat(null, &st) || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
        return err_sys(err, errno, "cannot use /dev/null to hide \"%s\"", path);
    return protect_attach(null, steal_fd(&target), path, err);
}

int protect_readonly(int root, const char *path, struct err *err) {
    auto_close int target = resolve_plain(root, path);

    if (target < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (target < 0)
        return err_sys(err, errno, "cannot make \"%s\" read-only", path);
    auto_close int copy = k_open_tree(target, "", OPEN_TREE_CLONE | AT_EMPTY_PATH | AT_RECURSIVE);
    if (copy < 0 || k_mount_setattr(copy, AT_RECURSIVE, MOUNT_ATTR_RDONLY, 0))
        return err_sys(err, errno, "cannot make \"%s\" read-only", path);
    return protect_attach(copy, steal_fd(&target), path, err);
}
