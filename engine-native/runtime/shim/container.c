/* The start of a container, step by step; sync.h draws the conversation with the child. */
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../seccomp/profile.h"
#include "foreign.h"
#include "held_ports.h"
#include "kernel.h"
#include "launch.h"
#include "mountpoints.h"
#include "mounts.h"
#include "sync.h"

/* A start that hangs (a dead network filesystem below a volume) must end before the helper's own limit of 20
 * s, so that its error reaches the user and its pieces are cleaned up. */
#define STEP_TIMEOUT_MS 15000

/* What the two sides of a start share; the child inherits it through fork. */
struct start {
    struct container *c;
    int pair[2]; /* [0] ours, [1] the child's */
    int status[2];
    int join[CGROUP_KINDS];
    int join_count;
    size_t source_count;
    int userns;      /* to join, or -1 */
    uint64_t inside; /* namespaces that the child makes in it */
};

static struct privileges first_privileges(const struct container *c) {
    const struct spec *spec = &c->spec;

    return (struct privileges){.capabilities = spec->capabilities,
                               .no_new_privileges = spec->no_new_privileges,
                               .seccomp = spec->seccomp,
                               .program = c->filter,
                               .rlimits = spec->rlimits,
                               .rlimit_count = spec->rlimit_count};
}

static int name_host(const struct spec *spec, struct err *err) {
    if (spec->namespaces.uts)
        return 0;
    if (sethostname(spec->hostname, strlen(spec->hostname)) ||
        setdomainname(spec->domainname, strlen(spec->domainname)))
        return err_sys(err, errno, "cannot set hostname \"%s\"", spec->hostname);
    return 0;
}

/* Another container's user namespace cannot be entered and left again by the shim: the child enters it and
 * makes its own namespaces there, so that it owns them. Becoming somebody else has cleared the death signal.
 */
static int join_userns(struct start *s, struct err *err) {
    if (setns(s->userns, CLONE_NEWUSER) || unshare((int)s->inside))
        return err_sys(err, errno, "cannot share user namespace \"%s\"", s->c->spec.userns_path);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    return sync_send(s->pair[1], SYNC_JOINED, NULL, 0, err);
}

static int child_set_up(struct start *s, struct err *err) {
    const struct spec *spec = &s->c->spec;
    struct launch_stdio stdio;
    struct identity identity;
    struct launch launch = {.process = &spec->process,
                            .privileges = first_privileges(s->c),
                            .sync = s->pair[1],
                            .first = true,
                            .init = spec->init,
                            .status_fd = s->status[1]};
    int sources[s->source_count];

    launch_stage("berth:cgroup");
    /* Each write is our own single thread writing 0 to "tasks", for which the kernel takes no global lock.
     * Measured for six controllers after 60 ms of idling: 0.15 ms, against 12 ms (p95 20 ms) for
     * cgroup.procs, which waits for an RCU grace period. */
    if (cgroup_join(s->join, s->join_count, err))
        return -1;
    if (spec->userns_path && join_userns(s, err))
        return -1;
    launch_stage("berth:wait");
    if (sync_receive(s->pair[1], SYNC_START, sources, s->source_count, -1, err))
        _exit(0);
    launch_stage("berth:mounts");
    if (spec->userns && privileges_become_root(err))
        return -1;
    if (!spec->host_cgroupns && unshare(CLONE_NEWCGROUP))
        return err_sys(err, errno, "cannot make a cgroup namespace");
    if (mounts_set_up(spec, &s->c->cgroup, sources, &launch.pts_fd, err))
        return -1;
    launch.root_fd = sources[0];
    if (launch_open_stdio(&launch, &stdio, &identity, err) || mounts_pivot(launch.root_fd, err) ||
        name_host(spec, err))
        return -1;
    if (spec->network_mode == NET_NONE && !spec->namespaces.net && net_loopback_up(-1, err))
        return -1;
    launch_stage("berth:ready");
    return launch_run(&launch, &stdio, &identity, err);
}

static _Noreturn void child_main(struct start *s) {
    struct err err = {0};

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)close(s->pair[0]);
    held_ports_close();
    (void)child_set_up(s, &err);
    sync_send_failure(s->pair[1], &err);
    _exit(127);
}

static int write_proc(pid_t pid, const char *file, const char *text) {
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
    return cgroup_write(AT_FDCWD, path, text);
}

static int open_namespace(pid_t pid, const char *name) {
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Namespaces to join are entered by the shim itself for the length of the clone: the child, in a user
 * namespace of its own, would not be allowed to. */
struct joined {
    int own[4];
};

static const struct {
    const char *name;
    uint64_t flag;
} namespace_kinds[4] = {
    {"pid", CLONE_NEWPID}, {"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS}, {"net", CLONE_NEWNET}};

static const char *namespace_of(const struct spec *spec, int kind) {
    const struct namespace_spec *ns = &spec->namespaces;
    const char *const all[4] = {ns->pid, ns->ipc, ns->uts, ns->net};
    return all[kind];
}

static int join_namespaces(const struct spec *spec, struct joined *joined, uint64_t *flags, struct err *err) {
    for (int kind = 0; kind < 4; kind++) {
        const char *wanted = namespace_of(spec, kind);
        joined->own[kind] = -1;
        if (!wanted) {
            *flags |= namespace_kinds[kind].flag;
            continue;
        }
        if (strcmp(wanted, "host") == 0)
            continue;
        auto_close int fd = open(wanted, O_RDONLY | O_CLOEXEC);
        joined->own[kind] = open_namespace(getpid(), namespace_kinds[kind].name);
        if (fd < 0 || joined->own[kind] < 0 || setns(fd, (int)namespace_kinds[kind].flag))
            return err_sys(err, errno, "cannot join namespace \"%s\"", wanted);
    }
    return 0;
}

static void leave_namespaces(struct joined *joined) {
    for (int kind = 0; kind < 4; kind++) {
        if (joined->own[kind] < 0)
            continue;
        (void)setns(joined->own[kind], (int)namespace_kinds[kind].flag);
        (void)close(joined->own[kind]);
        joined->own[kind] = -1;
    }
}

static int clone_child(struct start *s, struct err *err) {
    struct container *c = s->c;
    struct joined joined = {{-1, -1, -1, -1}};
    int pidfd = -1;
    struct clone_args args = {
        .flags = CLONE_PIDFD | CLONE_NEWNS, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD};

    if (c->spec.userns && !c->spec.userns_path)
        args.flags |= CLONE_NEWUSER;
    if (c->cgroup.version == 2) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)c->cgroup.dir[0];
    }
    pid_t pid = -1;
    uint64_t flags = 0;
    if (join_namespaces(&c->spec, &joined, &flags, err) == 0) {
        args.flags |= flags;
        if (c->spec.userns_path) {
            s->inside = args.flags & (CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET);
            args.flags &= ~s->inside;
        }
        pid = k_clone3(&args);
        if (pid == 0)
            child_main(s);
        if (pid < 0)
            (void)err_sys(err, errno, "cannot clone the container's first process");
    }
    leave_namespaces(&joined);
    c->pid = pid;
    c->pidfd = pidfd;
    return pid < 0 ? -1 : 0;
}

static int map_ids(const struct container *c, struct err *err) {
    char map[64];

    if (!c->spec.userns || c->spec.userns_path)
        return 0;
    (void)snprintf(map, sizeof(map), "0 %u %u", c->spec.userns_base, c->spec.userns_size);
    if (write_proc(c->pid, "uid_map", map) || write_proc(c->pid, "gid_map", map))
        return err_sys_as(err, ERR_UNSUPPORTED, errno, "cannot map the container's users");
    return 0;
}

static int send_sources(struct start *s, struct err *err) {
    struct container *c = s->c;
    int fds[s->source_count];
    auto_close int userns = c->spec.userns ? open_namespace(c->pid, "user") : -1;

    if (c->spec.userns && userns < 0)
        return err_sys(err, errno, "cannot open the container's user namespace");
    if (mounts_open_sources(&c->spec, &c->cgroup, userns, fds, err))
        return -1;
    int rc = sync_send(s->pair[0], SYNC_START, fds, s->source_count, err);
    for (size_t i = 0; i < s->source_count; i++)
        (void)close(fds[i]);
    return rc;
}

/* Before the child is let go: one that fails while it mounts is gone with its namespace, and its own words
 * are to be heard. -1 with err->code == ERR_NONE: there is no link to make. */
static int open_network(const struct container *c, struct err *err) {
    if (c->spec.network_mode != NET_BRIDGE || c->spec.namespaces.net)
        return -1;
    int netns = open_namespace(c->pid, "net");
    if (netns < 0)
        return err_sys_as(err, ERR_NETWORK, errno, "cannot open the container's network namespace");
    return netns;
}

static int attach_network(const struct container *c, int netns, struct err *err) {
    for (size_t i = 0; netns >= 0 && i < c->spec.interface_count; i++)
        if (net_attach_container(&c->spec.interfaces[i], netns, err))
            return -1; /* those before go with the namespace */
    return 0;
}

/* The shim's own score is inherited and must not be the container's. Lowering below what we may is no
 * failure. */
static void set_oom_score(const struct container *c) {
    char text[16];

    (void)snprintf(text, sizeof(text), "%d", (int)c->spec.oom_score_adj);
    (void)write_proc(c->pid, "oom_score_adj", text);
}

static int receive_stdio(int sock, const struct process_spec *process, struct stdio *stdio, struct err *err) {
    int fds[3] = {-1, -1, -1};
    int rc = sync_receive(sock, SYNC_STDIO, fds, (size_t)launch_stdio_count(process), STEP_TIMEOUT_MS, err);

    if (rc == 1)
        return err_set(err, ERR_INTERNAL, "the container's first process died while it was set up");
    if (rc)
        return -1;
    *stdio = process->tty ? (struct stdio){.in = -1, .out = fds[0], .err = -1, .tty = true}
                          : (struct stdio){.in = fds[2], .out = fds[0], .err = fds[1]};
    return 0;
}

/* GO, and then the end of the conversation, which execve makes. */
static int let_go(int sock, struct timespec *started, struct err *err) {
    if (sync_send(sock, SYNC_GO, NULL, 0, err))
        return -1;
    int rc = sync_receive(sock, SYNC_FAILED, NULL, 0, STEP_TIMEOUT_MS, err);
    if (started)
        (void)clock_gettime(CLOCK_REALTIME, started);
    return rc == 1 ? 0 : -1;
}

static int run_start(struct start *s, struct err *err) {
    struct container *c = s->c;

    if (c->spec.userns_path && (s->userns = open(c->spec.userns_path, O_RDONLY | O_CLOEXEC)) < 0)
        return err_sys(err, errno, "cannot open user namespace \"%s\"", c->spec.userns_path);
    if (clone_child(s, err))
        return -1;
    (void)close(s->pair[1]);
    s->pair[1] = -1;
    set_oom_score(c);
    if (s->userns >= 0 && sync_receive(s->pair[0], SYNC_JOINED, NULL, 0, STEP_TIMEOUT_MS, err))
        return err->code ? -1 : err_set(err, ERR_INTERNAL, "the container's first process died");
    if (map_ids(c, err))
        return -1;
    auto_close int netns = open_network(c, err);
    if ((netns < 0 && err->code != ERR_NONE) || send_sources(s, err))
        return -1;
    /* The child mounts meanwhile. */
    if (attach_network(c, netns, err) || receive_stdio(s->pair[0], &c->spec.process, &c->stdio, err))
        return -1;
    return let_go(s->pair[0], &c->started, err);
}

static void close_if_open(int fd) {
    if (fd >= 0)
        (void)close(fd);
}

static void close_stdio(struct stdio *stdio) {
    close_if_open(stdio->in);
    close_if_open(stdio->out);
    close_if_open(stdio->err);
    *stdio = (struct stdio){-1, -1, -1, false};
}

int container_start(struct container *c, struct err *err) {
    struct start s = {.c = c, .pair = {-1, -1}, .status = {-1, -1}, .userns = -1};

    c->pid = -1;
    c->pidfd = c->status_fd = -1;
    c->stdio = (struct stdio){-1, -1, -1, false};
    if (c->spec.seccomp && c->spec.seccomp_profile) {
        c->filter = seccomp_profile_compile(c->spec.seccomp_profile, err);
        if (!c->filter)
            return -1;
    }
    if (cgroup_create(&c->spec, &c->cgroup, err))
        return -1;
    if (c->spec.runtime.path) {
        if (foreign_start(c, err) == 0)
            return 0;
        container_clean_up(c);
        return -1;
    }
    s.source_count = mounts_source_count(&c->spec, &c->cgroup);
    int rc = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s.pair) ||
        pipe2(s.status, O_CLOEXEC | O_NONBLOCK))
        (void)err_sys(err, errno, "cannot make the pipes of a start");
    else if (cgroup_open_join(&c->cgroup, s.join, &s.join_count, err) == 0)
        rc = run_start(&s, err);
    for (int i = 0; i < s.join_count; i++)
        (void)close(s.join[i]);
    close_if_open(s.pair[0]);
    close_if_open(s.pair[1]);
    close_if_open(s.status[1]);
    close_if_open(s.userns);
    c->status_fd = s.status[0];
    if (rc)
        container_clean_up(c);
    return rc;
}

void container_clean_up(struct container *c) {
    if (c->pid > 0) {
        (void)k_pidfd_send_signal(c->pidfd, SIGKILL);
        /* Already reaped by the loop in the normal case: then this finds nobody. */
        (void)waitpid(c->pid, NULL, 0);
    }
    foreign_clean_up(c);
    cgroup_remove(&c->cgroup);
    mountpoints_remove(&c->spec);
    close_stdio(&c->stdio);
    close_if_open(c->pidfd);
    close_if_open(c->status_fd);
    c->pidfd = c->status_fd = -1;
    free(c->filter);
    c->filter = NULL;
}

/* ---- exec: one more process in the same place ---- */

struct exec {
    struct container *c;
    const struct process_spec *process;
    bool privileged;
    int pair[2];
    int join[CGROUP_KINDS];
    int join_count;
};

static int exec_namespaces(const struct spec *spec) {
    int flags = CLONE_NEWNS | (spec->host_cgroupns ? 0 : CLONE_NEWCGROUP);

    if (spec->userns)
        flags |= CLONE_NEWUSER;
    for (int kind = 1; kind < 4; kind++)
        flags |= (int)namespace_kinds[kind].flag;
    return flags;
}

static int exec_set_up(struct exec *e, struct err *err) {
    const struct spec *spec = &e->c->spec;
    struct launch_stdio stdio;
    struct identity identity;
    struct launch launch = {
        .process = e->process, .privileges = first_privileges(e->c), .sync = e->pair[1], .pts_fd = -1};

    launch_stage("berth:enter");
    if (e->privileged) {
        launch.privileges.capabilities = spec_all_capabilities();
        launch.privileges.seccomp = false;
        launch.privileges.no_new_privileges = false;
    }
    if (cgroup_join(e->join, e->join_count, err))
        return -1;
    if (setns(e->c->pidfd, exec_namespaces(spec)))
        return err_sys_as(err, ERR_NOT_FOUND, errno, "container \"%.12s\" is not running", spec->id);
    if (spec->userns && privileges_become_root(err))
        return -1;
    launch.root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (launch.root_fd < 0)
        return err_sys(err, errno, "cannot open the container's root");
    if (e->process->tty) {
        launch.pts_fd = k_openat2(launch.root_fd, "/dev/pts", O_PATH | O_DIRECTORY | O_CLOEXEC, 0,
                                  RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
        if (launch.pts_fd < 0)
            return err_sys(err, errno, "cannot open the container's \"/dev/pts\"");
    }
    if (launch_open_stdio(&launch, &stdio, &identity, err))
        return -1;
    return launch_run(&launch, &stdio, &identity, err);
}

static _Noreturn void exec_main(struct exec *e) {
    struct err err = {0};

    (void)close(e->pair[0]);
    (void)exec_set_up(e, &err);
    sync_send_failure(e->pair[1], &err);
    _exit(127);
}

/* The shim's children are born in the container's pid namespace from the first exec on, which saves a second
 * fork. The shim itself stays where it is. */
static int enter_pid_namespace(struct container *c, struct err *err) {
    if (c->entered_pid_namespace || (c->spec.namespaces.pid && strcmp(c->spec.namespaces.pid, "host") == 0))
        return 0;
    if (setns(c->pidfd, CLONE_NEWPID))
        return err_sys_as(err, ERR_NOT_FOUND, errno, "container \"%.12s\" is not running", c->spec.id);
    c->entered_pid_namespace = true;
    return 0;
}

static int clone_exec(struct exec *e, pid_t *pid, int *pidfd, struct err *err) {
    struct clone_args args = {
        .flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)pidfd, .exit_signal = SIGCHLD};

    if (e->c->cgroup.version == 2) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)e->c->cgroup.dir[0];
    }
    *pid = k_clone3(&args);
    if (*pid == 0)
        exec_main(e);
    if (*pid < 0)
        return err_sys(err, errno, "cannot start a process in container \"%.12s\"", e->c->spec.id);
    return 0;
}

int container_exec(struct container *c, const struct process_spec *process, bool privileged, pid_t *pid,
                   int *pidfd, struct stdio *stdio, struct err *err) {
    struct exec e = {.c = c, .process = process, .privileged = privileged, .pair = {-1, -1}};
    char score[16];
    int rc = -1;

    *stdio = (struct stdio){-1, -1, -1, false};
    *pid = *pidfd = -1;
    if (c->foreign)
        return foreign_exec(c, process, privileged, pid, pidfd, stdio, err);
    if (enter_pid_namespace(c, err) || cgroup_open_join(&c->cgroup, e.join, &e.join_count, err))
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, e.pair))
        (void)err_sys(err, errno, "cannot make a socket pair");
    else
        rc = clone_exec(&e, pid, pidfd, err);
    for (int i = 0; i < e.join_count; i++)
        (void)close(e.join[i]);
    close_if_open(e.pair[1]);
    if (rc == 0) {
        (void)snprintf(score, sizeof(score), "%d", (int)c->spec.oom_score_adj);
        (void)write_proc(*pid, "oom_score_adj", score);
        rc = receive_stdio(e.pair[0], process, stdio, err) || let_go(e.pair[0], NULL, err) ? -1 : 0;
    }
    close_if_open(e.pair[0]);
    if (rc && *pid > 0) {
        (void)k_pidfd_send_signal(*pidfd, SIGKILL);
        (void)waitpid(*pid, NULL, 0);
        close_if_open(*pidfd);
        close_stdio(stdio);
    }
    return rc;
}
