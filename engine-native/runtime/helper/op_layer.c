/* layer.untar, layer.tar, layer.digest: requests into options, results into replies. In workers. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../lib/frame.h"
#include "helper.h"
#include "layer.h"
#include "tree.h"
#include "untar.h"
#include "within.h"

#define EXCLUDES_MAX 1000

static int read_mtime(const struct json *request, bool *has, int64_t *mtime, struct err *err) {
    *has = json_get(request, "mtime") != NULL;
    return json_opt_int(request, "mtime", 0, (int64_t)1 << 40, mtime, err);
}

static int read_untar_options(const struct json *request, struct untar_options *options, struct err *err) {
    const struct json *owner = NULL;
    int64_t max_bytes = 0, max_files = 0, strip = 0;
    const char *devices = "refuse";
    *options = (struct untar_options){.owner_uid = -1, .owner_gid = -1};
    if (json_opt_object(request, "owner", &owner, err) < 0 ||
        (owner && (json_need_int(owner, "uid", 0, UINT32_MAX - 1, &options->owner_uid, err) < 0 ||
                   json_need_int(owner, "gid", 0, UINT32_MAX - 1, &options->owner_gid, err) < 0)) ||
        read_mtime(request, &options->has_mtime, &options->mtime, err) < 0 ||
        json_opt_int(request, "maxBytes", 0, INT64_MAX, &max_bytes, err) < 0 ||
        json_opt_int(request, "maxFiles", 0, INT64_MAX, &max_files, err) < 0 ||
        json_opt_int(request, "strip", 0, 100, &strip, err) < 0 ||
        json_opt_string(request, "devices", &devices, err) < 0)
        return -1;
    options->max_bytes = (uint64_t)max_bytes;
    options->max_files = (uint64_t)max_files;
    options->strip = (unsigned)strip;
    options->skip_devices = strcmp(devices, "skip") == 0;
    if (!options->skip_devices && strcmp(devices, "refuse") != 0)
        return err_set(err, ERR_BAD_REQUEST, "\"devices\" must be \"refuse\" or \"skip\"");
    return 0;
}

/* Makes the folder when it is not there; its parent must be. *made says which. */
static int open_dest(const struct helper *helper, const char *path, bool *made, struct err *err) {
    const char *name;
    auto_close int parent = within_open_parent(helper, path, &name, err);
    if (parent < 0)
        return -1;
    *made = mkdirat(parent, name, 0755) == 0;
    if (!*made && errno != EEXIST)
        return err_sys(err, errno, "cannot create \"%s\"", path);
    return within_open_dir(helper, path, err);
}

/* A failed layer leaves nothing half-made behind, least of all on a full disk. What was there before stays.
 */
static void discard(const struct helper *helper, const char *path) {
    struct err ignored;
    const char *name;
    auto_close int parent = within_open_parent(helper, path, &name, &ignored);
    if (parent >= 0)
        (void)tree_remove(parent, name, path, &ignored);
}

int op_layer_untar(struct op_call *call, struct json_out *reply, struct err *err) {
    const char *dest = NULL;
    struct untar_options options;
    struct untar_result result = {0};
    struct tar_reader reader;
    char hex[65] = "";
    if (json_need_string(call->request, "dest", &dest, err) < 0 ||
        read_untar_options(call->request, &options, err) < 0)
        return -1;
    auto_close int root = open_dest(call->helper, dest, &options.fresh_root, err);
    if (root < 0)
        return -1;
    (void)fcntl(call->stream_fd, F_SETFL, 0);
    int done = tar_reader_open(&reader, call->stream_fd, call->rest, call->rest_len, err);
    if (done == 0)
        done = untar(&reader, root, &options, &result, err);
    if (done == 0)
        hash_ahead_finish_hex(&reader.hash, hex);
    tar_reader_close(&reader);
    if (done < 0) {
        if (options.fresh_root)
            discard(call->helper, dest);
        return -1;
    }
    json_put_string(reply, "sha256", hex);
    json_put_uint(reply, "bytes", result.bytes);
    json_put_uint(reply, "files", result.files);
    return 0;
}

struct excludes {
    const char **list;
    size_t count;
};

static int read_excludes(const struct json *request, struct excludes *excludes, struct err *err) {
    const struct json *array = NULL;
    if (json_opt_array(request, "exclude", &array, err) < 0)
        return -1;
    if (!array)
        return 0;
    if (array->list.count > EXCLUDES_MAX)
        return err_set(err, ERR_BAD_REQUEST, "\"exclude\" has more than %d paths", EXCLUDES_MAX);
    excludes->list = calloc(array->list.count + 1, sizeof *excludes->list);
    if (!excludes->list)
        return err_set(err, ERR_INTERNAL, "out of memory");
    json_each(item, array) {
        if (item->type != JSON_STRING)
            return err_set(err, ERR_BAD_REQUEST, "\"exclude\" must be a list of paths");
        excludes->list[excludes->count++] = item->string.text;
    }
    return 0;
}

static int open_layer(const struct op_call *call, struct layer_options *options, struct excludes *excludes,
                      char base[PATH_MAX], struct err *err) {
    const char *given = "";
    if (json_need_string(call->request, "dir", &options->label, err) < 0 ||
        json_opt_string(call->request, "base", &given, err) < 0 ||
        read_mtime(call->request, &options->has_mtime, &options->mtime, err) < 0 ||
        read_excludes(call->request, excludes, err) < 0)
        return -1;
    size_t len = strlen(given);
    if (len >= PATH_MAX / 2)
        return err_set(err, ERR_BAD_REQUEST, "\"base\" is too long");
    memcpy(base, given, len + 1);
    if (place_clean_name(base, 0, err) < 0)
        return err_wrap(err, "\"base\"");
    options->base = base;
    options->exclude = excludes->list;
    options->exclude_count = excludes->count;
    return within_open_dir(call->helper, options->label, err);
}

int op_layer_tar(struct op_call *call, struct json_out *reply, struct err *err) {
    struct layer_options options = {0};
    struct excludes excludes = {0};
    struct layer_result result;
    struct tar_sink sink;
    char base[PATH_MAX];
    int dir = open_layer(call, &options, &excludes, base, err);
    if (dir < 0)
        return -1;
    (void)fcntl(call->stream_fd, F_SETFL, O_NONBLOCK);
    json_close_object(reply);
    if (frame_write(call->stream_fd, reply->data, reply->len, err) < 0)
        return -1;
    /* From here on a failure can only be shown by what is missing: the two zero blocks. */
    call->replied = true;
    if (tar_sink_open(&sink, call->stream_fd, NULL, err) < 0)
        return -1;
    int done = layer_write(dir, &options, &sink, &result, err);
    tar_sink_close(&sink);
    free(excludes.list);
    return done;
}

int op_layer_digest(struct op_call *call, struct json_out *reply, struct err *err) {
    struct layer_options options = {0};
    struct excludes excludes = {0};
    struct layer_result result;
    struct tar_sink sink;
    struct hash_ahead hash;
    char base[PATH_MAX], hex[65];
    int dir = open_layer(call, &options, &excludes, base, err);
    if (dir < 0 || tar_sink_open(&sink, -1, &hash, err) < 0)
        return -1;
    hash_ahead_open(&hash);
    int done = layer_write(dir, &options, &sink, &result, err);
    if (done == 0)
        hash_ahead_finish_hex(&hash, hex);
    hash_ahead_close(&hash);
    tar_sink_close(&sink);
    free(excludes.list);
    if (done < 0)
        return -1;
    json_put_string(reply, "sha256", hex);
    json_put_uint(reply, "size", sink.size);
    json_put_uint(reply, "files", result.files);
    json_put_uint(reply, "bytes", result.bytes);
    return 0;
}
