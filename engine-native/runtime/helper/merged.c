/* See merged.h. */
#include "merged.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "within.h"

#define LOWER_MAX 500 /* the kernel's own limit */

struct folders {
    int lower[LOWER_MAX];
    size_t count;
    int upper, work;
};

static void close_folders(struct folders *folders) {
    for (size_t i = 0; i < folders->count; i++)
        cleanup_fd(&folders->lower[i]);
    cleanup_fd(&folders->upper);
    cleanup_fd(&folders->work);
}
#define auto_folders __attribute__((cleanup(close_folders)))

static int open_folders(const struct helper *helper, const struct json *lower, struct folders *folders,
                        struct err *err) {
    json_each(item, lower) {
        if (item->type != JSON_STRING)
            return err_set(err, ERR_BAD_REQUEST, "\"lower\" must be a list of folders");
        if (folders->count == LOWER_MAX)
            return err_set(err, ERR_UNSUPPORTED, "more than %d layers", LOWER_MAX);
        int fd = within_open_dir(helper, item->string.text, err);
        if (fd < 0)
            return -1;
        folders->lower[folders->count++] = fd;
    }
    return 0;
}

static int set(int fs, unsigned command, const char *key, const char *value) {
    return (int)syscall(SYS_fsconfig, fs, command, key, value, 0);
}

static int set_folder(int fs, const char *key, int fd) {
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return set(fs, FSCONFIG_SET_STRING, key, path);
}

/* Detached: no mount namespace ever sees it. Needs "lowerdir+" (Linux 6.5). -1 with errno. */
static int mount_detached(const struct folders *folders) {
    auto_close int fs = (int)syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC);
    if (fs < 0)
        return -1;
    for (size_t i = 0; i < folders->count; i++)
        if (set_folder(fs, "lowerdir+", folders->lower[i]) < 0)
            return -1;
    /* volatile: unmounting must not wait for the disk, the layer's own sync comes later. */
    if (folders->upper >= 0 &&
        (set_folder(fs, "upperdir", folders->upper) < 0 || set_folder(fs, "workdir", folders->work) < 0 ||
         set(fs, FSCONFIG_SET_STRING, "redirect_dir", "off") < 0 ||
         set(fs, FSCONFIG_SET_FLAG, "volatile", NULL) < 0))
        return -1;
    if (set(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
        return -1;
    return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID);
}

/* The same folder as a member of the present mount namespace: overlayfs takes no other. Opened by name, so
 * what stands there is compared with what was checked. */
static int reopen_here(int *fd) {
    char link[32], path[PATH_MAX];
    struct stat before, after;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", *fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return -1;
    path[n] = '\0';
    auto_close int here = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (here < 0 || fstat(*fd, &before) < 0 || fstat(here, &after) < 0)
        return -1;
    if (before.st_dev != after.st_dev || before.st_ino != after.st_ino) {
        errno = ESTALE;
        return -1;
    }
    (void)close(*fd);
    *fd = steal_fd(&here);
    return 0;
}

static int reopen_all(struct folders *folders) {
    for (size_t i = 0; i < folders->count; i++)
        if (reopen_here(&folders->lower[i]) < 0)
            return -1;
    return folders->upper < 0 || (reopen_here(&folders->upper) == 0 && reopen_here(&folders->work) == 0) ? 0
                                                                                                         : -1;
}

/* Older kernels: in a mount namespace of this worker's own, over RUN, which it has no more use for. */
static int mount_in_namespace(const struct helper *helper, struct folders *folders) {
    char options[4096];
    size_t len = 0;
    if (unshare(CLONE_NEWNS) < 0 || syscall(SYS_mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        reopen_all(folders) < 0)
        return -1;
    len += (size_t)snprintf(options, sizeof options, "redirect_dir=off,");
    if (folders->upper >= 0)
        len += (size_t)snprintf(options + len, sizeof options - len,
                                "volatile,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d,",
                                folders->upper, folders->work);
    len += (size_t)snprintf(options + len, sizeof options - len, "lowerdir=");
    for (size_t i = 0; i < folders->count && len < sizeof options; i++)
        len += (size_t)snprintf(options + len, sizeof options - len, "%s/proc/self/fd/%d", i ? ":" : "",
                                folders->lower[i]);
    if (len >= sizeof options) {
        errno = E2BIG;
        return -1;
    }
    if (syscall(SYS_mount, "overlay", helper->run, "overlay", MS_NODEV | MS_NOSUID, options) < 0)
        return -1;
    return open(helper->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int merged_open(const struct helper *helper, const struct json *lower, const char *upper, const char *work,
                struct err *err) {
    struct folders folders auto_folders = {.upper = -1, .work = -1};
    if (open_folders(helper, lower, &folders, err) < 0)
        return -1;
    if (folders.count == 0 && !upper)
        return err_set(err, ERR_BAD_REQUEST, "\"lower\" is empty");
    /* One folder is its own merged view. */
    if (!upper && folders.count == 1)
        return steal_fd(&folders.lower[0]);
    if (upper && (folders.upper = within_open_dir(helper, upper, err)) < 0)
        return -1;
    if (folders.count == 0)
        return steal_fd(&folders.upper);
    if (upper && (folders.work = within_open_dir(helper, work, err)) < 0)
        return -1;
    int root = mount_detached(&folders);
    if (root < 0 && (errno == EINVAL || errno == ENOSYS))
        root = mount_in_namespace(helper, &folders);
    return root < 0 ? err_sys(err, errno, "cannot mount the layers") : root;
}
