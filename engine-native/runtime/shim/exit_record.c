/* See exit_record.h. */
#include "exit_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../lib/frame.h"

void exit_record_put(const struct exit_record *record, struct json_out *out) {
    json_put_int(out, "exitCode", record->exit_code);
    if (record->signal)
        json_put_int(out, "signal", record->signal);
    json_put_bool(out, "oomKilled", record->oom_killed);
    json_put_string(out, "startedAt", record->started_at);
    json_put_string(out, "finishedAt", record->finished_at);
}

static int write_file(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

int record_write_file(const char *dir, const char *name, const char *data, size_t len, struct err *err) {
    char temporary[64];
    auto_close int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)snprintf(temporary, sizeof(temporary), "%s.tmp", name);
    if (dir_fd < 0)
        return err_sys(err, errno, "cannot open \"%s\"", dir);
    auto_close int fd =
        openat(dir_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write_file(fd, data, len) || renameat(dir_fd, temporary, dir_fd, name))
        return err_sys(err, errno, "cannot write \"%s/%s\"", dir, name);
    return 0;
}

int exit_record_write(const struct exit_record *record, const char *dir, struct err *err) {
    auto_json_out struct json_out out = {0};

    json_open_object(&out);
    exit_record_put(record, &out);
    json_close_object(&out);
    if (json_out_finish(&out, err))
        return -1;
    return record_write_file(dir, "exit.json", out.data, out.len, err);
}

void exit_record_sync(const char *dir) {
    auto_close int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close int fd = dir_fd < 0 ? -1 : openat(dir_fd, "exit.json", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd >= 0 && fsync(fd) == 0)
        (void)fsync(dir_fd);
}

void exit_record_forget(const char *dir) {
    auto_close int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir_fd >= 0)
        (void)unlinkat(dir_fd, "exit.json", 0);
}
