/* tree.list: what an image or a build's context holds below a path, with a digest of each file. In workers.
 * Nothing outside the root is ever looked at: links are followed inside of it, and only to find the path. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../lib/frame.h"
#include "../lib/sha256.h"
#include "layer_xattr.h"
#include "merged.h"
#include "tree.h"
#include "within.h"

#define IN_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
#define OUT_SIZE 65536
#define READ_SIZE 131072

struct listing {
    int out;
    bool hash;
    int64_t depth; /* levels below the path that are listed */
    char path[PATH_MAX];
    size_t path_len;
    char buffer[OUT_SIZE + 3 * PATH_MAX];
    size_t used;
    char content[READ_SIZE];
    struct err *err;
};

static int flush(struct listing *l) {
    int done = l->used > 0 ? write_all(l->out, l->buffer, l->used, l->err) : 0;
    l->used = 0;
    return done;
}

static int failed(const struct listing *l, const char *what) {
    return err_sys(l->err, errno, "cannot %s \"%s\"", what, l->path);
}

/* Content and attributes: a file that gained a capability is another file. */
static int hash_file(struct listing *l, int dir, const char *name, char hex[65]) {
    struct layer_xattrs xattrs auto_layer_xattrs = {0};
    struct sha256 sha;
    ssize_t n;
    auto_close int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || layer_xattrs_read(fd, &xattrs) < 0)
        return failed(l, "read");
    sha256_init(&sha);
    while ((n = read(fd, l->content, READ_SIZE)) != 0) {
        if (n < 0 && errno != EINTR)
            return failed(l, "read");
        if (n > 0)
            sha256_add(&sha, l->content, (size_t)n);
    }
    for (size_t i = 0; i < xattrs.count; i++) {
        sha256_add(&sha, xattrs.list[i].name, strlen(xattrs.list[i].name) + 1);
        sha256_add(&sha, xattrs.list[i].value, xattrs.list[i].len);
    }
    sha256_finish_hex(&sha, hex);
    return 0;
}

static char type_of(const struct stat *st) {
    switch (st->st_mode & S_IFMT) {
    case S_IFREG:
        return 'f';
    case S_IFDIR:
        return 'd';
    case S_IFLNK:
        return 'l';
    case S_IFIFO:
        return 'p';
    case S_IFSOCK:
        return 's';
    default:
        return st->st_rdev == 0 ? 'w' : 'n'; /* a whiteout, or a device node */
    }
}

/* One record: "<type> <mode> <uid> <gid> <size> <mtime> <digest>\0<path>\0<link>\0". */
static int put(struct listing *l, int dir, const char *name, const struct stat *st) {
    char hex[65] = "-", link[PATH_MAX] = "";
    char type = type_of(st);
    if (type == 'w')
        return 0;
    if (type == 'f' && l->hash && hash_file(l, dir, name, hex) < 0)
        return -1;
    if (type == 'l') {
        ssize_t n = readlinkat(dir, name, link, sizeof link - 1);
        if (n < 0)
            return failed(l, "read the link");
        link[n] = '\0';
    }
    l->used += (size_t)snprintf(l->buffer + l->used, sizeof l->buffer - l->used,
                                "%c %o %u %u %llu %lld %s%c%s%c%s%c", type, st->st_mode & 07777, st->st_uid,
                                st->st_gid, (unsigned long long)st->st_size, (long long)st->st_mtim.tv_sec,
                                hex, 0, l->path, 0, link, 0);
    return l->used >= OUT_SIZE ? flush(l) : 0;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct name_list {
    char **list;
    size_t count, cap;
};

static void free_names(struct name_list *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
}
#define auto_names __attribute__((cleanup(free_names)))

static int read_sorted(const struct listing *l, DIR *dir, struct name_list *names) {
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (names->count == names->cap) {
            size_t cap = names->cap ? names->cap * 2 : 64;
            char **grown = realloc(names->list, cap * sizeof *grown);
            if (!grown)
                return failed(l, "list");
            names->list = grown;
            names->cap = cap;
        }
        if (!(names->list[names->count] = strdup(entry->d_name)))
            return failed(l, "list");
        names->count++;
    }
    if (errno)
        return failed(l, "list");
    if (names->count > 1)
        qsort(names->list, names->count, sizeof *names->list, by_name);
    return 0;
}

static int walk(struct listing *l, int fd, unsigned depth);

static int walk_name(struct listing *l, int dir, const char *name, unsigned depth) {
    struct stat st;
    size_t before = l->path_len;
    int n = snprintf(l->path + before, sizeof l->path - before, "%s%s", before ? "/" : "", name);
    if (n < 0 || (size_t)n >= sizeof l->path - before)
        return err_set(l->err, ERR_BAD_REQUEST, "a name below \"%.200s…\" is too long", l->path);
    l->path_len += (size_t)n;
    int done =
        fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? failed(l, "look at") : put(l, dir, name, &st);
    if (done == 0 && S_ISDIR(st.st_mode) && (int64_t)depth < l->depth) {
        int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        done = fd < 0 ? failed(l, "open") : walk(l, fd, depth + 1);
    }
    l->path_len = before;
    l->path[before] = '\0';
    return done;
}

/* Takes over fd. */
static int walk(struct listing *l, int fd, unsigned depth) {
    struct name_list names auto_names = {0};
    auto_closedir DIR *dir = fdopendir(fd);
    if (!dir) {
        (void)close(fd);
        return failed(l, "open");
    }
    if (depth > TREE_DEPTH_MAX)
        return err_set(l->err, ERR_BAD_REQUEST, "\"%.200s…\" is nested too deeply", l->path);
    if (read_sorted(l, dir, &names) < 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (walk_name(l, fd, names.list[i], depth) < 0)
            return -1;
    return 0;
}

/* Where an open file lies below the root. A detached mount's paths begin at its own root. */
static int real_path(int root, int fd, char real[PATH_MAX], struct err *err) {
    char proc[32], base[PATH_MAX];
    (void)snprintf(proc, sizeof proc, "/proc/self/fd/%d", root);
    ssize_t base_len = readlink(proc, base, sizeof base - 1);
    (void)snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(proc, real, PATH_MAX - 1);
    if (base_len < 0 || len < 0)
        return err_sys(err, errno, "cannot tell where the path leads");
    base[base_len] = real[len] = '\0';
    if (base_len > 1 && strncmp(real, base, (size_t)base_len) == 0)
        memmove(real, real + base_len, (size_t)(len - base_len) + 1);
    if (real[0] == '\0')
        memcpy(real, "/", 2);
    return 0;
}

static int send_reply(struct op_call *call, struct json_out *reply, const char *real, struct err *err) {
    (void)fcntl(call->stream_fd, F_SETFL, O_NONBLOCK);
    json_put_string(reply, "path", real);
    json_close_object(reply);
    if (frame_write(call->stream_fd, reply->data, reply->len, err) < 0)
        return -1;
    call->replied = true;
    return 0;
}

static int open_start(int root, const char *path, struct err *err) {
    const char *relative = path + strspn(path, "/");
    int fd = open_beneath(root, *relative ? relative : ".", O_PATH, 0, IN_ROOT);
    if (fd >= 0)
        return fd;
    if (errno == ELOOP || errno == ENAMETOOLONG || errno == EXDEV)
        return err_sys_as(err, ERR_BAD_REQUEST, errno, "cannot look up \"%s\"", path);
    if (errno == ENOTDIR)
        return err_sys_as(err, ERR_NOT_FOUND, errno, "cannot look up \"%s\"", path);
    return err_sys(err, errno, "cannot look up \"%s\"", path);
}

/* The start itself is the first record, with an empty path. */
static int list_from(struct listing *l, int root, const char *real) {
    struct stat st;
    char parent_path[PATH_MAX];
    (void)snprintf(parent_path, sizeof parent_path, "%s", real);
    char *slash = strrchr(parent_path, '/');
    const char *name = real + (slash ? slash - parent_path : 0) + 1;
    if (slash)
        *slash = '\0';
    const char *relative = parent_path + strspn(parent_path, "/");
    auto_close int parent = open_beneath(root, *relative ? relative : ".", O_RDONLY | O_DIRECTORY, 0,
                                         IN_ROOT | RESOLVE_NO_SYMLINKS);
    if (*name == '\0')
        name = ".";
    if (parent < 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(l, "look at");
    if (put(l, parent, name, &st) < 0)
        return -1;
    if (!S_ISDIR(st.st_mode) || l->depth == 0)
        return 0;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? failed(l, "open") : walk(l, fd, 1);
}

int op_tree_list(struct op_call *call, struct json_out *reply, struct err *err) {
    const struct json *lower = NULL;
    const char *path = NULL;
    char real[PATH_MAX];
    auto_free struct listing *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(err, ERR_INTERNAL, "out of memory");
    l->depth = TREE_DEPTH_MAX;
    l->err = err;
    l->out = call->stream_fd;
    if (json_opt_array(call->request, "lower", &lower, err) < 0 ||
        json_need_string(call->request, "path", &path, err) < 0 ||
        json_opt_int(call->request, "depth", 0, TREE_DEPTH_MAX, &l->depth, err) < 0 ||
        json_opt_bool(call->request, "hash", &l->hash, err) < 0)
        return -1;
    auto_close int root = merged_open(call->helper, lower, NULL, NULL, err);
    auto_close int start = root < 0 ? -1 : open_start(root, path, err);
    if (start < 0 || real_path(root, start, real, err) < 0 || send_reply(call, reply, real, err) < 0)
        return -1;
    /* From here on a failure shows by the missing last record, a single NUL. */
    if (list_from(l, root, real) < 0)
        return -1;
    l->buffer[l->used++] = '\0';
    return flush(l);
}
