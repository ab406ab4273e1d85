/* archive.stat, archive.get, archive.put: docker cp, docker export and the image's single files. In workers.
 */
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
#include "archive_write.h"
#include "container_root.h"
#include "tar_read.h"
#include "untar.h"

struct wanted {
    const struct json *root;
    const char *path;
    bool follow;   /* the last component too */
    bool contents; /* the folder's contents without the folder */
};

static int read_wanted(const struct json *request, struct wanted *wanted, struct err *err) {
    if (json_need_object(request, "root", &wanted->root, err) < 0 ||
        json_need_string(request, "path", &wanted->path, err) < 0 ||
        json_opt_bool(request, "follow", &wanted->follow, err) < 0 ||
        json_opt_bool(request, "contents", &wanted->contents, err) < 0)
        return -1;
    if (strlen(wanted->path) >= PATH_MAX / 2)
        return err_set(err, ERR_BAD_REQUEST, "the path is too long");
    return 0;
}

static int missing(const char *path, struct err *err) {
    if (errno == ELOOP)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" has too many symbolic links", path);
    if (errno == ENOENT || errno == ENOTDIR || errno == ENAMETOOLONG)
        return err_sys_as(err, ERR_NOT_FOUND, errno, "cannot open \"%s\" in the container", path);
    return err_sys(err, errno, "cannot open \"%s\" in the container", path);
}

/* A trailing "/" or "/." asks for what a link leads to. */
static int open_wanted(const struct container_root *root, const struct wanted *wanted, struct err *err) {
    size_t len = strlen(wanted->path);
    bool dot = len > 1 && strcmp(wanted->path + len - 2, "/.") == 0;
    bool follow = wanted->follow || dot || (len > 0 && wanted->path[len - 1] == '/');
    auto_close int node = container_root_lookup(root, wanted->path, O_PATH | (follow ? 0 : O_NOFOLLOW));
    if (node < 0)
        return missing(wanted->path, err);
    /* What the kernel invents is no file of the container's, and may have no end. */
    if (archive_is_kernels_own(node)) {
        errno = ENOENT;
        return missing(wanted->path, err);
    }
    return steal_fd(&node);
}

/* The last name of a path as Docker's clients expect it: "." for "x/.", "/" for the root. */
static void base_name(const char *path, char name[NAME_MAX + 1]) {
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    if (end <= 1 && (end == 0 || path[0] == '/'))
        (void)snprintf(name, NAME_MAX + 1, "/");
    else
        (void)snprintf(name, NAME_MAX + 1, "%.*s", (int)(end - start), path + start);
}

/* Where a link leads inside the container; a dangling one as it stands. */
static void put_link_target(const struct container_root *root, const struct wanted *wanted, int node,
                            struct json_out *reply) {
    char link[PATH_MAX], target[PATH_MAX];
    ssize_t n;
    auto_close int there = container_root_lookup(root, wanted->path, O_PATH);
    if (there >= 0) {
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", there);
        n = readlink(link, target, sizeof target - 1);
    } else {
        n = readlinkat(node, "", target, sizeof target - 1);
    }
    target[n > 0 ? n : 0] = '\0';
    const char *prefix = root->attached ? root->helper->run : "";
    size_t len = strlen(prefix);
    json_put_string(reply, "linkTarget", strncmp(target, prefix, len) == 0 ? target + len : target);
}

static int put_stat(const struct container_root *root, const struct wanted *wanted, int node,
                    struct json_out *reply, struct err *err) {
    char name[NAME_MAX + 1];
    struct stat st;
    if (fstat(node, &st) < 0)
        return err_sys(err, errno, "cannot look at \"%s\"", wanted->path);
    base_name(wanted->path, name);
    json_put_string(reply, "name", name);
    json_put_uint(reply, "size", (uint64_t)st.st_size);
    json_put_uint(reply, "mode", st.st_mode);
    json_put_int(reply, "mtime", st.st_mtim.tv_sec);
    json_put_int(reply, "mtimeNs", st.st_mtim.tv_nsec);
    if (S_ISLNK(st.st_mode))
        put_link_target(root, wanted, node, reply);
    return 0;
}

int op_archive_stat(struct op_call *call, struct json_out *reply, struct err *err) {
    struct container_root root auto_container_root = {.fd = -1};
    struct wanted wanted = {0};
    if (read_wanted(call->request, &wanted, err) < 0 ||
        container_root_open(call->helper, wanted.root, wanted.path, &root, err) < 0)
        return -1;
    auto_close int node = open_wanted(&root, &wanted, err);
    return node < 0 ? -1 : put_stat(&root, &wanted, node, reply, err);
}

static int send_archive(struct op_call *call, int node, const struct archive_options *options,
                        struct json_out *reply, struct err *err) {
    struct tar_sink sink;
    (void)fcntl(call->stream_fd, F_SETFL, O_NONBLOCK);
    json_close_object(reply);
    if (frame_write(call->stream_fd, reply->data, reply->len, err) < 0)
        return -1;
    /* From here on a failure can only be shown by what is missing: the two zero blocks. */
    call->replied = true;
    if (tar_sink_open(&sink, call->stream_fd, NULL, err) < 0)
        return -1;
    int done = archive_write(node, options, &sink, err);
    tar_sink_close(&sink);
    return done;
}

int op_archive_get(struct op_call *call, struct json_out *reply, struct err *err) {
    struct container_root root auto_container_root = {.fd = -1};
    struct wanted wanted = {0};
    char name[NAME_MAX + 1];
    if (read_wanted(call->request, &wanted, err) < 0 ||
        container_root_open(call->helper, wanted.root, wanted.path, &root, err) < 0)
        return -1;
    auto_close int node = open_wanted(&root, &wanted, err);
    if (node < 0 || put_stat(&root, &wanted, node, reply, err) < 0)
        return -1;
    base_name(wanted.path, name);
    struct archive_options options = {.name = wanted.contents ? "" : name, .skip_first = wanted.contents};
    return send_archive(call, node, &options, reply, err);
}

static int read_put_options(const struct json *request, struct untar_options *options, struct err *err) {
    const struct json *owner = NULL;
    int64_t limit = 0;
    *options = (struct untar_options){.plain = true, .owner_uid = -1, .owner_gid = -1};
    if (json_opt_object(request, "owner", &owner, err) < 0 ||
        (owner && (json_need_int(owner, "uid", 0, UINT32_MAX - 1, &options->owner_uid, err) < 0 ||
                   json_need_int(owner, "gid", 0, UINT32_MAX - 1, &options->owner_gid, err) < 0)) ||
        json_opt_int(request, "idLimit", 0, UINT32_MAX, &limit, err) < 0 ||
        json_opt_bool(request, "noSwap", &options->no_swap, err) < 0)
        return -1;
    options->id_limit = (uint32_t)limit;
    return 0;
}

static int open_folder(const struct container_root *root, const char *path, struct untar_options *options,
                       struct err *err) {
    struct stat st, top;
    auto_close int node = container_root_lookup(root, path, O_PATH);
    if (node < 0)
        return missing(path, err);
    if (archive_is_kernels_own(node))
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" lies in a file system of the kernel", path);
    if (fstat(node, &st) < 0 || fstat(root->fd, &top) < 0)
        return err_sys(err, errno, "cannot look at \"%s\"", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_BAD_REQUEST, "extraction point is not a directory: \"%s\"", path);
    /* Below the container's root links mean what they mean to the container; anywhere else what the archive
     * or the container put there must not lead out of the folder that was named. */
    options->stay_beneath = st.st_dev != top.st_dev || st.st_ino != top.st_ino;
    int fd = openat(node, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_sys(err, errno, "cannot open \"%s\"", path) : fd;
}

static int receive(struct op_call *call, int folder, const struct untar_options *options,
                   struct untar_result *result, struct err *err) {
    struct tar_reader reader;
    (void)fcntl(call->stream_fd, F_SETFL, 0);
    int done = tar_reader_open(&reader, call->stream_fd, call->rest, call->rest_len, err);
    if (done == 0)
        done = untar(&reader, folder, options, result, err);
    tar_reader_close(&reader);
    return done;
}

int op_archive_put(struct op_call *call, struct json_out *reply, struct err *err) {
    struct container_root root auto_container_root = {.fd = -1};
    struct wanted wanted = {0};
    struct untar_options options;
    struct untar_result result = {0};
    if (read_wanted(call->request, &wanted, err) < 0 || read_put_options(call->request, &options, err) < 0 ||
        container_root_open(call->helper, wanted.root, wanted.path, &root, err) < 0)
        return -1;
    auto_close int folder = open_folder(&root, wanted.path, &options, err);
    if (folder < 0 || receive(call, folder, &options, &result, err) < 0)
        return -1;
    json_put_uint(reply, "bytes", result.bytes);
    json_put_uint(reply, "files", result.files);
    return 0;
}
