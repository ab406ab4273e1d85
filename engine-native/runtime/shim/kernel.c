/* Raw system calls; see kernel.h. */
#include "kernel.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/cleanup.h"

int k_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data) {
    return (int)syscall(SYS_mount, source, target, type, flags, data);
}

int k_umount2(const char *target, int flags) {
    return (int)syscall(SYS_umount2, target, flags);
}

int k_pivot_root(const char *new_root, const char *put_old) {
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

int k_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    int fd;

    /* EAGAIN: a rename or mount elsewhere raced with ".." in a scoped lookup; the kernel asks for another
     * try. An attacker who renames for ever gets his error after 128 of them. */
    for (int attempt = 0; attempt < 128; attempt++) {
        fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return fd;
}

int k_open_tree(int dir, const char *path, unsigned flags) {
    return (int)syscall(SYS_open_tree, dir, path, flags | OPEN_TREE_CLOEXEC);
}

int k_move_mount(int from_fd, int to_fd, const char *to_path, unsigned flags) {
    return (int)syscall(SYS_move_mount, from_fd, "", to_fd, to_path, flags | MOVE_MOUNT_F_EMPTY_PATH);
}

int k_fsopen(const char *type) {
    return (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
}

int k_fsconfig(int fs, unsigned command, const char *key, const char *value) {
    return (int)syscall(SYS_fsconfig, fs, command, key, value, 0);
}

int k_fsmount(int fs, unsigned attributes) {
    return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes);
}

int k_mount_setattr(int fd, unsigned flags, uint64_t set, uint64_t userns_fd) {
    struct mount_attr attr = {.attr_set = set, .userns_fd = userns_fd};
    return (int)syscall(SYS_mount_setattr, fd, "", flags | AT_EMPTY_PATH, &attr, sizeof(attr));
}

int k_mount_change(int fd, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation) {
    struct mount_attr attr = {.attr_set = set, .attr_clr = clear, .propagation = propagation};
    return (int)syscall(SYS_mount_setattr, fd, "", flags | AT_EMPTY_PATH, &attr, sizeof(attr));
}

pid_t k_clone3(struct clone_args *args) {
    return (pid_t)syscall(SYS_clone3, args, sizeof(*args));
}

int k_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, (void *)0, 0);
}

int k_close_range(unsigned first, unsigned last, unsigned flags) {
    return (int)syscall(SYS_close_range, first, last, flags);
}

int k_new_mount(const char *type, const char *const options[], unsigned attributes) {
    auto_close int fs = k_fsopen(type);

    if (fs < 0)
        return -1;
    (void)k_fsconfig(fs, FSCONFIG_SET_STRING, "source", type);
    for (size_t i = 0; options && options[i]; i += 2) {
        unsigned command = options[i + 1] ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
        if (k_fsconfig(fs, command, options[i], options[i + 1]))
            return -1;
    }
    if (k_fsconfig(fs, FSCONFIG_CMD_CREATE, (void *)0, (void *)0))
        return -1;
    return k_fsmount(fs, attributes);
}
