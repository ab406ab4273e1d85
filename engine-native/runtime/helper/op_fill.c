/* volume.fill: an empty volume gets what the image has at its mount point, owners and modes included. In
 * workers. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "archive_write.h"
#include "container_root.h"
#include "tar_read.h"
#include "tree.h"
#include "untar.h"
#include "within.h"

/* Calls tree_remove for everything in it (remove), or tells whether there is anything. */
static int scan(int folder, bool remove, struct err *err) {
    int found = 0;
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_closedir DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (!dir)
        return err_sys(err, errno, "cannot read the volume");
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        found = 1;
        if (remove && tree_remove(folder, entry->d_name, entry->d_name, err) < 0)
            return -1;
    }
    return found;
}

/* A process of its own writes what the other reads: one way of copying, the one that archives use. */
static pid_t start_writer(int node, const int pair[2]) {
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    static const struct archive_options options = {.name = "."};
    struct tar_sink sink;
    struct err err = {0};
    (void)close(pair[0]);
    if (tar_sink_open(&sink, pair[1], NULL, &err) < 0)
        _exit(1);
    _exit(archive_write(node, &options, &sink, &err) < 0);
}

static int copy_tree(int node, int folder, struct untar_result *result, struct err *err) {
    static const struct untar_options options = {.plain = true,
                                                 .stay_beneath = true,
                                                 .root_metadata = true,
                                                 .skip_devices = true,
                                                 .owner_uid = -1,
                                                 .owner_gid = -1};
    struct tar_reader reader;
    int pair[2], status = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_sys(err, errno, "cannot make a socket pair");
    pid_t pid = start_writer(node, pair);
    (void)close(pair[1]);
    int done = pid < 0 ? err_sys(err, errno, "cannot fork") : tar_reader_open(&reader, pair[0], NULL, 0, err);
    if (done == 0) {
        done = untar(&reader, folder, &options, result, err);
        tar_reader_close(&reader);
    }
    (void)close(pair[0]);
    if (pid > 0)
        (void)waitpid(pid, &status, 0);
    if (done == 0 && status != 0)
        done = err_set(err, ERR_INTERNAL, "the image's files cannot be read");
    return done;
}

int op_volume_fill(struct op_call *call, struct json_out *reply, struct err *err) {
    struct container_root root auto_container_root = {.fd = -1};
    const struct json *source = NULL;
    const char *path = NULL, *dest = NULL;
    struct untar_result result = {0};
    struct err ignored;
    struct stat st;
    if (json_need_object(call->request, "root", &source, err) < 0 ||
        json_need_string(call->request, "path", &path, err) < 0 ||
        json_need_string(call->request, "dest", &dest, err) < 0)
        return -1;
    auto_close int folder = within_open_dir(call->helper, dest, err);
    if (folder < 0 || container_root_open(call->helper, source, path, &root, err) < 0)
        return -1;
    auto_close int node = container_root_lookup(&root, path, O_PATH);
    /* An image without such a folder gives nothing; a volume with files keeps them. */
    int used = node >= 0 && fstat(node, &st) == 0 && S_ISDIR(st.st_mode) ? scan(folder, false, err) : 1;
    if (used < 0)
        return -1;
    if (used == 0 && copy_tree(node, folder, &result, err) < 0) {
        (void)scan(folder, true, &ignored);
        return -1;
    }
    json_put_uint(reply, "files", result.files);
    return 0;
}
