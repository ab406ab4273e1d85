/* layer.copy: entries of one tree into another, which is an overlay whose upper folder becomes a layer: COPY
 * of a Dockerfile without a container. The sender names every entry; owner, mode and time are set here. In
 * workers. Sources are opened without following any link, targets inside the root only. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "inode_set.h"
#include "layer_xattr.h"
#include "merged.h"
#include "place.h"
#include "tree.h"
#include "within.h"

#define SOURCE_RESOLVE (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
#define FIELD_COUNT 4
#define IN_SIZE (FIELD_COUNT * PATH_MAX)
#define CHUNK (1u << 30)

struct late_time {
    struct late_time *next;
    struct timespec mtime;
    char path[];
};

struct copy {
    struct op_call *call;
    int source;
    struct place place;
    int64_t uid, gid; /* -1: as the source has it */
    uint64_t files, bytes;
    struct late_time *times;
    struct inode_set links;
    char in[IN_SIZE];
    size_t in_start, in_end;
    struct err *err;
};

/* One record: "<op>\0<mode>\0<source>\0<target>\0". */
struct entry {
    const char *op;     /* "copy", "keep" (an existing folder stays as it is), "mkdir", "end" */
    const char *source; /* clean, relative to the source root; "" is the root */
    char *target;       /* relative to the root of the layer */
    int mode;           /* -1: the source's */
    struct stat st;
};

static int failed(const struct copy *c, const struct entry *e, const char *what) {
    int errnum = errno;
    bool asked_wrongly = errnum == ENOTDIR || errnum == EISDIR || errnum == ELOOP || errnum == ENAMETOOLONG ||
                         errnum == ENOENT || errnum == EXDEV;
    return err_sys_as(c->err, asked_wrongly ? ERR_BAD_REQUEST : err_code_from_errno(errnum), errnum,
                      "cannot %s \"%s\"", what, e->target);
}

static void owner_of(const struct copy *c, const struct entry *e, uid_t *uid, gid_t *gid) {
    *uid = c->uid >= 0 ? (uid_t)c->uid : e->st.st_uid;
    *gid = c->gid >= 0 ? (gid_t)c->gid : e->st.st_gid;
}

static mode_t mode_of(const struct entry *e) {
    return e->mode >= 0 ? (mode_t)e->mode : e->st.st_mode & 07777;
}

static int copy_xattrs(const struct copy *c, const struct entry *e, int from, int to) {
    struct layer_xattrs xattrs auto_layer_xattrs = {0};
    if (layer_xattrs_read(from, &xattrs) < 0)
        return failed(c, e, "read the attributes of");
    for (size_t i = 0; i < xattrs.count; i++)
        if (fsetxattr(to, xattrs.list[i].name, xattrs.list[i].value, xattrs.list[i].len, 0) < 0)
            return failed(c, e, "set an attribute of");
    return 0;
}

/* chown clears set-id bits and capabilities: owner first, then attributes, mode, time. */
static int set_metadata(const struct copy *c, const struct entry *e, int from, int to) {
    uid_t uid;
    gid_t gid;
    owner_of(c, e, &uid, &gid);
    if (fchown(to, uid, gid) < 0)
        return failed(c, e, "set the owner of");
    if (from >= 0 && copy_xattrs(c, e, from, to) < 0)
        return -1;
    return fchmod(to, mode_of(e)) < 0 ? failed(c, e, "set the mode of") : 0;
}

static int copy_content(struct copy *c, const struct entry *e, int from, int to) {
    off_t left = e->st.st_size;
    while (left > 0) {
        ssize_t n = sendfile(to, from, NULL, left < CHUNK ? (size_t)left : CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return failed(c, e, "write");
        if (n == 0)
            return err_set(c->err, ERR_INTERNAL, "\"%s\" shrank while it was copied", e->source);
        left -= n;
        c->bytes += (uint64_t)n;
    }
    return 0;
}

/* Whatever but a folder makes way. */
static int clear_place(struct copy *c, const struct entry *e, int parent, const char *name) {
    struct stat st;
    if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : failed(c, e, "look at");
    if (S_ISDIR(st.st_mode))
        return err_set(c->err, ERR_BAD_REQUEST, "cannot copy to \"%s\": a folder of that name is there",
                       e->target);
    if (S_ISLNK(st.st_mode))
        place_changed(&c->place);
    return unlinkat(parent, name, 0) < 0 ? failed(c, e, "replace") : 0;
}

/* The second and later names of a file point to the first, where that has been copied. 1 = linked. */
static int copy_linked(struct copy *c, const struct entry *e, int parent, const char *name) {
    const char *first = NULL;
    char path[PATH_MAX];
    if (e->st.st_nlink < 2)
        return 0;
    int seen = inode_set_add(&c->links, e->st.st_dev, e->st.st_ino, e->target, &first);
    if (seen < 0)
        return err_set(c->err, ERR_INTERNAL, "out of memory");
    if (seen == 0 || !first)
        return 0;
    (void)snprintf(path, sizeof path, "%s", first);
    char *slash = strrchr(path, '/');
    if (slash)
        *slash = '\0';
    auto_close int dir = open_beneath(c->place.root, slash ? path : ".", O_PATH | O_DIRECTORY, 0,
                                      RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    /* Something else may have taken the first name meanwhile: then this one is copied on its own. */
    return dir >= 0 && linkat(dir, slash ? slash + 1 : path, parent, name, 0) == 0 ? 1 : 0;
}

static int copy_file(struct copy *c, struct entry *e, int from_dir, const char *from_name) {
    const char *name;
    int parent = place_parent(&c->place, e->target, &name, c->err);
    if (parent < 0 || clear_place(c, e, parent, name) < 0)
        return -1;
    int linked = copy_linked(c, e, parent, name);
    if (linked != 0)
        return linked < 0 ? -1 : 0;
    auto_close int from = openat(from_dir, from_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (from < 0)
        return err_sys(c->err, errno, "cannot read \"%s\"", e->source);
    auto_close int to = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return failed(c, e, "create");
    const struct timespec times[2] = {e->st.st_mtim, e->st.st_mtim};
    if (copy_content(c, e, from, to) < 0 || set_metadata(c, e, from, to) < 0)
        return -1;
    return futimens(to, times) < 0 ? failed(c, e, "set the time of") : 0;
}

static int copy_link(struct copy *c, struct entry *e, int from_dir, const char *from_name) {
    char link[PATH_MAX];
    const char *name;
    uid_t uid;
    gid_t gid;
    int parent = place_parent(&c->place, e->target, &name, c->err);
    if (parent < 0 || clear_place(c, e, parent, name) < 0)
        return -1;
    ssize_t n = readlinkat(from_dir, from_name, link, sizeof link - 1);
    if (n < 0)
        return err_sys(c->err, errno, "cannot read the link \"%s\"", e->source);
    link[n] = '\0';
    const struct timespec times[2] = {e->st.st_mtim, e->st.st_mtim};
    owner_of(c, e, &uid, &gid);
    if (symlinkat(link, parent, name) < 0)
        return failed(c, e, "create");
    if (fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
        utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return failed(c, e, "set owner or time of");
    return 0;
}

static int copy_fifo(struct copy *c, struct entry *e) {
    const char *name;
    uid_t uid;
    gid_t gid;
    int parent = place_parent(&c->place, e->target, &name, c->err);
    if (parent < 0 || clear_place(c, e, parent, name) < 0)
        return -1;
    owner_of(c, e, &uid, &gid);
    if (mknodat(parent, name, S_IFIFO | 0600, 0) < 0 ||
        fchownat(parent, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 ||
        fchmodat(parent, name, mode_of(e), 0) < 0)
        return failed(c, e, "create");
    return 0;
}

static int remember_time(struct copy *c, const struct entry *e) {
    size_t size = strlen(e->target) + 1;
    struct late_time *late = malloc(sizeof *late + size);
    if (!late)
        return err_set(c->err, ERR_INTERNAL, "out of memory");
    late->mtime = e->st.st_mtim;
    memcpy(late->path, e->target, size);
    late->next = c->times;
    c->times = late;
    return 0;
}

/* A folder joins one that is there, through a link inside the root too (/bin -> usr/bin). */
static int make_folder(struct copy *c, struct entry *e, int from, bool keep) {
    const char *name;
    if (e->target[0] == '\0')
        return 0;
    int parent = place_parent(&c->place, e->target, &name, c->err);
    if (parent < 0)
        return -1;
    bool made = mkdirat(parent, name, 0700) == 0;
    if (!made && errno != EEXIST)
        return failed(c, e, "create");
    auto_close int to = open_beneath(c->place.root, e->target, O_RDONLY | O_DIRECTORY, 0,
                                     RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    if (to < 0 && (errno == ENOTDIR || errno == ENOENT || errno == ELOOP))
        return err_set(c->err, ERR_BAD_REQUEST, "cannot copy a folder to \"%s\", which is none", e->target);
    if (to < 0)
        return failed(c, e, "open");
    if (!made && keep)
        return 0;
    if (set_metadata(c, e, from, to) < 0)
        return -1;
    return from >= 0 ? remember_time(c, e) : 0;
}

static int copy_folder(struct copy *c, struct entry *e, int from_dir, const char *from_name) {
    auto_close int from = openat(from_dir, from_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return err_sys(c->err, errno, "cannot open \"%s\"", e->source);
    return make_folder(c, e, from, strcmp(e->op, "keep") == 0);
}

static int copy_entry(struct copy *c, struct entry *e) {
    char parent[PATH_MAX];
    (void)snprintf(parent, sizeof parent, "%s", e->source);
    char *slash = strrchr(parent, '/');
    const char *name = slash ? e->source + (slash - parent) + 1 : e->source;
    if (slash)
        *slash = '\0';
    auto_close int dir =
        open_beneath(c->source, slash ? parent : ".", O_RDONLY | O_DIRECTORY, 0, SOURCE_RESOLVE);
    name = *name ? name : ".";
    if (dir < 0 || fstatat(dir, name, &e->st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_sys(c->err, errno, "cannot open \"%s\"", e->source);
    c->files++;
    switch (e->st.st_mode & S_IFMT) {
    case S_IFDIR:
        return copy_folder(c, e, dir, name);
    case S_IFREG:
        return copy_file(c, e, dir, name);
    case S_IFLNK:
        return copy_link(c, e, dir, name);
    case S_IFIFO:
        return copy_fifo(c, e);
    default:
        return err_set(c->err, ERR_BAD_REQUEST, "\"%s\" is a device or socket, which layers do not hold",
                       e->source);
    }
}

static int fill(struct copy *c) {
    if (c->in_start > 0) {
        memmove(c->in, c->in + c->in_start, c->in_end - c->in_start);
        c->in_end -= c->in_start;
        c->in_start = 0;
    }
    size_t room = sizeof c->in - c->in_end;
    if (room == 0)
        return err_set(c->err, ERR_BAD_REQUEST, "a record is too long");
    if (c->call->rest_len > 0) {
        size_t n = c->call->rest_len < room ? c->call->rest_len : room;
        memcpy(c->in + c->in_end, c->call->rest, n);
        c->call->rest += n;
        c->call->rest_len -= n;
        c->in_end += n;
        return 0;
    }
    ssize_t n;
    do
        n = read(c->call->stream_fd, c->in + c->in_end, room);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return err_set(c->err, ERR_BAD_REQUEST, "the list of entries ended before it was complete");
    c->in_end += (size_t)n;
    return 0;
}

/* The next record's fields, in place. */
static int next_entry(struct copy *c, struct entry *e) {
    char *fields[FIELD_COUNT] = {NULL};
    for (;;) {
        size_t found = 0, at = c->in_start;
        while (found < FIELD_COUNT) {
            char *end = memchr(c->in + at, '\0', c->in_end - at);
            if (!end)
                break;
            fields[found++] = c->in + at;
            at = (size_t)(end - c->in) + 1;
        }
        if (found == FIELD_COUNT) {
            c->in_start = at;
            break;
        }
        if (fill(c) < 0)
            return -1;
    }
    char *end = fields[1];
    long mode = fields[1][0] ? strtol(fields[1], &end, 8) : -1;
    if (*end || mode < -1 || mode > 07777)
        return err_set(c->err, ERR_BAD_REQUEST, "\"%s\" is not a mode", fields[1]);
    *e = (struct entry){.op = fields[0], .mode = (int)mode, .source = fields[2], .target = fields[3]};
    if (place_clean_name(e->target, 0, c->err) < 0)
        return -1;
    return 0;
}

static int make_asked_folder(struct copy *c, struct entry *e) {
    e->st = (struct stat){.st_mode = S_IFDIR | 0755};
    e->op = "keep";
    return make_folder(c, e, -1, true);
}

/* Folders that no record names belong to whom the copies belong to. */
static int unnamed_folder(void *context, int fd, const char *path, struct err *err) {
    struct copy *c = context;
    if (c->uid >= 0 && fchown(fd, (uid_t)c->uid, (gid_t)c->gid) < 0)
        return err_sys(err, errno, "cannot set the owner of \"%s\"", path);
    return 0;
}

static int copy_all(struct copy *c) {
    for (;;) {
        struct entry e = {.op = "", .source = "", .target = ""};
        if (next_entry(c, &e) < 0)
            return -1;
        if (strcmp(e.op, "end") == 0)
            break;
        bool is_mkdir = strcmp(e.op, "mkdir") == 0;
        if (!is_mkdir && strcmp(e.op, "copy") != 0 && strcmp(e.op, "keep") != 0)
            return err_set(c->err, ERR_BAD_REQUEST, "record \"%.20s\" is not known", e.op);
        if ((is_mkdir ? make_asked_folder(c, &e) : copy_entry(c, &e)) < 0)
            return -1;
    }
    for (struct late_time *late = c->times; late; late = late->next) {
        const struct timespec times[2] = {late->mtime, late->mtime};
        auto_close int fd = open_beneath(c->place.root, late->path, O_RDONLY | O_DIRECTORY, 0,
                                         RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
        if (fd >= 0 && futimens(fd, times) < 0)
            return err_sys(c->err, errno, "cannot set the time of \"%s\"", late->path);
    }
    return 0;
}

static int read_request(struct copy *c, const struct json *request, const struct json **source,
                        const char **upper, const char **work) {
    const struct json *owner = NULL;
    if (json_opt_array(request, "source", source, c->err) < 0 ||
        json_need_string(request, "upper", upper, c->err) < 0 ||
        json_need_string(request, "work", work, c->err) < 0 ||
        json_opt_object(request, "owner", &owner, c->err) < 0)
        return -1;
    if (owner && (json_need_int(owner, "uid", 0, UINT32_MAX - 1, &c->uid, c->err) < 0 ||
                  json_need_int(owner, "gid", 0, UINT32_MAX - 1, &c->gid, c->err) < 0))
        return -1;
    return 0;
}

static int run_copy(struct copy *c, const struct json *lower, const char *upper, const char *work) {
    auto_close int root = merged_open(c->call->helper, lower, upper, work, c->err);
    if (root < 0)
        return -1;
    (void)fcntl(c->call->stream_fd, F_SETFL, 0);
    (void)umask(0);
    int done = place_open(&c->place, root, unnamed_folder, c, c->err);
    if (done == 0)
        done = copy_all(c);
    place_close(&c->place);
    return done;
}

int op_layer_copy(struct op_call *call, struct json_out *reply, struct err *err) {
    const struct json *lower = NULL, *source = NULL;
    const char *upper = NULL, *work = NULL;
    auto_free struct copy *c = calloc(1, sizeof *c);
    if (!c)
        return err_set(err, ERR_INTERNAL, "out of memory");
    c->call = call;
    c->err = err;
    c->source = c->uid = c->gid = -1;
    if (json_opt_array(call->request, "lower", &lower, err) < 0 ||
        read_request(c, call->request, &source, &upper, &work) < 0)
        return -1;
    auto_close int from = -1;
    if (source && (from = merged_open(call->helper, source, NULL, NULL, err)) < 0)
        return -1;
    c->source = from;
    int done = run_copy(c, lower, upper, work);
    inode_set_free(&c->links);
    while (c->times) {
        struct late_time *late = c->times;
        c->times = late->next;
        free(late);
    }
    json_put_uint(reply, "files", c->files);
    json_put_uint(reply, "bytes", c->bytes);
    return done;
}
