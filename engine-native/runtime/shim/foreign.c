/* See foreign.h. */
#include "foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "foreign_bundle.h"
#include "foreign_call.h"
#include "foreign_holder.h"
#include "foreign_place.h"
#include "identity.h"
#include "kernel.h"
#include "loop.h"
#include "mounts.h"

/* A start that hangs must end, its deletion included, before the helper's own limit of 20 s, so that its
 * error reaches the user. */
#define START_MS 12000
/* An exec, a signal and the end keep the shim's loop waiting: long enough for a busy host, no longer. */
#define EXEC_MS 10000
#define KILL_MS 5000
#define DELETE_MS 4000

struct foreign {
    struct foreign_place place;
    int joined[FOREIGN_JOINED];
    bool created; /* the runtime knows the container */
    int guard;    /* our end of the pipe whose closing kills the container */
};

/* The container's stdio: ours, and what the runtime passes on. */
struct ends {
    int in, out, err, console;
    int heard; /* our end of err, not owned */
};

static void close_end(int *fd) {
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void close_ends(struct ends *ends) {
    close_end(&ends->in);
    close_end(&ends->out);
    close_end(&ends->err);
    close_end(&ends->console);
}

static int open_pipe(int *ours, int *theirs, bool input) {
    int fds[2];

    if (pipe2(fds, O_CLOEXEC))
        return -1;
    *ours = fds[input ? 1 : 0];
    *theirs = fds[input ? 0 : 1];
    return 0;
}

/* Whoever reads or writes our ends never waits: the loop has others to serve. */
static void make_nonblocking(const struct stdio *stdio) {
    const int fds[] = {stdio->in, stdio->out, stdio->err};

    for (size_t i = 0; i < 3; i++)
        if (fds[i] >= 0)
            (void)fcntl(fds[i], F_SETFL, O_NONBLOCK);
}

static int open_ends(const struct process_spec *process, struct stdio *stdio, struct ends *ends,
                     struct err *err) {
    int rc;

    *ends = (struct ends){-1, -1, -1, -1, -1};
    *stdio = (struct stdio){-1, -1, -1, process->tty};
    if (process->tty) {
        ends->console = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        rc = ends->console < 0 ? -1 : 0;
    } else {
        rc = open_pipe(&stdio->out, &ends->out, false) || open_pipe(&stdio->err, &ends->err, false) ||
                     (process->open_stdin && open_pipe(&stdio->in, &ends->in, true))
                 ? -1
                 : 0;
        make_nonblocking(stdio);
        ends->heard = stdio->err;
    }
    return rc ? err_sys(err, errno, "cannot make a pipe") : 0;
}

/* The runtime has sent the terminal's master before it returned. */
static int receive_terminal(int console, const struct process_spec *process, struct stdio *stdio,
                            struct err *err) {
    struct pollfd ready = {.fd = console, .events = POLLIN};
    char byte[PATH_MAX];
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec data = {byte, sizeof(byte)};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof(control.space)};
    struct winsize size = {.ws_row = (unsigned short)process->rows, .ws_col = (unsigned short)process->cols};

    auto_close int peer = poll(&ready, 1, 1000) > 0 ? accept4(console, NULL, NULL, SOCK_CLOEXEC) : -1;
    ready = (struct pollfd){.fd = peer, .events = POLLIN};
    if (peer < 0 || poll(&ready, 1, 1000) <= 0 || recvmsg(peer, &message, MSG_CMSG_CLOEXEC) < 0)
        return err_set(err, ERR_INTERNAL, "the runtime has sent no terminal");
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (!head || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof(int)))
        return err_set(err, ERR_INTERNAL, "the runtime has sent no terminal");
    memcpy(&stdio->out, CMSG_DATA(head), sizeof(int));
    if (size.ws_row > 0 && size.ws_col > 0)
        (void)ioctl(stdio->out, TIOCSWINSZ, &size);
    make_nonblocking(stdio);
    return 0;
}

static int call(struct container *c, const char *const *args, const struct ends *ends, int64_t deadline_ms,
                struct err *err) {
    struct foreign_call one = {.spec = &c->spec,
                               .place = &c->foreign->place,
                               .args = args,
                               .joined = c->foreign->joined,
                               .in = ends ? ends->in : -1,
                               .out = ends ? ends->out : -1,
                               .err = ends ? ends->err : -1,
                               .heard = ends ? ends->heard : -1,
                               .console = ends ? ends->console : -1,
                               .deadline_ms = deadline_ms};

    return foreign_call(&one, err);
}

/* The process became our child when the runtime that made it ended: we are the subreaper. */
static int take_process(int dir, pid_t *pid, int *pidfd, struct err *err) {
    char text[32];
    siginfo_t info;

    *pid = foreign_place_read(dir, "pid", text, sizeof(text)) > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
    *pidfd = *pid > 0 ? (int)syscall(SYS_pidfd_open, *pid, 0) : -1;
    if (*pidfd < 0)
        return err_set(err, ERR_INTERNAL, "the runtime has not told the container's process");
    if (waitid(P_PID, (id_t)*pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
        return 0;
    (void)close(*pidfd);
    *pidfd = -1;
    *pid = -1;
    return err_set(err, ERR_UNSUPPORTED, "the runtime keeps the container's process for itself");
}

/* A shim that is killed takes its container along, also one whose process does not ask for that: a process of
 * its own waits for the shim's end of a pipe to close. */
static int start_guard(struct container *c, struct err *err) {
    int ends[2];
    char byte;

    if (pipe2(ends, O_CLOEXEC))
        return err_sys(err, errno, "cannot make a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_NAME, "berth:guard", 0, 0, 0);
        if (dup2(ends[0], 0) < 0 || dup2(c->pidfd, 1) < 0)
            _exit(1);
        (void)k_close_range(2, ~0U, 0);
        while (read(0, &byte, 1) < 0 && errno == EINTR)
            continue;
        (void)k_pidfd_send_signal(1, SIGKILL);
        _exit(0);
    }
    (void)close(ends[0]);
    c->foreign->guard = ends[1];
    return pid < 0 ? err_sys(err, errno, "cannot fork") : 0;
}

static int make_config(const struct spec *spec, int root_fd, struct json_out *out, struct err *err) {
    struct identity identity;

    if (identity_resolve(root_fd, spec->process.user, &identity, err) ||
        identity_add_groups(root_fd, spec->process.groups, &identity, err))
        return -1;
    foreign_put_config(out, spec, &identity);
    return json_out_finish(out, err);
}

/* A runtime that asks for more than it may have refuses the start. What the host allows is made possible, and
 * no more is asked for, as for containers of our own. */
static void fit_limits(struct spec *spec) {
    for (size_t i = 0; i < spec->rlimit_count; i++) {
        struct rlimit_spec *limit = &spec->rlimits[i];
        struct rlimit own, wanted;
        if (prlimit(0, (unsigned)limit->resource, NULL, &own) || limit->hard <= own.rlim_max)
            continue;
        wanted = (struct rlimit){own.rlim_cur, limit->hard};
        if (prlimit(0, (unsigned)limit->resource, &wanted, NULL) == 0)
            continue;
        limit->hard = own.rlim_max;
        if (limit->soft > limit->hard)
            limit->soft = limit->hard;
    }
}

static int prepare(struct container *c, struct err *err) {
    struct foreign_holder holder;
    auto_json_out struct json_out config = {0};
    size_t count = mounts_source_count(&c->spec, &c->cgroup);
    int sources[count];

    if (foreign_holder_start(&c->spec, &holder, err))
        return -1;
    int rc = mounts_open_sources(&c->spec, &c->cgroup, holder.userns, sources, err);
    if (rc == 0) {
        rc = make_config(&c->spec, sources[0], &config, err);
        if (rc == 0)
            rc = foreign_place_open(&c->spec, &c->cgroup, sources, holder.pid, config.data, config.len,
                                    &c->foreign->place, err);
        for (size_t i = 0; i < count; i++)
            (void)close(sources[i]);
    }
    foreign_holder_end(&holder);
    return rc;
}

/* In front of the container's id, which is the last argument. */
static void insert_console(const char **id, const char *path) {
    id[2] = id[0];
    id[0] = "--console-socket";
    id[1] = path;
}

static int create(struct container *c, const struct ends *ends, int64_t deadline_ms, struct err *err) {
    const char *place = c->spec.runtime.place;
    char bundle[PATH_MAX], pid_file[PATH_MAX], console[PATH_MAX];
    const char *args[] = {"create", "--bundle", bundle, "--pid-file",
                          pid_file, c->spec.id, NULL, /* room for a terminal's two */
                          NULL,     NULL};

    (void)snprintf(bundle, sizeof(bundle), "%s/bundle", place);
    (void)snprintf(pid_file, sizeof(pid_file), "%s/pid", place);
    (void)snprintf(console, sizeof(console), "%s/console", place);
    if (c->spec.process.tty)
        insert_console(&args[5], console);
    c->foreign->created = true; /* also half of one has to be deleted */
    if (call(c, args, ends, deadline_ms, err) || take_process(c->foreign->place.dir, &c->pid, &c->pidfd, err))
        return -1;
    return c->spec.process.tty ? receive_terminal(ends->console, &c->spec.process, &c->stdio, err) : 0;
}

/* Kept for the execs: the container they are of may be gone by then, and its number another's. */
static int open_joined(struct container *c, struct err *err) {
    const struct namespace_spec *ns = &c->spec.namespaces;
    const char *const paths[FOREIGN_JOINED] = {ns->net, ns->ipc, ns->uts};

    for (int i = 0; i < FOREIGN_JOINED; i++) {
        if (!paths[i] || strcmp(paths[i], "host") == 0)
            continue;
        c->foreign->joined[i] = open(paths[i], O_RDONLY | O_CLOEXEC);
        if (c->foreign->joined[i] < 0)
            return err_sys(err, errno, "cannot join namespace \"%s\"", paths[i]);
    }
    return 0;
}

int foreign_start(struct container *c, struct err *err) {
    const char *const start[] = {"start", c->spec.id, NULL};
    int64_t deadline_ms = loop_now_ms() + START_MS;
    struct ends ends;

    c->foreign = calloc(1, sizeof(*c->foreign));
    if (!c->foreign)
        return err_sys(err, ENOMEM, "cannot hold the runtime's state");
    *c->foreign = (struct foreign){.place = {-1, -1}, .joined = {-1, -1, -1}, .guard = -1};
    fit_limits(&c->spec);
    int rc =
        open_joined(c, err) || prepare(c, err) || open_ends(&c->spec.process, &c->stdio, &ends, err) ? -1 : 0;
    if (rc)
        return -1;
    rc = create(c, &ends, deadline_ms, err);
    close_ends(&ends);
    if (rc || start_guard(c, err) || call(c, start, NULL, deadline_ms, err))
        return -1;
    (void)clock_gettime(CLOCK_REALTIME, &c->started);
    return 0;
}

static int write_process(struct container *c, const struct process_spec *process, bool privileged,
                         struct err *err) {
    struct identity identity;
    auto_json_out struct json_out out = {0};
    /* The container's root as it is now, and where no path of the container's leads out of it. */
    auto_close int root = openat(c->foreign->place.dir, "bundle/rootfs", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (root < 0)
        return err_sys(err, errno, "cannot open the container's root");
    if (identity_resolve(root, process->user, &identity, err) ||
        identity_add_groups(root, process->groups, &identity, err))
        return -1;
    foreign_put_process(&out, &c->spec, process, &identity, privileged);
    if (json_out_finish(&out, err))
        return -1;
    return foreign_place_write(c->foreign->place.dir, "process.json", out.data, out.len, err);
}

int foreign_exec(struct container *c, const struct process_spec *process, bool privileged, pid_t *pid,
                 int *pidfd, struct stdio *stdio, struct err *err) {
    const char *place = c->spec.runtime.place;
    char file[PATH_MAX], pid_file[PATH_MAX], console[PATH_MAX];
    const char *args[] = {"exec",       "--detach", "--process", file,
                          "--pid-file", pid_file,   c->spec.id,  NULL, /* room for a terminal's two */
                          NULL,         NULL};
    struct ends ends;

    (void)snprintf(file, sizeof(file), "%s/process.json", place);
    (void)snprintf(pid_file, sizeof(pid_file), "%s/pid", place);
    (void)snprintf(console, sizeof(console), "%s/console", place);
    if (process->tty)
        insert_console(&args[6], console);
    (void)unlinkat(c->foreign->place.dir, "pid", 0);
    if (write_process(c, process, privileged, err) || open_ends(process, stdio, &ends, err))
        return -1;
    int rc = call(c, args, &ends, loop_now_ms() + EXEC_MS, err) ||
                     take_process(c->foreign->place.dir, pid, pidfd, err) ||
                     (process->tty && receive_terminal(ends.console, process, stdio, err))
                 ? -1
                 : 0;
    close_ends(&ends);
    if (rc == 0)
        return 0;
    if (*pidfd >= 0)
        (void)k_pidfd_send_signal(*pidfd, SIGKILL); /* reaped by the loop */
    close_end(pidfd);
    close_end(&stdio->in);
    close_end(&stdio->out);
    close_end(&stdio->err);
    return -1;
}

int foreign_kill(struct container *c, int signal, struct err *err) {
    char number[16];
    const char *const args[] = {"kill", c->spec.id, number, NULL};

    (void)snprintf(number, sizeof(number), "%d", signal);
    return call(c, args, NULL, loop_now_ms() + KILL_MS, err);
}

/* A runtime joins hierarchies in which we make no group, and leaves the parent behind there. */
static void remove_its_groups(const struct container *c) {
    const char *slash = strrchr(c->spec.cgroup, '/');
    char parent[256];

    if (!slash || c->cgroup.version != 1)
        return;
    (void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - c->spec.cgroup), c->spec.cgroup);
    for (int kind = 0; kind < CGROUP_KINDS; kind++) {
        auto_close int root = c->cgroup.dir[kind] < 0 ? cgroup_open_root(1, kind) : -1;
        if (root >= 0) {
            (void)unlinkat(root, c->spec.cgroup, AT_REMOVEDIR);
            (void)unlinkat(root, parent, AT_REMOVEDIR); /* not empty: a sibling lives there */
        }
    }
}

void foreign_clean_up(struct container *c) {
    const char *const args[] = {"delete", "--force", c->spec.id, NULL};
    struct err ignored = {0};

    if (!c->foreign)
        return;
    if (c->foreign->created)
        (void)call(c, args, NULL, loop_now_ms() + DELETE_MS, &ignored);
    remove_its_groups(c);
    for (int i = 0; i < FOREIGN_JOINED; i++)
        close_end(&c->foreign->joined[i]);
    close_end(&c->foreign->guard);
    foreign_place_close(&c->foreign->place);
    free(c->foreign);
    c->foreign = NULL;
}
