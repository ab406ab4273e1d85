/* Making nodes: files, folders, links, fifos and whiteouts, with owner, mode, attributes and times.
 * Order matters: chown clears set-id bits and capabilities, so owner first, then attributes, mode, time. */
#include "untar_node.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "layer_xattr.h"
#include "tree.h"
#include "within.h"

#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"

struct node {
    struct tar_reader *reader;
    struct place *place;
    const struct tar_entry *entry;
    int parent;
    const char *name;
    struct err *err;
};

static int failed(const struct node *n, const char *what) {
    int errnum = errno;
    bool asked_wrongly = errnum == ENOTDIR || errnum == EISDIR || errnum == ELOOP || errnum == ENAMETOOLONG ||
                         errnum == ENOENT || errnum == EINVAL;
    return err_sys_as(n->err, asked_wrongly ? ERR_BAD_REQUEST : err_code_from_errno(errnum), errnum,
                      "cannot %s \"%s\"", what, n->entry->path);
}

static void entry_times(const struct tar_entry *entry, struct timespec times[2]) {
    times[0] = (struct timespec){.tv_sec = entry->mtime, .tv_nsec = entry->mtime_ns};
    times[1] = times[0];
}

static int set_opaque(const struct node *n, int dir, const char *name) {
    auto_close int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fsetxattr(fd, "trusted.overlay.opaque", "y", 1, 0) < 0)
        return failed(n, "mark as opaque the folder of");
    return 0;
}

static bool is_whiteout(const struct stat *st) {
    return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

/* Makes room for an entry of another kind. Returns 1 when a folder is there and a folder is wanted.
 * *was_whiteout tells that a whiteout made way. */
static int clear_place(const struct node *n, bool *was_whiteout) {
    struct stat st;
    *was_whiteout = false;
    if (fstatat(n->parent, n->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : failed(n, "look at");
    if (S_ISDIR(st.st_mode) && n->entry->type == '5')
        return 1;
    if (n->place->no_swap && (S_ISDIR(st.st_mode) || n->entry->type == '5'))
        return err_set(n->err, ERR_BAD_REQUEST, "cannot overwrite %s \"%s\" with %s",
                       S_ISDIR(st.st_mode) ? "directory" : "non-directory", n->entry->path,
                       S_ISDIR(st.st_mode) ? "non-directory" : "directory");
    *was_whiteout = is_whiteout(&st) && !n->place->plain;
    if (tree_remove(n->parent, n->name, n->entry->path, n->err) < 0)
        return -1;
    if (S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode))
        place_changed(n->place);
    return 0;
}

static int set_xattrs(const struct node *n, int fd) {
    static const char prefix[] = "SCHILY.xattr.";
    const char *key, *value;
    size_t at = 0, len;
    while (tar_pax_next(n->reader, &at, &key, &value, &len)) {
        if (strncmp(key, prefix, sizeof prefix - 1) != 0)
            continue;
        const char *name = key + sizeof prefix - 1;
        if (!layer_xattr_allowed(name) || fsetxattr(fd, name, value, len, 0) == 0)
            continue;
        /* A tmpfs or a bind has not the attributes that the archive's file system had. */
        if (!n->place->plain || (errno != EOPNOTSUPP && errno != EPERM))
            return failed(n, "set an extended attribute of");
    }
    return 0;
}

/* Is the node right as created? Root's own, plain mode, no attributes: most entries of a system are, and each
 * call saved is a fifth of an empty file's cost. A set-group-id parent would have given its group away. */
static bool plain(const struct node *n) {
    return n->entry->uid == 0 && n->entry->gid == 0 && !(n->entry->mode & 07000) && n->reader->pax_len == 0 &&
           !n->place->any_setgid;
}

/* Files only: a folder's time comes last of all (untar.c). */
static int set_time(const struct node *n, int fd) {
    struct timespec times[2];
    entry_times(n->entry, times);
    return futimens(fd, times) < 0 ? failed(n, "set the time of") : 0;
}

static int set_metadata(const struct node *n, int fd) {
    if (fchown(fd, n->entry->uid, n->entry->gid) < 0)
        return failed(n, "set the owner of");
    if (n->reader->pax_len > 0 && set_xattrs(n, fd) < 0)
        return -1;
    return fchmod(fd, (mode_t)n->entry->mode) < 0 ? failed(n, "set the mode of") : 0;
}

static int write_file(const struct node *n, int fd) {
    const void *data;
    size_t len;
    int more;
    while ((more = tar_content(n->reader, &data, &len, n->err)) == 1) {
        for (const char *at = data; len > 0;) {
            ssize_t done = write(fd, at, len);
            if (done < 0 && errno != EINTR)
                return failed(n, "write");
            if (done > 0) {
                at += done;
                len -= (size_t)done;
            }
        }
    }
    return more;
}

static int make_file(const struct node *n) {
    static const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    const mode_t mode = (mode_t)(n->entry->mode & 0777);
    bool ignored;
    auto_close int fd = openat(n->parent, n->name, flags, mode);
    if (fd < 0 && errno == EEXIST) {
        if (clear_place(n, &ignored) < 0)
            return -1;
        fd = openat(n->parent, n->name, flags, mode);
    }
    if (fd < 0)
        return failed(n, "create");
    if (write_file(n, fd) < 0 || (!plain(n) && set_metadata(n, fd) < 0))
        return -1;
    return set_time(n, fd);
}

static int make_folder(const struct node *n) {
    bool was_whiteout = false;
    int there = 0;
    int made = mkdirat(n->parent, n->name, (mode_t)(n->entry->mode & 0777));
    if (made < 0 && errno == EEXIST) {
        there = clear_place(n, &was_whiteout);
        if (there < 0)
            return -1;
        made = there ? 0 : mkdirat(n->parent, n->name, (mode_t)(n->entry->mode & 0777));
    }
    if (made < 0)
        return failed(n, "create");
    /* A whiteout and then a folder of that name: the folder replaces the one below, it does not join it. */
    if (was_whiteout && set_opaque(n, n->parent, n->name) < 0)
        return -1;
    if (!there && plain(n))
        return 0;
    auto_close int fd = openat(n->parent, n->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    n->place->any_setgid |= (n->entry->mode & S_ISGID) != 0;
    return fd < 0 ? failed(n, "open") : set_metadata(n, fd);
}

/* Owner and time of a node that cannot be opened; it has just been made, so its name is no link of
 * somebody's. */
static int set_link_metadata(const struct node *n) {
    struct timespec times[2];
    entry_times(n->entry, times);
    if (fchownat(n->parent, n->name, n->entry->uid, n->entry->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(n, "set the owner of");
    return utimensat(n->parent, n->name, times, AT_SYMLINK_NOFOLLOW) < 0 ? failed(n, "set the time of") : 0;
}

static int make_symlink(const struct node *n) {
    bool ignored;
    int made = symlinkat(n->entry->link, n->parent, n->name);
    if (made < 0 && errno == EEXIST) {
        if (clear_place(n, &ignored) < 0)
            return -1;
        made = symlinkat(n->entry->link, n->parent, n->name);
    }
    return made < 0 ? failed(n, "create") : set_link_metadata(n);
}

static int make_fifo(const struct node *n) {
    bool ignored;
    if (clear_place(n, &ignored) < 0)
        return -1;
    if (mknodat(n->parent, n->name, S_IFIFO | (mode_t)(n->entry->mode & 0777), 0) < 0)
        return failed(n, "create");
    return set_link_metadata(n);
}

/* The target is looked up like any other name: below the root, its own last component not followed. */
static int make_hard_link(const struct node *n) {
    char path[TAR_PATH_MAX + 1];
    struct stat from, to;
    bool ignored;
    (void)snprintf(path, sizeof path, "%s", n->entry->link);
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    const char *name = slash ? slash + 1 : path;
    auto_close int parent =
        open_beneath(n->place->root, slash ? path : ".", O_PATH | O_DIRECTORY, 0, n->place->resolve);
    if (parent < 0 || fstatat(parent, name, &from, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(n->err, ERR_BAD_REQUEST,
                       "hard link \"%s\": its target \"%s\" is not in the archive before it", n->entry->path,
                       n->entry->link);
    if (S_ISDIR(from.st_mode) || (is_whiteout(&from) && !n->place->plain))
        return err_set(n->err, ERR_BAD_REQUEST, "hard link \"%s\": its target \"%s\" is not a file",
                       n->entry->path, n->entry->link);
    if (fstatat(n->parent, n->name, &to, AT_SYMLINK_NOFOLLOW) == 0) {
        if (to.st_dev == from.st_dev && to.st_ino == from.st_ino)
            return 0;
        if (clear_place(n, &ignored) < 0)
            return -1;
    }
    return linkat(parent, name, n->parent, n->name, 0) < 0 ? failed(n, "create") : 0;
}

/* "x hides the x of the layers below". An x that this layer itself brings stays: a folder hides by being
 * opaque. */
static int make_whiteout(const struct node *n, const char *hidden) {
    struct timespec times[2];
    struct stat st;
    entry_times(n->entry, times);
    if (hidden[0] == '\0' || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
        return err_set(n->err, ERR_BAD_REQUEST, "\"%s\" is not a whiteout of anything", n->entry->path);
    if (fstatat(n->parent, hidden, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return S_ISDIR(st.st_mode) ? set_opaque(n, n->parent, hidden) : 0;
    if (mknodat(n->parent, hidden, S_IFCHR, makedev(0, 0)) < 0)
        return failed(n, "create the whiteout");
    return utimensat(n->parent, hidden, times, AT_SYMLINK_NOFOLLOW) < 0 ? failed(n, "set the time of") : 0;
}

/* A name that says what is hidden. */
static int make_mark(const struct node *n) {
    if (strcmp(n->name, OPAQUE) == 0)
        return set_opaque(n, n->parent, ".");
    /* The other .wh..wh. names are aufs's bookkeeping, which no other driver reads. */
    if (strncmp(n->name, ".wh..wh.", 8) == 0)
        return 0;
    return make_whiteout(n, n->name + 4);
}

int untar_node(struct tar_reader *reader, struct place *place, const struct tar_entry *entry,
               struct err *err) {
    struct node n = {.reader = reader, .place = place, .entry = entry, .err = err};
    n.parent = place_parent(place, entry->path, &n.name, err);
    if (n.parent < 0)
        return -1;
    if (!place->plain && strncmp(n.name, WHITEOUT, 4) == 0)
        return make_mark(&n);
    switch (entry->type) {
    case '0':
        return make_file(&n);
    case '1':
        return make_hard_link(&n);
    case '2':
        return make_symlink(&n);
    case '3':
        return make_whiteout(&n, n.name);
    case '5':
        return make_folder(&n);
    default:
        return make_fifo(&n);
    }
}
