/* What the two cgroup versions share; the rest is in cgroup_v1.c and cgroup_v2.c. */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cleanup.h"

const char *cgroup_mount = "/sys/fs/cgroup";

const struct cgroup_device_rule cgroup_default_devices[] = {
    {'c', -1, -1, "m"}, {'b', -1, -1, "m"}, {'c', 1, 3, "rwm"},    {'c', 1, 5, "rwm"},
    {'c', 1, 7, "rwm"}, {'c', 1, 8, "rwm"}, {'c', 1, 9, "rwm"},    {'c', 5, 0, "rwm"},
    {'c', 5, 1, "rwm"}, {'c', 5, 2, "rwm"}, {'c', 136, -1, "rwm"}, {0, 0, 0, NULL},
};

int cgroup_write(int dir, const char *file, const char *value) {
    auto_close int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return -1;
    do
        n = write(fd, value, strlen(value));
    while (n < 0 && errno == EINTR);
    return n < 0 ? -1 : 0;
}

int cgroup_read(int dir, const char *file, char *buffer, size_t size) {
    auto_close int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
    size_t len = 0;

    buffer[0] = '\0';
    if (fd < 0)
        return -1;
    while (len < size - 1) {
        ssize_t n = read(fd, buffer + len, size - 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    buffer[len] = '\0';
    return 0;
}

uint64_t cgroup_read_number(int dir, const char *file) {
    char text[64];

    /* "max" reads as 0: no limit. */
    return cgroup_read(dir, file, text, sizeof(text)) ? 0 : strtoull(text, NULL, 10);
}

uint64_t cgroup_read_field(int dir, const char *file, const char *field) {
    char text[8192];
    size_t len = strlen(field);

    if (cgroup_read(dir, file, text, sizeof(text)))
        return 0;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, field, len) == 0 && line[len] == ' ')
            return strtoull(line + len + 1, NULL, 10);
    }
    return 0;
}

uint64_t cgroup_read_sum(int dir, const char *file, const char *word) {
    char text[8192];
    uint64_t sum = 0;

    if (cgroup_read(dir, file, text, sizeof(text)))
        return 0;
    for (const char *found = text; (found = strstr(found, word)); found += strlen(word))
        sum += strtoull(found + strlen(word), NULL, 10);
    return sum;
}

static int make_dir_once(int root, const char *path) {
    char prefix[256];
    size_t len = strlen(path);

    if (len >= sizeof(prefix)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(prefix, path, i);
        prefix[i] = '\0';
        /* Against the shim's umask: programs inside read their own limits here (Node, the JVM), mostly not as
         * root. */
        if (mkdirat(root, prefix, 0755) == 0)
            (void)fchmodat(root, prefix, 0755, 0);
        else if (errno != EEXIST)
            return -1;
    }
    return openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int cgroup_make_dir(int root, const char *path) {
    int fd = -1;

    /* Another container of the same parent may remove the empty parent between our mkdir of it and of the
     * leaf. */
    for (int attempt = 0; attempt < 16; attempt++) {
        fd = make_dir_once(root, path);
        if (fd >= 0 || errno != ENOENT)
            break;
    }
    return fd;
}

int cgroup_create(const struct spec *spec, struct cgroup *cgroup, struct err *err) {
    struct statfs fs;
    int rc;

    *cgroup = (struct cgroup){.version = 0};
    for (int kind = 0; kind < CGROUP_KINDS; kind++)
        cgroup->dir[kind] = -1;
    if (spec->cgroup[0] == '\0')
        return 0;
    if (statfs(cgroup_mount, &fs))
        return err_sys_as(err, ERR_CGROUP, errno, "cannot find the control groups at \"%s\"", cgroup_mount);
    (void)snprintf(cgroup->path, sizeof(cgroup->path), "%s", spec->cgroup);
    cgroup->version = fs.f_type == CGROUP2_SUPER_MAGIC ? 2 : 1;
    rc = cgroup->version == 2 ? cgroup_v2_create(spec, cgroup, err) : cgroup_v1_create(spec, cgroup, err);
    if (rc == 0)
        rc = cgroup_update(cgroup, &spec->resources, err);
    if (rc)
        cgroup_remove(cgroup);
    return rc;
}

int cgroup_update(struct cgroup *cgroup, const struct resources *resources, struct err *err) {
    switch (cgroup->version) {
    case 1:
        return cgroup_v1_update(cgroup, resources, err);
    case 2:
        return cgroup_v2_update(cgroup, resources, err);
    default:
        return 0;
    }
}

int cgroup_freeze(const struct cgroup *cgroup, bool frozen, struct err *err) {
    switch (cgroup->version) {
    case 1:
        return cgroup_v1_freeze(cgroup, frozen, err);
    case 2:
        return cgroup_v2_freeze(cgroup, frozen, err);
    default:
        return err_set(err, ERR_UNSUPPORTED, "a container without a cgroup cannot be paused");
    }
}

void cgroup_stats(const struct cgroup *cgroup, struct cgroup_stats *stats) {
    *stats = (struct cgroup_stats){0};
    if (cgroup->version == 1)
        cgroup_v1_stats(cgroup, stats);
    else if (cgroup->version == 2)
        cgroup_v2_stats(cgroup, stats);
}

int cgroup_open_join(const struct cgroup *cgroup, int fds[CGROUP_KINDS], int *count, struct err *err) {
    *count = 0;
    if (cgroup->version != 1)
        return 0;
    for (int kind = 0; kind < CGROUP_KINDS; kind++) {
        if (cgroup->dir[kind] < 0)
            continue;
        int fd = openat(cgroup->dir[kind], "tasks", O_WRONLY | O_CLOEXEC);
        if (fd < 0) {
            while (*count > 0)
                (void)close(fds[--*count]);
            return err_sys_as(err, ERR_CGROUP, errno, "cannot join cgroup \"%s\"", cgroup->path);
        }
        fds[(*count)++] = fd;
    }
    return 0;
}

int cgroup_join(const int *fds, int count, struct err *err) {
    for (int i = 0; i < count; i++) {
        if (write(fds[i], "0", 1) != 1)
            return err_sys_as(err, ERR_CGROUP, errno, "cannot join the container's cgroup");
        (void)close(fds[i]);
    }
    return 0;
}

int cgroup_members_dir(const struct cgroup *cgroup) {
    for (int kind = 0; kind < CGROUP_KINDS; kind++)
        if (cgroup->dir[kind] >= 0)
            return cgroup->dir[kind];
    return -1;
}

/* One pass over the members; the number signalled. */
static int signal_members(int dir, int signal) {
    char text[65536];
    int count = 0;

    if (cgroup_read(dir, "cgroup.procs", text, sizeof(text)))
        return 0;
    for (char *line = text, *end; *line; line = end + (*end == '\n')) {
        long pid = strtol(line, &end, 10);
        if (end == line)
            break;
        /* 0 is a process of another pid namespace that we cannot name; -1 and 1 must never be signalled. */
        if (pid > 1 && kill((pid_t)pid, signal) == 0)
            count++;
    }
    return count;
}

int cgroup_signal(const struct cgroup *cgroup, int signal, struct err *err) {
    int dir = cgroup_members_dir(cgroup);

    if (dir < 0)
        return err_set(err, ERR_UNSUPPORTED, "a container without a cgroup has no process list");
    if (signal == SIGKILL && cgroup->version == 2 && cgroup_write(dir, "cgroup.kill", "1") == 0)
        return 0;
    /* A fork bomb outruns a single pass; frozen, it cannot. Without a freezer the passes go on while they
     * find anybody, at most 100 times. */
    struct err ignored = {0};
    bool frozen = signal == SIGKILL && cgroup_freeze(cgroup, true, &ignored) == 0;
    for (int pass = 0; pass < (frozen || signal != SIGKILL ? 1 : 100); pass++)
        if (signal_members(dir, signal) == 0)
            break;
    /* SIGKILL waits in a frozen v1 group until it is thawed. */
    if (signal == SIGKILL)
        (void)cgroup_freeze(cgroup, false, &ignored);
    return 0;
}

static int remove_dir(int root, const char *path) {
    return unlinkat(root, path, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

int cgroup_open_root(int version, int kind) {
    char path[320];

    (void)snprintf(path, sizeof(path), version == 1 ? "%s/%s" : "%s", cgroup_mount,
                   cgroup_controller_name(kind));
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* A dying process leaves its cgroup a moment after its parent has seen it die, so EBUSY is retried; and what
 * still lives is killed. 2 s, then the next start's sweep has to take it. */
static void remove_own(const struct cgroup *cgroup, int root) {
    struct err ignored = {0};

    for (int attempt = 0; attempt < 200 && remove_dir(root, cgroup->path); attempt++) {
        if (attempt % 20 == 5)
            (void)cgroup_signal(cgroup, SIGKILL, &ignored);
        (void)nanosleep(&(struct timespec){0, attempt < 5 ? 200000 : 10000000}, NULL);
    }
}

void cgroup_remove_own(struct cgroup *cgroup) {
    for (int kind = 0; kind < CGROUP_KINDS; kind++) {
        if (cgroup->dir[kind] < 0)
            continue;
        auto_close int root = cgroup_open_root(cgroup->version, kind);
        if (root >= 0)
            remove_own(cgroup, root);
        (void)close(cgroup->dir[kind]);
        cgroup->dir[kind] = -1;
    }
    cgroup->version = 0;
}

void cgroup_remove(struct cgroup *cgroup) {
    const char *slash = strrchr(cgroup->path, '/');
    int version = cgroup->version;
    bool used[CGROUP_KINDS];
    char parent[256];

    for (int kind = 0; kind < CGROUP_KINDS; kind++)
        used[kind] = cgroup->dir[kind] >= 0;
    cgroup_remove_own(cgroup);
    (void)snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - cgroup->path) : 0, cgroup->path);
    for (int kind = 0; slash && kind < CGROUP_KINDS; kind++) {
        auto_close int root = used[kind] ? cgroup_open_root(version, kind) : -1;
        if (root >= 0)
            (void)unlinkat(root, parent, AT_REMOVEDIR); /* not empty: a sibling lives there */
    }
}
