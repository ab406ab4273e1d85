/* "tmpcopyup": a tmpfs starts with what the image has in its place. Called by the child while it mounts;
 * everything is reached through descriptors, so that no link of the image is followed. See filesystem.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "filesystem.h"

#define DEPTH_MAX 64

static int copy_file(int from, int to, const char *name, const struct stat *st) {
    auto_close int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    auto_close int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (in < 0 || out < 0)
        return -1;
    for (;;) {
        ssize_t n = sendfile(out, in, NULL, 1 << 20);
        if (n < 0)
            return -1;
        if (n == 0)
            break;
    }
    return fchown(out, st->st_uid, st->st_gid) || fchmod(out, st->st_mode & 07777) ? -1 : 0;
}

static int copy_link(int from, int to, const char *name, const struct stat *st) {
    char target[PATH_MAX];
    ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

    if (n < 0)
        return -1;
    target[n] = '\0';
    return symlinkat(target, to, name) || fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) ? -1
                                                                                                          : 0;
}

static int copy_directory(int from, int to, int depth);

static int copy_entry(int from, int to, const char *name, int depth) { // NOLINT(misc-no-recursion)
    struct stat st;

    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW))
        return -1;
    if (S_ISREG(st.st_mode))
        return copy_file(from, to, name, &st);
    if (S_ISLNK(st.st_mode))
        return copy_link(from, to, name, &st);
    if (!S_ISDIR(st.st_mode))
        return 0; /* devices, sockets and FIFOs of an image are nothing to start with */
    if (mkdirat(to, name, 0700))
        return -1;
    auto_close int below_from = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    auto_close int below_to = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below_from < 0 || below_to < 0 || copy_directory(below_from, below_to, depth - 1))
        return -1;
    return fchown(below_to, st.st_uid, st.st_gid) || fchmod(below_to, st.st_mode & 07777) ? -1 : 0;
}

static int copy_directory(int from, int to, int depth) { // NOLINT(misc-no-recursion)
    int list_fd = depth > 0 ? openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    auto_closedir DIR *list = list_fd < 0 ? NULL : fdopendir(list_fd);

    if (depth == 0)
        errno = ELOOP;
    if (!list)
        return -1;
    for (struct dirent *e; (e = readdir(list));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            copy_entry(from, to, e->d_name, depth))
            return -1;
    return 0;
}

int copy_up(int from, int to, const char *name, struct err *err) {
    auto_close int in = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close int out = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    if (in < 0 || out < 0 || fstat(in, &st) || copy_directory(in, out, DEPTH_MAX) ||
        fchown(out, st.st_uid, st.st_gid) || fchmod(out, st.st_mode & 07777))
        return err_sys(err, errno, "cannot copy what the image has in \"%s\"", name);
    return 0;
}
