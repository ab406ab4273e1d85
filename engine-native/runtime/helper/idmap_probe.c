/* Tries an idmapped, detached mount of a folder with a throw-away user namespace. Leaves nothing behind. */
#include "idmap_probe.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/cleanup.h"

static int write_map(pid_t pid, const char *file) {
    static const char map[] = "0 100000 65536\n";
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, map, sizeof map - 1) == (ssize_t)sizeof map - 1 ? 0 : -1;
}

/* The child only lends its user namespace: it waits until the pipe closes. */
static pid_t lend_userns(int ready[2], int hold[2]) {
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char byte = 0;
    (void)close(hold[1]);
    if (unshare(CLONE_NEWUSER) == 0 && write(ready[1], &byte, 1) == 1)
        (void)!read(hold[0], &byte, 1);
    _exit(0);
}

static bool try_mount(const char *folder, pid_t pid) {
    char path[64];
    if (write_map(pid, "uid_map") < 0 || write_map(pid, "gid_map") < 0)
        return false;
    (void)snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
    auto_close int userns = open(path, O_RDONLY | O_CLOEXEC);
    auto_close int tree = (int)syscall(SYS_open_tree, AT_FDCWD, folder, OPEN_TREE_CLONE | O_CLOEXEC);
    if (userns < 0 || tree < 0)
        return false;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};
    return syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0;
}

bool idmap_works(const char *folder) {
    static int known = -1;
    int ready[2], hold[2];
    if (known >= 0)
        return known > 0;
    known = 0;
    if (pipe2(ready, O_CLOEXEC) < 0)
        return false;
    if (pipe2(hold, O_CLOEXEC) < 0) {
        (void)close(ready[0]);
        (void)close(ready[1]);
        return false;
    }
    pid_t pid = lend_userns(ready, hold);
    (void)close(ready[1]);
    (void)close(hold[0]);
    char byte;
    if (pid > 0 && read(ready[0], &byte, 1) == 1)
        known = try_mount(folder, pid);
    (void)close(ready[0]);
    (void)close(hold[1]);
    if (pid > 0)
        (void)waitpid(pid, NULL, 0);
    return known > 0;
}
