/* Walking a folder in the order of a canonical tar. Names compare bytewise as they stand in the tar: a
 * folder's with its slash, a whiteout's with its ".wh."; then walking folders depth first gives the whole
 * list in order. */
#include "layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "inode_set.h"
#include "layer_xattr.h"
#include "tar_read.h"
#include "tree.h"

#define OPAQUE ".wh..wh..opq"

struct walk {
    const struct layer_options *options;
    struct tar_sink *sink;
    struct layer_result *result;
    struct inode_set links;
    char path[TAR_PATH_MAX + 2]; /* of the folder being walked, as in the tar, with its slash */
    size_t path_len, base_len;
    dev_t dev;
    struct err *err;
};

/* One name of a folder. key is how it stands in the tar. */
struct name {
    struct stat st;
    const char *on_disk; /* points into key, behind ".wh." for a whiteout */
    char key[];
};

static bool is_whiteout(const struct stat *st) {
    return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static int by_key(const void *a, const void *b) {
    return strcmp((*(struct name *const *)a)->key, (*(struct name *const *)b)->key);
}

static int folder_failed(const struct walk *w, const char *what) {
    return err_sys(w->err, errno, "cannot %s \"%s\" in \"%s\"", what, w->path, w->options->label);
}

static struct name *make_name(const char *on_disk, const struct stat *st) {
    const char *before = is_whiteout(st) ? ".wh." : "", *after = S_ISDIR(st->st_mode) ? "/" : "";
    size_t size = strlen(on_disk) + 6;
    struct name *name = malloc(sizeof *name + size);
    if (!name)
        return NULL;
    (void)snprintf(name->key, size, "%s%s%s", before, on_disk, after);
    name->st = *st;
    name->on_disk = name->key + strlen(before);
    return name;
}

struct names {
    struct name **list;
    size_t count, cap;
};

static void names_free(struct names *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->list[i]);
    free(names->list);
}

static int names_add(struct names *names, struct name *name) {
    if (names->count == names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 64;
        struct name **grown = realloc(names->list, cap * sizeof(void *));
        if (!grown) {
            free(name);
            return -1;
        }
        names->list = grown;
        names->cap = cap;
    }
    names->list[names->count++] = name;
    return 0;
}

static bool excluded(const struct walk *w, const char *name) {
    char path[TAR_PATH_MAX + 300];
    (void)snprintf(path, sizeof path, "%s%s", w->path + w->base_len, name);
    for (size_t i = 0; i < w->options->exclude_count; i++)
        if (strcmp(path, w->options->exclude[i]) == 0)
            return true;
    return false;
}

/* 1 = take it, 0 = leave it out. A socket means nothing without its process, so no tar holds one. */
static int classify(const struct walk *w, const char *name, const struct stat *st) {
    if (S_ISSOCK(st->st_mode) || excluded(w, name))
        return 0;
    if (st->st_dev != w->dev)
        return err_set(w->err, ERR_BAD_REQUEST, "\"%s%s\" in \"%s\" is a mount point", w->path, name,
                       w->options->label);
    if (S_ISBLK(st->st_mode) || (S_ISCHR(st->st_mode) && st->st_rdev != 0))
        return err_set(w->err, ERR_BAD_REQUEST,
                       "\"%s%s\" in \"%s\" is a device node; layers must not hold any", w->path, name,
                       w->options->label);
    /* Such a name on disk would read as a whiteout of something else. */
    if (strncmp(name, ".wh.", 4) == 0)
        return err_set(w->err, ERR_BAD_REQUEST,
                       "\"%s%s\" in \"%s\" has a name that layers reserve for whiteouts", w->path, name,
                       w->options->label);
    return 1;
}

static int read_names(struct walk *w, DIR *dir, struct names *names) {
    for (;;) {
        struct stat st;
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry)
            break;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            return folder_failed(w, "look into");
        int take = classify(w, entry->d_name, &st);
        if (take < 0)
            return -1;
        struct name *name = take ? make_name(entry->d_name, &st) : NULL;
        if (take && (!name || names_add(names, name) < 0))
            return err_set(w->err, ERR_INTERNAL, "out of memory");
    }
    if (errno)
        return folder_failed(w, "read");
    if (names->count > 1)
        qsort(names->list, names->count, sizeof(void *), by_key);
    return 0;
}

static void init_item(const struct walk *w, struct tar_item *item, const struct stat *st) {
    *item = (struct tar_item){.path = w->path,
                              .type = '0',
                              .mode = st->st_mode & 07777,
                              .uid = st->st_uid,
                              .gid = st->st_gid,
                              .mtime = w->options->has_mtime ? w->options->mtime : st->st_mtim.tv_sec};
}

static int write_item(struct walk *w, const struct tar_item *item) {
    w->result->files++;
    return tar_write_item(w->sink, item, w->err);
}

/* A whiteout's owner and mode are the kernel's business: in the tar they are always the same. */
static int write_mark(struct walk *w, const struct stat *st) {
    struct tar_item item;
    init_item(w, &item, st);
    item.mode = item.uid = item.gid = 0;
    return write_item(w, &item);
}

static int copy_content(struct walk *w, int fd, uint64_t size) {
    uint64_t left = size;
    while (left > 0) {
        size_t room;
        char *to = tar_sink_room(w->sink, &room, w->err);
        if (!to)
            return -1;
        ssize_t n = read(fd, to, left < room ? (size_t)left : room);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return folder_failed(w, "read");
        if (n == 0)
            return err_set(w->err, ERR_INTERNAL, "\"%s\" in \"%s\" shrank while it was read", w->path,
                           w->options->label);
        left -= (uint64_t)n;
        tar_sink_filled(w->sink, (size_t)n);
    }
    w->result->bytes += size;
    return tar_write_padding(w->sink, size, w->err);
}

static int write_file(struct walk *w, int dir, const struct name *name) {
    struct layer_xattrs xattrs auto_layer_xattrs = {0};
    struct tar_item item;
    struct stat st;
    auto_close int fd = openat(dir, name->on_disk, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || layer_xattrs_read(fd, &xattrs) < 0)
        return folder_failed(w, "read");
    init_item(w, &item, &st);
    item.size = (uint64_t)st.st_size;
    item.xattrs = xattrs.list;
    item.xattr_count = xattrs.count;
    return write_item(w, &item) < 0 ? -1 : copy_content(w, fd, item.size);
}

static int write_symlink(struct walk *w, int dir, const struct name *name) {
    char target[TAR_PATH_MAX + 1];
    struct tar_item item;
    ssize_t n = readlinkat(dir, name->on_disk, target, sizeof target - 1);
    if (n < 0)
        return folder_failed(w, "read the link");
    target[n] = '\0';
    init_item(w, &item, &name->st);
    item.type = '2';
    item.mode = 0777;
    item.link = target;
    return write_item(w, &item);
}

/* The second and later names of a file point to the first. */
static int write_linked(struct walk *w, const struct name *name, bool *done) {
    struct tar_item item;
    const char *first = NULL;
    *done = false;
    if (name->st.st_nlink < 2 || is_whiteout(&name->st))
        return 0;
    int seen = inode_set_add(&w->links, name->st.st_dev, name->st.st_ino, w->path, &first);
    if (seen < 0)
        return err_set(w->err, ERR_INTERNAL, "out of memory");
    *done = seen > 0;
    if (!*done)
        return 0;
    init_item(w, &item, &name->st);
    item.type = '1';
    item.link = first;
    return write_item(w, &item);
}

static int walk_folder(struct walk *w, int fd, unsigned depth);

static int write_folder(struct walk *w, int dir, const struct name *name, unsigned depth) {
    char on_disk[NAME_MAX + 2];
    (void)snprintf(on_disk, sizeof on_disk, "%.*s", (int)strlen(name->on_disk) - 1, name->on_disk);
    int fd = openat(dir, on_disk, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? folder_failed(w, "open") : walk_folder(w, fd, depth + 1);
}

static int write_name(struct walk *w, int dir, const struct name *name, unsigned depth) {
    struct tar_item item;
    bool done;
    if (S_ISDIR(name->st.st_mode))
        return write_folder(w, dir, name, depth);
    if (is_whiteout(&name->st))
        return write_mark(w, &name->st);
    if (write_linked(w, name, &done) < 0 || done)
        return done ? 0 : -1;
    if (S_ISREG(name->st.st_mode))
        return write_file(w, dir, name);
    if (S_ISLNK(name->st.st_mode))
        return write_symlink(w, dir, name);
    init_item(w, &item, &name->st);
    item.type = '6';
    return write_item(w, &item);
}

/* Runs `write` with the name appended to the path. */
static int with_name(struct walk *w, int dir, const struct name *name, unsigned depth) {
    size_t before = w->path_len, len = strlen(name->key);
    if (before + len > TAR_PATH_MAX)
        return err_set(w->err, ERR_BAD_REQUEST, "a name below \"%.200s…\" in \"%s\" is over %d bytes",
                       w->path, w->options->label, TAR_PATH_MAX);
    memcpy(w->path + before, name->key, len + 1);
    w->path_len += len;
    int result = write_name(w, dir, name, depth);
    w->path_len = before;
    w->path[before] = '\0';
    return result;
}

static int write_folder_item(struct walk *w, int fd, const struct stat *st) {
    struct layer_xattrs xattrs auto_layer_xattrs = {0};
    struct tar_item item;
    if (layer_xattrs_read(fd, &xattrs) < 0)
        return folder_failed(w, "read");
    init_item(w, &item, st);
    item.type = '5';
    item.xattrs = xattrs.list;
    item.xattr_count = xattrs.count;
    return write_item(w, &item);
}

/* The parents named by base get the folder's own owner and mode: laid over another layer they must not turn
 * the app's folders into root's. */
static int write_base(struct walk *w, int fd, const struct stat *st) {
    size_t len = w->path_len;
    char whole[TAR_PATH_MAX + 2];
    memcpy(whole, w->path, len + 1);
    for (size_t cut = 0; cut < len; cut++) {
        if (whole[cut] != '/')
            continue;
        memcpy(w->path, whole, cut + 1);
        w->path[cut + 1] = '\0';
        if (write_folder_item(w, fd, st) < 0)
            return -1;
    }
    return 0;
}

/* The mark sorts among the folder's names like any other, so it is written when its turn comes. */
static int write_names(struct walk *w, int dir, const struct names *names, const struct stat *opaque,
                       unsigned depth) {
    size_t before = w->path_len;
    for (size_t i = 0; i <= names->count; i++) {
        if (opaque && (i == names->count || strcmp(OPAQUE, names->list[i]->key) < 0)) {
            (void)snprintf(w->path + before, sizeof w->path - before, "%s", OPAQUE);
            if (write_mark(w, opaque) < 0)
                return -1;
            w->path[before] = '\0';
            opaque = NULL;
        }
        if (i < names->count && with_name(w, dir, names->list[i], depth) < 0)
            return -1;
    }
    return 0;
}

/* Takes over fd. */
static int walk_folder(struct walk *w, int fd, unsigned depth) {
    struct names names = {0};
    struct stat st;
    auto_closedir DIR *dir = fdopendir(fd);
    if (!dir || fstat(fd, &st) < 0) {
        if (!dir)
            (void)close(fd);
        return folder_failed(w, "read");
    }
    if (depth > TREE_DEPTH_MAX || w->path_len + sizeof OPAQUE > TAR_PATH_MAX)
        return err_set(w->err, ERR_BAD_REQUEST, "\"%s\" is nested too deeply for a tar", w->options->label);
    w->dev = st.st_dev;
    int result = depth > 0 ? write_folder_item(w, fd, &st) : w->path_len > 0 ? write_base(w, fd, &st) : 0;
    bool opaque = layer_is_opaque(fd);
    if (result == 0)
        result = read_names(w, dir, &names);
    if (result == 0)
        result = write_names(w, fd, &names, opaque ? &st : NULL, depth);
    names_free(&names);
    return result;
}

int layer_write(int dir, const struct layer_options *options, struct tar_sink *sink,
                struct layer_result *result, struct err *err) {
    auto_free struct walk *w = calloc(1, sizeof *w);
    *result = (struct layer_result){0};
    if (!w) {
        (void)close(dir);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    w->options = options;
    w->sink = sink;
    w->result = result;
    w->err = err;
    size_t len = strlen(options->base);
    memcpy(w->path, options->base, len + 1);
    if (len > 0)
        memcpy(w->path + len++, "/", 2);
    w->path_len = w->base_len = len;
    int done = walk_folder(w, dir, 0);
    inode_set_free(&w->links);
    return done < 0 ? -1 : tar_write_end(sink, err);
}
