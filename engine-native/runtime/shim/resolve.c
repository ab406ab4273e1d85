/* See resolve.h. openat2 with RESOLVE_IN_ROOT does the work; only the making of missing parts walks by hand.
 */
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "kernel.h"

#define IN_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
#define MAX_LINKS 20

int resolve_in_root(int root_fd, const char *path) {
    return k_openat2(root_fd, path, O_PATH | O_CLOEXEC, 0, IN_ROOT);
}

int resolve_plain(int root_fd, const char *path) {
    return k_openat2(root_fd, path, O_PATH | O_CLOEXEC, 0, IN_ROOT | RESOLVE_NO_SYMLINKS);
}

int resolve_plain_dir(int root_fd, const char *path, struct err *err) {
    int fd = k_openat2(root_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, IN_ROOT | RESOLVE_NO_SYMLINKS);

    if (fd < 0 && errno == ENOENT) {
        const char *relative = path + strspn(path, "/");
        if (strchr(relative, '/')) {
            fd = resolve_or_make(root_fd, path, true, err);
            if (fd < 0)
                return -1;
            (void)close(fd);
        } else if (mkdirat(root_fd, relative, 0755) && errno != EEXIST) {
            return err_sys(err, errno, "cannot make \"%s\" in the image", path);
        }
        fd = k_openat2(root_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, IN_ROOT | RESOLVE_NO_SYMLINKS);
    }
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" of the image must be a directory, not a link or a file",
                       path);
    if (fd < 0)
        return err_sys(err, errno, "cannot open \"%s\" of the image", path);
    return fd;
}

/* A dangling link at `name`: what it points to, as a path from the root, with `rest` behind it. */
static int follow_link(int dir_fd, const char *before, const char *name, const char *rest,
                       char out[PATH_MAX]) {
    char target[PATH_MAX];
    ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

    if (n < 0)
        return -1;
    target[n] = '\0';
    /* No slash at the end: it would ask for a directory. */
    const char *slash = *rest ? "/" : "";
    int len = target[0] == '/' ? snprintf(out, PATH_MAX, "%s%s%s", target, slash, rest)
                               : snprintf(out, PATH_MAX, "%s/%s%s%s", before, target, slash, rest);
    if (len < 0 || len >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return 0;
}

/* Makes one missing component. 0 made (or appeared), 1 a dangling link is in the way, -1 with errno. */
static int make_component(int dir_fd, const char *name, bool directory) {
    struct stat st;
    int rc;

    if (directory) {
        rc = mkdirat(dir_fd, name, 0755);
    } else {
        rc = openat(dir_fd, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0644);
        if (rc >= 0) {
            (void)close(rc);
            rc = 0;
        }
    }
    if (rc == 0)
        return 0;
    if (errno != EEXIST || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
        return -1;
    return S_ISLNK(st.st_mode) ? 1 : 0;
}

/* One walk from the root. 0 with *out open, 1 when `path` was rewritten (a link was followed), -1 with errno.
 */
static int walk_and_make(int root_fd, char path[PATH_MAX], bool directory, int *out) {
    char walked[PATH_MAX];
    size_t len = strlen(path);

    for (size_t start = 0; start < len;) {
        start += strspn(path + start, "/");
        size_t end = start + strcspn(path + start, "/");
        bool last = path[end + strspn(path + end, "/")] == '\0';
        if (end == start)
            break;
        memcpy(walked, path, end);
        walked[end] = '\0';
        auto_close int here = resolve_in_root(root_fd, walked);
        if (here < 0) {
            if (errno != ENOENT)
                return -1;
            char name[NAME_MAX + 1];
            if (end - start > NAME_MAX) {
                errno = ENAMETOOLONG;
                return -1;
            }
            memcpy(name, path + start, end - start);
            name[end - start] = '\0';
            walked[start] = '\0';
            auto_close int dir = resolve_in_root(root_fd, start ? walked : "/");
            if (dir < 0)
                return -1;
            int rc = make_component(dir, name, directory || !last);
            if (rc < 0)
                return -1;
            if (rc == 1) {
                char next[PATH_MAX];
                if (follow_link(dir, walked, name, path + end, next))
                    return -1;
                memcpy(path, next, PATH_MAX);
                return 1;
            }
        }
        start = end;
    }
    *out = resolve_in_root(root_fd, path);
    return *out < 0 ? -1 : 0;
}

int resolve_or_make(int root_fd, const char *path, bool directory, struct err *err) {
    char buffer[PATH_MAX] = "";
    int fd = resolve_in_root(root_fd, path);

    if (fd < 0 && errno == ENOENT && strlen(path) < sizeof(buffer)) {
        memcpy(buffer, path, strlen(path) + 1);
        for (int links = 0; links < MAX_LINKS; links++) {
            int rc = walk_and_make(root_fd, buffer, directory, &fd);
            if (rc <= 0)
                break;
            errno = ELOOP;
        }
    }
    if (fd < 0)
        return err_sys_as(err, ERR_BAD_REQUEST, errno, "cannot make mount target \"%s\" in the container",
                          path);
    return fd;
}
