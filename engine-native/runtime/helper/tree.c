/* Removing and measuring trees. A container's owner made them, so any depth and any name must do. */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "inode_set.h"

/* Folders deeper than this below the root of a removal are first moved up beside it, so that neither the
 * stack nor the descriptors grow with a tree made to be deep. */
#define REMOVE_DEPTH_MAX 100

struct removal {
    int parent;        /* holds the root of the removal and what was moved up */
    dev_t dev;         /* nothing on another file system is removed */
    unsigned moved_up; /* folders moved up so far */
    const char *label;
    struct err *err;
};

static int remove_entry(struct removal *r, int dir, const char *name, unsigned char type, unsigned depth);

static bool is_dot(const char *name) {
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static void moved_name(char *out, size_t size, unsigned n) {
    (void)snprintf(out, size, ".tmp-removed-%d-%u", getpid(), n);
}

static int remove_children(struct removal *r, int dir_fd, unsigned depth) {
    auto_closedir DIR *dir = fdopendir(dir_fd);
    if (!dir) {
        (void)close(dir_fd);
        return err_sys(r->err, errno, "cannot read a folder in \"%s\"", r->label);
    }
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry)
            return errno ? err_sys(r->err, errno, "cannot read a folder in \"%s\"", r->label) : 0;
        if (!is_dot(entry->d_name) && remove_entry(r, dirfd(dir), entry->d_name, entry->d_type, depth) < 0)
            return -1;
    }
}

static int remove_folder(struct removal *r, int dir, const char *name, unsigned depth) {
    struct stat st;
    auto_close int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_sys(r->err, errno, "cannot open \"%s\" in \"%s\"", name, r->label);
    if (fstat(fd, &st) < 0 || st.st_dev != r->dev)
        return err_set(r->err, ERR_BAD_REQUEST, "\"%s\" in \"%s\" is a mount point; unmount it first", name,
                       r->label);
    if (depth >= REMOVE_DEPTH_MAX) {
        char moved[64];
        moved_name(moved, sizeof moved, r->moved_up);
        if (renameat(dir, name, r->parent, moved) < 0)
            return err_sys(r->err, errno, "cannot move \"%s\" in \"%s\"", name, r->label);
        r->moved_up++;
        return 0;
    }
    if (remove_children(r, steal_fd(&fd), depth + 1) < 0)
        return -1;
    if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return err_sys(r->err, errno, "cannot remove \"%s\" in \"%s\"", name, r->label);
    return 0;
}

static int remove_entry(struct removal *r, int dir, const char *name, unsigned char type, unsigned depth) {
    if (type != DT_DIR) {
        if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
            return 0;
        if (errno != EISDIR)
            return err_sys(r->err, errno, "cannot remove \"%s\" in \"%s\"", name, r->label);
    }
    return remove_folder(r, dir, name, depth);
}

int tree_remove(int parent, const char *name, const char *label, struct err *err) {
    struct stat st;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : err_sys(err, errno, "cannot look at \"%s\"", label);
    struct removal r = {.parent = parent, .dev = st.st_dev, .label = label, .err = err};
    int result = remove_entry(&r, parent, name, S_ISDIR(st.st_mode) ? DT_DIR : DT_REG, 0);
    /* What was moved up is itself removed in turn, and may move more up. Done after a failure too, so that no
     * such name stays. */
    for (unsigned i = 0; i < r.moved_up; i++) {
        char moved[64];
        moved_name(moved, sizeof moved, i);
        if (remove_entry(&r, parent, moved, DT_DIR, 0) < 0)
            result = -1;
    }
    return result;
}

struct measure {
    struct tree_usage *usage;
    struct inode_set seen;
    dev_t dev;
    const char *label;
    struct err *err;
};

static int measure_folder(struct measure *m, int fd, unsigned depth);

static int measure_entry(struct measure *m, int dir, const char *name, unsigned depth) {
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0
                               : err_sys(m->err, errno, "cannot look at \"%s\" in \"%s\"", name, m->label);
    if (st.st_dev != m->dev)
        return 0;
    m->usage->files++;
    int seen = S_ISDIR(st.st_mode) || st.st_nlink < 2
                   ? 0
                   : inode_set_add(&m->seen, st.st_dev, st.st_ino, NULL, NULL);
    if (seen < 0)
        return err_set(m->err, ERR_INTERNAL, "out of memory");
    if (!seen) {
        m->usage->bytes += (uint64_t)st.st_blocks * 512;
        m->usage->content += S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_size;
    }
    if (!S_ISDIR(st.st_mode))
        return 0;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : err_sys(m->err, errno, "cannot open \"%s\" in \"%s\"", name, m->label);
    return measure_folder(m, fd, depth + 1);
}

static int measure_folder(struct measure *m, int fd, unsigned depth) {
    auto_closedir DIR *dir = depth > TREE_DEPTH_MAX ? NULL : fdopendir(fd);
    if (!dir) {
        (void)close(fd);
        return err_set(m->err, ERR_BAD_REQUEST, "\"%s\" is nested deeper than %d folders", m->label,
                       TREE_DEPTH_MAX);
    }
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry)
            return errno ? err_sys(m->err, errno, "cannot read a folder in \"%s\"", m->label) : 0;
        if (!is_dot(entry->d_name) && measure_entry(m, dirfd(dir), entry->d_name, depth) < 0)
            return -1;
    }
}

int tree_measure(int fd, const char *label, struct tree_usage *usage, struct err *err) {
    struct stat st;
    *usage = (struct tree_usage){0};
    if (fstat(fd, &st) < 0) {
        (void)close(fd);
        return err_sys(err, errno, "cannot look at \"%s\"", label);
    }
    struct measure m = {.usage = usage, .dev = st.st_dev, .label = label, .err = err};
    int result = measure_folder(&m, fd, 0);
    inode_set_free(&m.seen);
    return result;
}
