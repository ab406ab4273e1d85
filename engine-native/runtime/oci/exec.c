/* See exec.h. */
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../seccomp/profile.h"
#include "../shim/kernel.h"
#include "../shim/sync.h"
#include "cgroups.h"
#include "create.h"
#include "namespaces.h"
#include "program_start.h"
#include "terminal.h"

#define STEP_TIMEOUT_MS                                                                                      \
    60000 /* a container whose root hangs (a dead network filesystem) must not hang its execs */

struct exec {
    const struct state *state;
    const struct exec_options *options;
    const struct seccomp_program *filter;
    int pair[2];
};

static int take_terminal(const struct exec *e, int root_fd, struct err *err) {
    struct launch_stdio stdio;
    const struct process_spec *program = &e->options->process->program;
    auto_close int master = -1;
    int slave;

    if (!program->tty)
        return 0;
    if (launch_open_terminal(root_fd, "/dev/pts/ptmx", program->rows, program->cols, e->options->process->uid,
                             &master, &slave, err))
        return -1;
    stdio = (struct launch_stdio){.in = slave, .out = slave, .err = slave, .tty = true};
    return sync_send(e->pair[1], SYNC_STDIO, &master, 1, err) ? -1 : launch_install_stdio(&stdio, err);
}

static int exec_set_up(const struct exec *e, struct err *err) {
    const struct oci_process *process = e->options->process;

    if (e->state->config.namespaces[NS_USER].wanted && privileges_become_root(err))
        return -1;
    int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0)
        return err_sys(err, errno, "cannot open the container's root");
    if (program_find(process, err) || take_terminal(e, root_fd, err) ||
        sync_send(e->pair[1], SYNC_READY, NULL, 0, err))
        return -1;
    if (sync_receive(e->pair[1], SYNC_GO, NULL, 0, -1, err))
        _exit(1); /* the runtime gave up, or died */
    struct program_start start = {.process = process,
                                  .filter = e->filter,
                                  .root_fd = root_fd,
                                  .preserved_fds = e->options->preserved_fds,
                                  .new_keyring = true};
    return program_start(&start, err);
}

static void exec_child(void *data) {
    const struct exec *e = data;
    struct err err = {0};

    (void)close(e->pair[0]);
    if (e->options->process->program.tty || e->options->detach)
        (void)setsid();
    (void)exec_set_up(e, &err);
    sync_send_failure(e->pair[1], &err);
    _exit(127);
}

static int hear(const struct exec *e, enum sync_stage stage, int *fds, size_t n, struct err *err) {
    int rc = sync_receive(e->pair[0], stage, fds, n, STEP_TIMEOUT_MS, err);

    return rc == 1 ? err_set(err, ERR_INTERNAL, "the process died while it was set up") : rc;
}

static void set_oom_score(const struct state *state, pid_t pid) {
    char path[64], score[16] = "";

    (void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", state->pid);
    if (cgroup_read(AT_FDCWD, path, score, sizeof(score)))
        return;
    (void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
    (void)cgroup_write(AT_FDCWD, path, score);
}

static int converse(struct exec *e, pid_t pid, int *master_out, struct err *err) {
    const struct exec_options *o = e->options;
    auto_close int master = -1;

    if (o->process->program.tty && hear(e, SYNC_STDIO, &master, 1, err))
        return -1;
    if (hear(e, SYNC_READY, NULL, 0, err))
        return -1;
    if (master >= 0 && o->console_socket && terminal_send(o->console_socket, master, err))
        return -1;
    if (write_pid_file(o->pid_file, pid, err) || sync_send(e->pair[0], SYNC_GO, NULL, 0, err))
        return -1;
    if (sync_receive(e->pair[0], SYNC_FAILED, NULL, 0, STEP_TIMEOUT_MS, err) != 1)
        return -1;
    if (!o->console_socket)
        *master_out = steal_fd(&master);
    return 0;
}

static int spawn(struct exec *e, pid_t *pid, struct err *err) {
    struct cgroup cgroup;
    auto_close int pidfd = (int)syscall(SYS_pidfd_open, e->state->pid, 0);

    /* The descriptor is of the container's process, and not of one that has its pid by now. */
    if (pidfd < 0 || process_start_time(e->state->pid) != e->state->start_time)
        return err_set(err, ERR_NOT_FOUND, "container \"%s\" is not running", e->state->id);
    if (cgroups_open(e->state->cgroup, false, &cgroup, err))
        return -1;
    struct spawn s = {
        .config = &e->state->config, .cgroup = &cgroup, .enter_pidfd = pidfd, .child = exec_child, .data = e};
    int rc = namespaces_spawn(&s, pid, err);
    cgroups_close(&cgroup);
    return rc;
}

int exit_code_of(int status) {
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int exec_in_container(const struct state *state, const struct exec_options *o, int *exit_code,
                      struct err *err) {
    struct exec e = {.state = state, .options = o, .pair = {-1, -1}};
    auto_free struct seccomp_program *filter = NULL;
    auto_close int master = -1;
    pid_t pid = -1;

    if (o->process->program.tty && o->detach && !o->console_socket)
        return err_set(err, ERR_BAD_REQUEST,
                       "cannot allocate tty if the runtime detaches without --console-socket");
    if (state->config.seccomp && !(filter = seccomp_profile_compile(state->config.seccomp, err)))
        return -1;
    e.filter = filter;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, e.pair))
        return err_sys(err, errno, "cannot make a socket pair");
    int rc = spawn(&e, &pid, err);
    (void)close(e.pair[1]);
    if (rc == 0) {
        set_oom_score(state, pid);
        rc = converse(&e, pid, &master, err);
    }
    (void)close(e.pair[0]);
    if (rc && pid > 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    if (rc == 0)
        *exit_code = o->detach ? 0 : exit_code_of(terminal_attend(pid, master));
    return rc;
}
