/* Resolving a request's path below ROOT or RUN. */
#include "within.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/cleanup.h"

/* A rename storm on the same file system can starve a lookup; 128 tries outlive any real one. */
#define AGAIN_MAX 128

int open_beneath(int dir, const char *path, int flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {.flags = (uint64_t)(flags | O_CLOEXEC), .mode = mode, .resolve = resolve};
    for (int tries = 0;; tries++) {
        long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR) || tries == AGAIN_MAX)
            return (int)fd;
    }
}

static const char *below(const char *folder, const char *path) {
    size_t n = strlen(folder);
    if (strncmp(path, folder, n) != 0 || path[n] != '/')
        return NULL;
    path += n;
    while (*path == '/')
        path++;
    return *path ? path : NULL;
}

static int has_dots(const char *path) {
    for (const char *at = path; *at; at += strcspn(at, "/"), at += *at == '/')
        if ((at[0] == '.' && (at[1] == '/' || at[1] == '\0')) ||
            (at[0] == '.' && at[1] == '.' && (at[2] == '/' || at[2] == '\0')))
            return 1;
    return 0;
}

/* The folder's descriptor, and the rest of the path below it. */
static int locate(const struct helper *helper, const char *path, const char **rest, struct err *err) {
    int fd = helper->root_fd;
    *rest = below(helper->root, path);
    if (!*rest) {
        fd = helper->run_fd;
        *rest = below(helper->run, path);
    }
    if (!*rest || has_dots(*rest) || strlen(path) >= PATH_MAX)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" does not lie below \"%s\" or \"%s\"", path, helper->root,
                       helper->run);
    return fd;
}

static int open_strict(int dir, const char *rest, int flags, const char *path, struct err *err) {
    int fd = open_beneath(dir, rest, flags, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    if (fd >= 0)
        return fd;
    if (errno == ELOOP || errno == ENOTDIR || errno == EXDEV)
        return err_sys_as(err, ERR_BAD_REQUEST, errno, "cannot open \"%s\"", path);
    return err_sys(err, errno, "cannot open \"%s\"", path);
}

int within_open_dir(const struct helper *helper, const char *path, struct err *err) {
    const char *rest;
    int dir = locate(helper, path, &rest, err);
    return dir < 0 || !rest ? -1 : open_strict(dir, rest, O_RDONLY | O_DIRECTORY, path, err);
}

int within_open_parent(const struct helper *helper, const char *path, const char **name, struct err *err) {
    const char *rest;
    char parent[PATH_MAX];
    int dir = locate(helper, path, &rest, err);
    if (dir < 0 || !rest)
        return -1;
    const char *slash = strrchr(rest, '/');
    if (slash && slash[1] == '\0')
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" must not end in a slash", path);
    *name = slash ? slash + 1 : rest;
    (void)snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - rest) : 1, slash ? rest : ".");
    return open_strict(dir, parent, O_PATH | O_DIRECTORY, path, err);
}
