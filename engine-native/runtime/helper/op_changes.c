/* container.changes: what a container's writable folder adds to, changes in and takes from its layers, as
 * docker diff says it. In workers. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../lib/frame.h"
#include "layer_xattr.h"
#include "merged.h"
#include "tar_read.h"
#include "tree.h"
#include "within.h"

struct changes {
    int out, lower; /* lower: the layers as one tree */
    char path[TAR_PATH_MAX + 1];
    size_t len;
    char buffer[65536];
    size_t used;
    struct err *err;
};

static int flush(struct changes *c) {
    int done = c->used > 0 ? write_all(c->out, c->buffer, c->used, c->err) : 0;
    c->used = 0;
    return done;
}

static int put(struct changes *c, char kind, const char *below) {
    if (c->used + c->len + strlen(below) + 4 > sizeof c->buffer && flush(c) < 0)
        return -1;
    c->used += (size_t)sprintf(c->buffer + c->used, "%c%s%s%s", kind, c->path, *below ? "/" : "", below) + 1;
    return 0;
}

/* In the layers: without following a link, as the names stand. */
static bool find_lower(const struct changes *c, struct stat *st) {
    auto_close int fd = open_beneath(c->lower, c->path, O_PATH | O_NOFOLLOW, 0,
                                     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    return fd >= 0 && fstat(fd, st) == 0;
}

static bool is_whiteout(const struct stat *st) {
    return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* A folder that hides the layers' one of the same name: what it does not hold itself is gone. */
static int put_hidden(struct changes *c, int upper) {
    int fd = open_beneath(c->lower, c->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0,
                          RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    auto_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct stat st;
    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            fstatat(upper, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT &&
            put(c, 'D', entry->d_name) < 0)
            return -1;
    return 0;
}

static bool same_folder(const struct stat *a, const struct stat *b) {
    return a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int walk(struct changes *c, int fd, unsigned depth, bool *any);

static int one_folder(struct changes *c, int dir, const char *name, const struct stat *st, unsigned depth) {
    struct stat lower;
    bool inside = false, known = find_lower(c, &lower);
    auto_close int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_sys(c->err, errno, "cannot open \"%s\"", c->path);
    bool opaque = known && layer_is_opaque(fd);
    if (opaque && put_hidden(c, fd) < 0)
        return -1;
    if (walk(c, steal_fd(&fd), depth + 1, &inside) < 0)
        return -1;
    if (known && S_ISDIR(lower.st_mode) && same_folder(st, &lower) && !inside && !opaque)
        return 0;
    return put(c, known ? 'C' : 'A', "") < 0 ? -1 : 1;
}

/* 1: something changed. */
static int one_entry(struct changes *c, int dir, const char *name, unsigned depth) {
    struct stat st, lower;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_sys(c->err, errno, "cannot look at \"%s\"", c->path);
    if (S_ISDIR(st.st_mode))
        return one_folder(c, dir, name, &st, depth);
    bool known = find_lower(c, &lower);
    if (is_whiteout(&st) && !known)
        return 0;
    return put(c, is_whiteout(&st) ? 'D' : known ? 'C' : 'A', "") < 0 ? -1 : 1;
}

/* Takes over fd. */
static int walk(struct changes *c, int fd, unsigned depth, bool *any) {
    auto_closedir DIR *dir = depth > TREE_DEPTH_MAX ? NULL : fdopendir(fd);
    size_t before = c->len;
    if (!dir) {
        (void)close(fd);
        return err_set(c->err, ERR_BAD_REQUEST, "\"%.200s…\" cannot be read", c->path);
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int n = snprintf(c->path + before, sizeof c->path - before, "%s%s", before ? "/" : "", entry->d_name);
        if (n < 0 || (size_t)n >= sizeof c->path - before)
            return err_set(c->err, ERR_BAD_REQUEST, "\"%.200s…\" is too long a name", c->path);
        c->len = before + (size_t)n;
        int changed = one_entry(c, dirfd(dir), entry->d_name, depth);
        c->len = before;
        c->path[before] = '\0';
        if (changed < 0)
            return -1;
        *any |= changed > 0;
    }
    return 0;
}

int op_container_changes(struct op_call *call, struct json_out *reply, struct err *err) {
    const struct json *lower = NULL;
    const char *upper = NULL;
    bool any = false;
    auto_free struct changes *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(err, ERR_INTERNAL, "out of memory");
    c->out = call->stream_fd;
    c->err = err;
    if (json_opt_array(call->request, "lower", &lower, err) < 0 ||
        json_need_string(call->request, "upper", &upper, err) < 0)
        return -1;
    auto_close int top = within_open_dir(call->helper, upper, err);
    auto_close int layers = top < 0 ? -1 : merged_open(call->helper, lower, NULL, NULL, err);
    if (layers < 0)
        return -1;
    c->lower = layers;
    (void)fcntl(call->stream_fd, F_SETFL, O_NONBLOCK);
    json_close_object(reply);
    if (frame_write(call->stream_fd, reply->data, reply->len, err) < 0)
        return -1;
    call->replied = true;
    if (walk(c, steal_fd(&top), 0, &any) < 0)
        return -1;
    c->buffer[c->used++] = '\0'; /* put() leaves room for it: the list is whole */
    return flush(c);
}
