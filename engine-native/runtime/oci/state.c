/* See state.h. */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../shim/cgroup.h"
#include "cgroups.h"

#define FILE_LIMIT (4u << 20)

static int check_id(const char *id, struct err *err) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.";
    size_t len = strlen(id);

    if (len == 0 || len > 1024 || strspn(id, allowed) != len || strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
        return err_set(err, ERR_BAD_REQUEST, "invalid container id \"%s\"", id);
    return 0;
}

char *state_read_file(int dir, const char *name, size_t limit, size_t *len, struct err *err) {
    auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    auto_free char *text = NULL;
    size_t room = 0;

    if (fd < 0) {
        (void)err_sys(err, errno, "cannot open \"%s\"", name);
        return NULL;
    }
    *len = 0;
    for (;;) {
        if (*len + 1 >= room) {
            room = room ? 2 * room : 8192;
            char *more = room > 2 * limit ? NULL : realloc(text, room);
            if (!more) {
                (void)err_set(err, ERR_BAD_REQUEST, "\"%s\" is larger than %zu bytes", name, limit);
                return NULL;
            }
            text = more;
        }
        ssize_t n = read(fd, text + *len, room - *len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            (void)err_sys(err, errno, "cannot read \"%s\"", name);
            return NULL;
        }
        if (n == 0)
            break;
        *len += (size_t)n;
    }
    text[*len] = '\0';
    return steal_pointer(&text);
}

static int write_file(int dir, const char *name, const char *data, size_t len, struct err *err) {
    char temporary[64];

    (void)snprintf(temporary, sizeof(temporary), "%s.tmp", name);
    auto_close int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    for (size_t done = 0; fd >= 0 && done < len;) {
        ssize_t n = write(fd, data + done, len - done);
        if (n < 0 && errno != EINTR)
            return err_sys(err, errno, "cannot write \"%s\"", name);
        done += n > 0 ? (size_t)n : 0;
    }
    if (fd < 0 || renameat(dir, temporary, dir, name))
        return err_sys(err, errno, "cannot write \"%s\"", name);
    return 0;
}

static int make_root(const char *root) {
    char path[PATH_MAX];

    if (strlen(root) >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (size_t i = 1; root[i - 1]; i++) {
        if (root[i] != '/' && root[i] != '\0')
            continue;
        memcpy(path, root, i);
        path[i] = '\0';
        if (mkdir(path, 0711) && errno != EEXIST)
            return -1;
    }
    return open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int state_create(const char *root, const char *id, struct state *state, struct err *err) {
    *state = (struct state){.dir = -1};
    if (check_id(id, err))
        return -1;
    auto_close int dir = make_root(root);
    if (dir < 0)
        return err_sys(err, errno, "cannot make \"%s\"", root);
    if (mkdirat(dir, id, 0711))
        return errno == EEXIST
                   ? err_set(err, ERR_EXISTS, "container with given ID already exists: \"%s\"", id)
                   : err_sys(err, errno, "cannot make the folder of container \"%s\"", id);
    state->dir = openat(dir, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    state->id = strdup(id);
    if (state->dir < 0 || !state->id || flock(state->dir, LOCK_EX | LOCK_NB))
        return err_sys(err, errno, "cannot lock container \"%s\"", id);
    return 0;
}

static int parse_state(const struct json *object, struct state *state, struct err *err) {
    const char *bundle, *rootfs = "", *created = "", *cgroup = "";
    int64_t pid = 0;

    if (json_need_string(object, "bundle", &bundle, err) ||
        json_need_int(object, "pid", 0, INT32_MAX, &pid, err) ||
        json_opt_uint(object, "startTime", &state->start_time, err) ||
        json_opt_string(object, "rootfs", &rootfs, err) ||
        json_opt_string(object, "created", &created, err) ||
        json_opt_string(object, "cgroup", &cgroup, err) ||
        json_opt_bool(object, "ready", &state->is_ready, err) ||
        json_opt_bool(object, "ownsMount", &state->owns_mount, err))
        return -1;
    state->pid = (pid_t)pid;
    state->bundle = strdup(bundle);
    state->rootfs = strdup(rootfs);
    state->created = strdup(created);
    state->cgroup = strdup(cgroup);
    if (!state->bundle || !state->rootfs || !state->created || !state->cgroup)
        return err_sys(err, ENOMEM, "cannot hold the container's state");
    return 0;
}

static int read_state(struct state *state, struct err *err) {
    size_t len;
    auto_free char *text = state_read_file(state->dir, "state.json", FILE_LIMIT, &len, err);
    auto_json struct json_doc *doc = text ? json_parse(text, len, err) : NULL;

    if (!doc || parse_state(json_root(doc), state, err))
        return -1;
    state->config_text = state_read_file(state->dir, "config.json", FILE_LIMIT, &len, err);
    state->config_document = state->config_text ? json_parse(state->config_text, len, err) : NULL;
    if (!state->config_document)
        return -1;
    return config_read(json_root(state->config_document), &state->config, err);
}

/* Another command may be at work on the container: poststart and poststop hooks take their time. Two minutes,
 * then one that hangs is reported by this one. */
static int lock(int dir) {
    for (int i = 0; i < 2400; i++) {
        if (flock(dir, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1;
        (void)nanosleep(&(struct timespec){0, i < 100 ? 1000000 : 50000000}, NULL);
    }
    return -1;
}

int state_open(const char *root, const char *id, bool locked, struct state *state, struct err *err) {
    *state = (struct state){.dir = -1};
    if (check_id(id, err))
        return -1;
    auto_close int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    state->id = strdup(id);
    state->dir = dir < 0 ? -1 : openat(dir, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (state->dir >= 0 && locked && lock(state->dir))
        return err_sys(err, errno, "container \"%s\" is busy", id);
    if (state->dir < 0 || !state->id || faccessat(state->dir, "state.json", F_OK, 0))
        return err_set(err, ERR_NOT_FOUND, "container \"%s\" does not exist", id);
    return err->code = ERR_NONE, read_state(state, err);
}

int state_save_config(const struct state *state, struct err *err) {
    return write_file(state->dir, "config.json", state->config_text, strlen(state->config_text), err);
}

void state_remove(const char *root, const struct state *state) {
    static const char *const files[] = {"start.sock", "config.json", "config.json.tmp", "state.json.tmp",
                                        "state.json"};
    auto_close int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        (void)unlinkat(state->dir, files[i], 0);
    if (dir >= 0)
        (void)unlinkat(dir, state->id, AT_REMOVEDIR);
}

void state_close(struct state *state) {
    if (state->dir >= 0)
        (void)close(state->dir);
    config_free(&state->config);
    json_free(state->config_document);
    free(state->config_text);
    json_free(state->process_document);
    free(state->process_text);
    free(state->id);
    free(state->bundle);
    free(state->rootfs);
    free(state->created);
    free(state->cgroup);
    *state = (struct state){.dir = -1};
}

/* Field 22 of stat; the name before it may hold spaces and brackets. */
uint64_t process_start_time(pid_t pid) {
    char path[64], text[1024];

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    if (pid <= 0 || cgroup_read(AT_FDCWD, path, text, sizeof(text)))
        return 0;
    char *field = strrchr(text, ')');
    if (!field || strlen(field) < 3 || field[2] == 'Z' || field[2] == 'X')
        return 0;
    field += 2;
    for (int i = 3; i < 22 && field; i++) {
        field = strchr(field, ' ');
        field = field ? field + 1 : NULL;
    }
    return field ? strtoull(field, NULL, 10) : 0;
}

enum status state_status(const struct state *state) {
    if (state->pid <= 0 || state->start_time == 0 || process_start_time(state->pid) != state->start_time)
        return STATUS_STOPPED;
    if (!state->is_ready)
        return STATUS_CREATING;
    if (faccessat(state->dir, "start.sock", F_OK, 0) == 0)
        return STATUS_CREATED;
    return cgroups_are_frozen(state->cgroup) ? STATUS_PAUSED : STATUS_RUNNING;
}

const char *state_status_name(enum status status) {
    static const char *const names[] = {"creating", "created", "running", "paused", "stopped"};
    return names[status];
}

void state_put(const struct state *state, enum status status, struct json_out *out) {
    json_put_string(out, "ociVersion", OCI_VERSION);
    json_put_string(out, "id", state->id);
    json_put_int(out, "pid", status == STATUS_STOPPED ? 0 : state->pid);
    json_put_string(out, "status", state_status_name(status));
    json_put_string(out, "bundle", state->bundle ? state->bundle : "");
    json_put_string(out, "rootfs", state->rootfs ? state->rootfs : "");
    json_put_string(out, "created", state->created ? state->created : "");
    json_put_string(out, "owner", "");
    if (state->config.annotations) {
        json_key(out, "annotations");
        json_raw(out, state->config.annotations->raw, state->config.annotations->raw_len);
    }
}

int state_save(const struct state *state, struct err *err) {
    auto_json_out struct json_out out = {0};

    json_open_object(&out);
    state_put(state, state->is_ready ? STATUS_RUNNING : STATUS_CREATING, &out);
    json_put_uint(&out, "startTime", state->start_time);
    json_put_string(&out, "cgroup", state->cgroup ? state->cgroup : "");
    json_put_bool(&out, "ready", state->is_ready);
    json_put_bool(&out, "ownsMount", state->owns_mount);
    json_close_object(&out);
    if (json_out_finish(&out, err))
        return -1;
    return write_file(state->dir, "state.json", out.data, out.len, err);
}
