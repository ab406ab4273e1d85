/* See archive_write.h. Whatever vanishes meanwhile is left out; a file that shrinks is filled up with zeroes,
 * one that grows is cut. */
#include "archive_write.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "inode_set.h"
#include "layer_xattr.h"
#include "tar_read.h"
#include "tree.h"

#define MQUEUE_MAGIC 0x19800202

struct archive {
    const struct archive_options *options;
    struct tar_sink *sink;
    struct inode_set links;
    char path[TAR_PATH_MAX + 2];
    size_t len;
    struct err *err;
};

bool archive_is_kernels_own(int fd) {
    static const long magics[] = {PROC_SUPER_MAGIC,   SYSFS_MAGIC,  CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
                                  DEVPTS_SUPER_MAGIC, MQUEUE_MAGIC, DEBUGFS_MAGIC,      TRACEFS_MAGIC,
                                  SECURITYFS_MAGIC,   BPF_FS_MAGIC};
    struct statfs fs;
    if (fstatfs(fd, &fs) < 0)
        return false;
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if ((unsigned long)fs.f_type == (unsigned long)magics[i])
            return true;
    return false;
}

static int failed(const struct archive *a, const char *what) {
    return err_sys(a->err, errno, "cannot %s \"%s\"", what, a->path);
}

static bool is_gone(void) {
    return errno == ENOENT || errno == ESTALE || errno == ELOOP || errno == ENOTDIR || errno == ENXIO;
}

static void init_item(const struct archive *a, struct tar_item *item, const struct stat *st, char type) {
    *item = (struct tar_item){.path = a->path,
                              .type = type,
                              .mode = st->st_mode & 07777,
                              .uid = st->st_uid,
                              .gid = st->st_gid,
                              .mtime = st->st_mtim.tv_sec};
}

static int copy_content(struct archive *a, int fd, uint64_t size) {
    for (uint64_t left = size; left > 0;) {
        size_t room;
        char *to = tar_sink_room(a->sink, &room, a->err);
        if (!to)
            return -1;
        size_t take = left < room ? (size_t)left : room;
        ssize_t n = read(fd, to, take);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(a, "read");
        if (n == 0) {
            memset(to, 0, take);
            n = (ssize_t)take;
        }
        left -= (uint64_t)n;
        tar_sink_filled(a->sink, (size_t)n);
    }
    return tar_write_padding(a->sink, size, a->err);
}

/* The second and later names of a file point to the first. 1 = written so. */
static int write_linked(struct archive *a, const struct stat *st) {
    struct tar_item item;
    const char *first = NULL;
    if (st->st_nlink < 2)
        return 0;
    int seen = inode_set_add(&a->links, st->st_dev, st->st_ino, a->path, &first);
    if (seen <= 0)
        return seen < 0 ? err_set(a->err, ERR_INTERNAL, "out of memory") : 0;
    init_item(a, &item, st, '1');
    item.link = first;
    return tar_write_item(a->sink, &item, a->err) < 0 ? -1 : 1;
}

static int write_file(struct archive *a, int fd) {
    struct layer_xattrs xattrs auto_layer_xattrs = {0};
    struct tar_item item;
    struct stat st;
    if (fstat(fd, &st) < 0 || layer_xattrs_read(fd, &xattrs) < 0)
        return failed(a, "read");
    if (!S_ISREG(st.st_mode))
        return 0; /* replaced since it was looked at */
    int linked = write_linked(a, &st);
    if (linked != 0)
        return linked < 0 ? -1 : 0;
    init_item(a, &item, &st, '0');
    item.size = (uint64_t)st.st_size;
    item.xattrs = xattrs.list;
    item.xattr_count = xattrs.count;
    return tar_write_item(a->sink, &item, a->err) < 0 ? -1 : copy_content(a, fd, item.size);
}

static int write_symlink(struct archive *a, int dir, const char *name, const struct stat *st) {
    char target[TAR_PATH_MAX + 1];
    struct tar_item item;
    ssize_t n = readlinkat(dir, name, target, sizeof target - 1);
    if (n < 0)
        return is_gone() || errno == EINVAL ? 0 : failed(a, "read the link");
    target[n] = '\0';
    init_item(a, &item, st, '2');
    item.mode = 0777;
    item.link = target;
    return tar_write_item(a->sink, &item, a->err);
}

static int write_special(struct archive *a, const struct stat *st) {
    struct tar_item item;
    if (S_ISSOCK(st->st_mode))
        return 0; /* means nothing without its process */
    init_item(a, &item, st, S_ISFIFO(st->st_mode) ? '6' : S_ISCHR(st->st_mode) ? '3' : '4');
    if (!S_ISFIFO(st->st_mode)) {
        item.major = major(st->st_rdev);
        item.minor = minor(st->st_rdev);
    }
    return tar_write_item(a->sink, &item, a->err);
}

static int write_folder(struct archive *a, int fd, const struct stat *outside, unsigned depth);

static int write_entry(struct archive *a, int dir, const char *name, const struct stat *folder,
                       unsigned depth) {
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return is_gone() ? 0 : failed(a, "look at");
    if (S_ISLNK(st.st_mode))
        return write_symlink(a, dir, name, &st);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return write_special(a, &st);
    int flags = S_ISDIR(st.st_mode) ? O_DIRECTORY : O_NONBLOCK;
    auto_close int fd = openat(dir, name, flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return is_gone() ? 0 : failed(a, "open");
    return S_ISDIR(st.st_mode) ? write_folder(a, steal_fd(&fd), folder, depth + 1) : write_file(a, fd);
}

/* Runs write_entry with the name appended to the path. */
static int with_name(struct archive *a, int dir, const char *name, const struct stat *folder,
                     unsigned depth) {
    size_t before = a->len, len = strlen(name);
    if (before + len > TAR_PATH_MAX - 1)
        return err_set(a->err, ERR_BAD_REQUEST, "a name below \"%.200s…\" is over %d bytes", a->path,
                       TAR_PATH_MAX);
    memcpy(a->path + before, name, len + 1);
    a->len += len;
    int result = write_entry(a, dir, name, folder, depth);
    a->len = before;
    a->path[before] = '\0';
    return result;
}

static int write_folder_item(struct archive *a, int fd, const struct stat *st) {
    struct layer_xattrs xattrs auto_layer_xattrs = {0};
    struct tar_item item;
    if (layer_xattrs_read(fd, &xattrs) < 0)
        return failed(a, "read");
    init_item(a, &item, st, '5');
    item.xattrs = xattrs.list;
    item.xattr_count = xattrs.count;
    return tar_write_item(a->sink, &item, a->err);
}

static int write_children(struct archive *a, DIR *dir, const struct stat *st, unsigned depth) {
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry)
            return errno && !is_gone() ? failed(a, "read") : 0;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            with_name(a, dirfd(dir), entry->d_name, st, depth) < 0)
            return -1;
    }
}

/* Takes over fd. `outside` is the folder it lies in, NULL for the first one. */
static int write_folder(struct archive *a, int fd, const struct stat *outside, unsigned depth) {
    struct stat st;
    auto_closedir DIR *dir = fdopendir(fd);
    if (!dir || fstat(fd, &st) < 0) {
        if (!dir)
            (void)close(fd);
        return failed(a, "read");
    }
    if (depth > TREE_DEPTH_MAX)
        return err_set(a->err, ERR_BAD_REQUEST, "\"%.200s…\" is nested too deeply for a tar", a->path);
    size_t before = a->len;
    bool first = depth == 0;
    if (!(first && a->options->skip_first)) {
        if (before == 0 || a->path[before - 1] != '/')
            memcpy(a->path + a->len++, "/", 2);
        if (write_folder_item(a, fd, &st) < 0)
            return -1;
    }
    bool entered = outside && outside->st_dev != st.st_dev;
    int done = entered && archive_is_kernels_own(fd) ? 0 : write_children(a, dir, &st, depth);
    a->len = before;
    a->path[before] = '\0';
    return done;
}

/* The descriptor names no path, so nothing can be put in its place any more. */
static int reopen(int node, int flags) {
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", node);
    return open(path, flags | O_RDONLY | O_CLOEXEC);
}

static int write_first(struct archive *a, int node) {
    struct stat st;
    if (fstat(node, &st) < 0)
        return failed(a, "look at");
    if (S_ISLNK(st.st_mode))
        return write_symlink(a, node, "", &st);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return write_special(a, &st);
    auto_close int fd = reopen(node, S_ISDIR(st.st_mode) ? O_DIRECTORY : O_NONBLOCK);
    if (fd < 0)
        return failed(a, "open");
    return S_ISDIR(st.st_mode) ? write_folder(a, steal_fd(&fd), NULL, 0) : write_file(a, fd);
}

int archive_write(int node, const struct archive_options *options, struct tar_sink *sink, struct err *err) {
    auto_free struct archive *a = calloc(1, sizeof *a);
    if (!a)
        return err_set(err, ERR_INTERNAL, "out of memory");
    a->options = options;
    a->sink = sink;
    a->err = err;
    a->len = strlen(options->name);
    memcpy(a->path, options->name, a->len + 1);
    int done = write_first(a, node);
    inode_set_free(&a->links);
    return done < 0 ? -1 : tar_write_end(sink, err);
}
