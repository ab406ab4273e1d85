/* Resolving an archive's names below a root. */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "within.h"

#define IN_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)

int place_open(struct place *place, int root, place_made *made, void *context, struct err *err) {
    *place = (struct place){.root = root,
                            .parent = -1,
                            .parent_path = malloc(PATH_MAX),
                            .made = made,
                            .context = context,
                            .resolve = IN_ROOT};
    struct stat st;
    place->any_setgid = fstat(root, &st) < 0 || (st.st_mode & S_ISGID);
    return place->parent_path ? 0 : err_set(err, ERR_INTERNAL, "out of memory");
}

void place_close(struct place *place) {
    if (place->parent >= 0)
        (void)close(place->parent);
    free(place->parent_path);
}

void place_changed(struct place *place) {
    place->parent_cached = false;
}

int place_clean_name(char *path, unsigned strip, struct err *err) {
    char *to = path;
    if (path[0] == '/')
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is an absolute name; names in a layer must be relative",
                       path);
    for (const char *at = path; *at;) {
        size_t len = strcspn(at, "/");
        if (len == 2 && at[0] == '.' && at[1] == '.')
            return err_set(err, ERR_BAD_REQUEST, "\"%s\" has \"..\" in its name", path);
        if (len > NAME_MAX)
            return err_set(err, ERR_BAD_REQUEST, "\"%.60s…\" has a component over %d bytes", path, NAME_MAX);
        bool counts = len > 0 && !(len == 1 && at[0] == '.');
        if (counts && strip > 0) {
            strip--;
        } else if (counts) {
            if (to != path)
                *to++ = '/';
            memmove(to, at, len);
            to += len;
        }
        at += len;
        while (*at == '/')
            at++;
    }
    *to = '\0';
    return to != path;
}

static int refuse(const char *path, int errnum, struct err *err) {
    if (errnum == ELOOP || errnum == ENOTDIR || errnum == EXDEV || errnum == ENAMETOOLONG ||
        errnum == ENOENT || errnum == EEXIST)
        return err_sys_as(err, ERR_BAD_REQUEST, errnum, "cannot place \"%s\"", path);
    return err_sys(err, errnum, "cannot place \"%s\"", path);
}

static int make_folder(const struct place *place, char *path, struct err *err);

/* Opens the folder `path`, making what is missing of it. */
static int open_folder(const struct place *place, char *path, struct err *err) {
    int fd = open_beneath(place->root, path, O_PATH | O_DIRECTORY, 0, place->resolve);
    if (fd >= 0 || errno != ENOENT)
        return fd >= 0 ? fd : refuse(path, errno, err);
    if (make_folder(place, path, err) < 0)
        return -1;
    fd = open_beneath(place->root, path, O_PATH | O_DIRECTORY, 0, place->resolve);
    return fd >= 0 ? fd : refuse(path, errno, err);
}

/* Recursion is as deep as the name has components, at most 2048 small frames. */
static int make_folder(const struct place *place, char *path, struct err *err) {
    char *slash = strrchr(path, '/');
    auto_close int parent = -1;
    if (slash) {
        *slash = '\0';
        parent = open_folder(place, path, err);
        *slash = '/';
        if (parent < 0)
            return -1;
    }
    int holder = parent >= 0 ? parent : place->root;
    const char *name = slash ? slash + 1 : path;
    /* EEXIST is a dangling symbolic link: the caller's second look refuses it. */
    if (mkdirat(holder, name, 0755) < 0)
        return errno == EEXIST ? 0 : refuse(path, errno, err);
    auto_close int fd = openat(holder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? refuse(path, errno, err) : place->made(place->context, fd, path, err);
}

int place_parent(struct place *place, const char *path, const char **name, struct err *err) {
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (!slash)
        return place->root;
    size_t len = (size_t)(slash - path);
    if (place->parent_cached && strncmp(place->parent_path, path, len) == 0 &&
        place->parent_path[len] == '\0')
        return place->parent;
    place->parent_cached = false;
    if (place->parent >= 0)
        (void)close(place->parent);
    memcpy(place->parent_path, path, len);
    place->parent_path[len] = '\0';
    place->parent = open_folder(place, place->parent_path, err);
    place->parent_cached = place->parent >= 0;
    return place->parent;
}

int place_reopen_folder(const struct place *place, const char *path) {
    return open_beneath(place->root, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
                        place->resolve);
}
