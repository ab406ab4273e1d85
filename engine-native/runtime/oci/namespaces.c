/* See namespaces.h. */
#include "namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../shim/kernel.h"
#include "../shim/launch.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

static const uint64_t flags_of[NS_KINDS] = {
    [NS_USER] = CLONE_NEWUSER, [NS_PID] = CLONE_NEWPID,  [NS_NET] = CLONE_NEWNET,
    [NS_IPC] = CLONE_NEWIPC,   [NS_UTS] = CLONE_NEWUTS,  [NS_CGROUP] = CLONE_NEWCGROUP,
    [NS_TIME] = CLONE_NEWTIME, [NS_MOUNT] = CLONE_NEWNS,
};

/* What the intermediate tells the runtime: one write, shorter than a pipe's atomic size. */
struct report {
    pid_t pid;
    struct err err;
};

/* The path must be a namespace of that kind: a namespace of another kind in its place is somebody's mistake.
 */
static int join_one(const struct oci_namespace *ns, int kind, struct err *err) {
    auto_close int fd = open(ns->path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(err, errno, "cannot open namespace \"%s\"", ns->path);
    if (setns(fd, (int)flags_of[kind]))
        return err_sys(err, errno, "cannot join namespace \"%s\"", ns->path);
    return 0;
}

/* Namespaces may belong to the user namespace that is joined, or to the runtime's own: each is tried before
 * and, where it is refused, after. The mount namespace comes last, for the paths of the others are the
 * runtime's. */
static int join_paths(const struct oci_config *config, struct err *err) {
    const struct oci_namespace *ns = config->namespaces;
    int fds[NS_KINDS];
    bool joined[NS_KINDS] = {false};

    for (int kind = 0; kind < NS_KINDS; kind++) {
        fds[kind] = ns[kind].path ? open(ns[kind].path, O_RDONLY | O_CLOEXEC) : -1;
        if (ns[kind].path && fds[kind] < 0)
            return err_sys(err, errno, "cannot open namespace \"%s\"", ns[kind].path);
    }
    for (int kind = NS_USER + 1; kind < NS_MOUNT; kind++)
        joined[kind] = fds[kind] < 0 || setns(fds[kind], (int)flags_of[kind]) == 0;
    if (ns[NS_USER].path && join_one(&ns[NS_USER], NS_USER, err))
        return -1;
    for (int kind = NS_USER + 1; kind < NS_KINDS; kind++) {
        if (!joined[kind] && fds[kind] >= 0 && setns(fds[kind], (int)flags_of[kind]))
            return err_sys(err, errno, "cannot join namespace \"%s\"", ns[kind].path);
    }
    return 0; /* the descriptors close with this process */
}

/* A clock's offset can only be set before anybody lives in the namespace. */
static int make_time_namespace(const struct oci_config *config, struct err *err) {
    const struct oci_namespace *time = &config->namespaces[NS_TIME];

    if (!time->wanted || time->path)
        return 0;
    if (unshare(CLONE_NEWTIME))
        return err_sys_as(err, ERR_UNSUPPORTED, errno, "cannot make a time namespace");
    for (size_t i = 0; i < config->time_offset_count; i++) {
        char line[128];
        (void)snprintf(line, sizeof(line), "%s %s\n", config->time_offsets[i].name,
                       config->time_offsets[i].value);
        if (cgroup_write(AT_FDCWD, "/proc/self/timens_offsets", line))
            return err_sys(err, errno, "cannot set the offset of clock \"%s\"", config->time_offsets[i].name);
    }
    return 0;
}

/* The cgroup namespace is made by the child itself, when it is in its cgroup. */
static uint64_t new_flags(const struct oci_config *config) {
    uint64_t flags = 0;

    for (int kind = 0; kind < NS_KINDS; kind++)
        if (config->namespaces[kind].wanted && !config->namespaces[kind].path && kind != NS_CGROUP &&
            kind != NS_TIME)
            flags |= flags_of[kind];
    return flags;
}

static int enter_all(const struct spawn *s, struct err *err) {
    int flags = 0;

    for (int kind = 0; kind < NS_KINDS; kind++)
        if (s->config->namespaces[kind].wanted)
            flags |= (int)flags_of[kind];
    if (flags && setns(s->enter_pidfd, flags))
        return err_sys_as(err, ERR_NOT_FOUND, errno, "cannot enter the container's namespaces");
    return 0;
}

static int clone_child(const struct spawn *s, uint64_t flags, pid_t *pid, struct err *err) {
    struct clone_args args = {.flags = flags | CLONE_PARENT};

    if (s->cgroup->version == 2) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)s->cgroup->dir[0];
    }
    *pid = k_clone3(&args);
    if (*pid == 0)
        s->child(s->data);
    return *pid < 0 ? err_sys(err, errno, "cannot clone the container's first process") : 0;
}

/* v1: a single thread that writes 0 to "tasks" moves without the kernel's global lock (see shim/container.c);
 * the child is born where the intermediate is. */
static int prepare(const struct spawn *s, pid_t *pid, struct err *err) {
    int join[CGROUP_KINDS], count = 0;
    uint64_t flags = 0;

    launch_stage("berth:enter");
    if (cgroup_open_join(s->cgroup, join, &count, err) || cgroup_join(join, count, err))
        return -1;
    if (s->enter_pidfd >= 0) {
        if (enter_all(s, err))
            return -1;
    } else {
        flags = new_flags(s->config);
        if (join_paths(s->config, err) || make_time_namespace(s->config, err))
            return -1;
    }
    return clone_child(s, flags, pid, err);
}

int namespaces_spawn(const struct spawn *s, pid_t *pid, struct err *err) {
    struct report report = {.pid = -1};
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return err_sys(err, errno, "cannot make a pipe");
    pid_t between = fork();
    if (between == 0) {
        if (prepare(s, &report.pid, &report.err))
            report.pid = -1;
        (void)!write(ends[1], &report, sizeof(report));
        _exit(0);
    }
    (void)close(ends[1]);
    ssize_t n = between < 0 ? -1 : read(ends[0], &report, sizeof(report));
    (void)close(ends[0]);
    while (between > 0 && waitpid(between, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (n != (ssize_t)sizeof(report))
        return err_set(err, ERR_INTERNAL, "the process that enters the namespaces died");
    if (report.pid < 0)
        *err = report.err;
    *pid = report.pid;
    return report.pid < 0 ? -1 : 0;
}

static int write_map(pid_t pid, const char *file, const struct id_map *maps, size_t count, struct err *err) {
    char path[64], text[4096];
    size_t len = 0;

    for (size_t i = 0; i < count && len < sizeof(text); i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%" PRId64 " %" PRId64 " %" PRId64 "\n",
                                maps[i].container, maps[i].host, maps[i].size);
    if (len >= sizeof(text))
        return err_set(err, ERR_BAD_REQUEST, "too many id mappings");
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
    if (count > 0 && cgroup_write(AT_FDCWD, path, text))
        return err_sys_as(err, ERR_UNSUPPORTED, errno, "cannot write \"%s\" of the container", file);
    return 0;
}

static int write_maps(pid_t pid, const struct id_maps *maps, struct err *err) {
    char path[64];

    if (geteuid() != 0) { /* the kernel wants that of whoever maps no more than himself */
        (void)snprintf(path, sizeof(path), "/proc/%d/setgroups", pid);
        (void)cgroup_write(AT_FDCWD, path, "deny");
    }
    return write_map(pid, "uid_map", maps->uids, maps->uid_count, err) ||
                   write_map(pid, "gid_map", maps->gids, maps->gid_count, err)
               ? -1
               : 0;
}

int namespaces_map_ids(const struct oci_config *config, pid_t pid, struct err *err) {
    const struct oci_namespace *user = &config->namespaces[NS_USER];

    return user->wanted && !user->path ? write_maps(pid, &config->maps, err) : 0;
}

int namespaces_open_mapping(const struct id_maps *maps, struct err *err) {
    struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    char path[64];
    pid_t pid = k_clone3(&args);

    if (pid == 0)
        for (;;)
            (void)pause();
    if (pid < 0)
        return err_sys(err, errno, "cannot make a user namespace");
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
    int fd = write_maps(pid, maps, err) ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && err->code == ERR_NONE)
        (void)err_sys(err, errno, "cannot open a user namespace");
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    return fd;
}
