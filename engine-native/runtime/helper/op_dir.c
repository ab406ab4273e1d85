/* dir.usage, dir.remove, dir.set_aside, dir.sync: what may take long on a folder of ours. In workers. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "helper.h"
#include "tree.h"
#include "within.h"

int op_dir_usage(struct op_call *call, struct json_out *reply, struct err *err) {
    const char *path = NULL;
    struct tree_usage usage;
    if (json_need_string(call->request, "dir", &path, err) < 0)
        return -1;
    int fd = within_open_dir(call->helper, path, err);
    if (fd < 0 || tree_measure(fd, path, &usage, err) < 0)
        return -1;
    json_put_uint(reply, "bytes", usage.bytes);
    json_put_uint(reply, "content", usage.content);
    json_put_uint(reply, "files", usage.files);
    return 0;
}

/* Missing is success: whoever asks wants it gone, and may be asking again after a crash. */
int op_dir_remove(struct op_call *call, struct json_out *reply, struct err *err) {
    const char *path = NULL, *name;
    (void)reply;
    if (json_need_string(call->request, "dir", &path, err) < 0)
        return -1;
    auto_close int parent = within_open_parent(call->helper, path, &name, err);
    if (parent < 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    return tree_remove(parent, name, path, err);
}

/* Missing is success, as for dir.remove. */
static int set_aside(const struct helper *helper, const char *path, int into, unsigned number,
                     struct err *err) {
    char as[16];
    const char *name;
    auto_close int parent = within_open_parent(helper, path, &name, err);
    if (parent < 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    (void)snprintf(as, sizeof as, "%u", number);
    if (renameat(parent, name, into, as) == 0 || errno == ENOENT)
        return 0;
    return err_sys(err, errno, "cannot move \"%s\" aside", path);
}

/* Renames: in no time, however much lies below the paths. Whoever asks removes `into` when nobody waits. */
int op_dir_set_aside(struct op_call *call, struct json_out *reply, struct err *err) {
    const struct json *paths = NULL;
    const char *into = NULL;
    unsigned number = 0;
    (void)reply;
    if (json_need_string(call->request, "into", &into, err) < 0 ||
        json_opt_array(call->request, "paths", &paths, err) < 0)
        return -1;
    auto_close int fd = within_open_dir(call->helper, into, err);
    if (fd < 0)
        return -1;
    json_each(item, paths) {
        if (item->type != JSON_STRING)
            return err_set(err, ERR_BAD_REQUEST, "\"paths\" must be a list of paths");
        if (set_aside(call->helper, item->string.text, fd, number++, err) < 0)
            return -1;
    }
    return 0;
}

int op_dir_sync(struct op_call *call, struct json_out *reply, struct err *err) {
    const char *path = NULL;
    (void)reply;
    if (json_need_string(call->request, "dir", &path, err) < 0)
        return -1;
    auto_close int fd = within_open_dir(call->helper, path, err);
    if (fd < 0)
        return -1;
    return syncfs(fd) < 0 ? err_sys(err, errno, "cannot write \"%s\" to disk", path) : 0;
}
