/* See launch.h. */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

#include "../init/pid1.h"
#include "../lib/cleanup.h"
#include "kernel.h"
#include "mounts.h"
#include "program.h"
#include "sync.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

void launch_stage(const char *name) {
    (void)prctl(PR_SET_NAME, name, 0, 0, 0);
}

int launch_stdio_count(const struct process_spec *process) {
    return process->tty ? 1 : process->open_stdin ? 3 : 2;
}

/* The slave comes from the master's descriptor (TIOCGPTPEER), never from a path under /dev/pts, which a
 * container can replace by a link; and what looks like ptmx must be one. */
int launch_open_terminal(int pts_fd, const char *ptmx, int64_t rows, int64_t cols, uid_t owner,
                         int *master_out, int *slave_out, struct err *err) {
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    int unlock = 0;
    struct stat st;
    struct statfs fs;
    auto_close int master = k_openat2(pts_fd, ptmx, O_RDWR | O_NOCTTY | O_CLOEXEC, 0,
                                      RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS);

    if (master < 0 || fstat(master, &st) || !S_ISCHR(st.st_mode) || fstatfs(master, &fs) ||
        fs.f_type != DEVPTS_SUPER_MAGIC || ioctl(master, TIOCSPTLCK, &unlock))
        return err_sys(err, errno, "cannot open a terminal");
    auto_close int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0 || fchown(slave, owner, (gid_t)-1))
        return err_sys(err, errno, "cannot open the terminal's other end");
    if (size.ws_row > 0 && size.ws_col > 0)
        (void)ioctl(master, TIOCSWINSZ, &size);
    *master_out = steal_fd(&master);
    *slave_out = steal_fd(&slave);
    return 0;
}

static int open_terminal(const struct launch *l, const struct identity *identity, struct launch_stdio *stdio,
                         int *master, struct err *err) {
    int slave = -1;

    if (launch_open_terminal(l->pts_fd, "ptmx", l->process->rows, l->process->cols, identity->uid, master,
                             &slave, err))
        return -1;
    *stdio = (struct launch_stdio){.in = slave, .out = slave, .err = slave, .tty = true};
    return l->first ? mounts_set_console(l->root_fd, slave, err) : 0;
}

/* A pipe whose program's end the program's user may open again through /dev/stdout. */
static int open_pipe(const struct identity *identity, int *ours, int *theirs, bool input, struct err *err) {
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return err_sys(err, errno, "cannot make a pipe");
    *ours = ends[input ? 1 : 0];
    *theirs = ends[input ? 0 : 1];
    if (fchown(*theirs, identity->uid, identity->gid))
        return err_sys_as(err, ERR_IMAGE_USER, errno, "user %u is outside the container's range",
                          identity->uid);
    return 0;
}

static int open_pipes(const struct launch *l, const struct identity *identity, struct launch_stdio *stdio,
                      int *ours, struct err *err) {
    stdio->tty = false;
    if (open_pipe(identity, &ours[0], &stdio->out, false, err) ||
        open_pipe(identity, &ours[1], &stdio->err, false, err))
        return -1;
    if (l->process->open_stdin)
        return open_pipe(identity, &ours[2], &stdio->in, true, err);
    stdio->in =
        k_openat2(l->root_fd, "/dev/null", O_RDWR | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
    return stdio->in < 0 ? err_sys(err, errno, "cannot open the container's \"/dev/null\"") : 0;
}

int launch_open_stdio(const struct launch *l, struct launch_stdio *stdio, struct identity *identity,
                      struct err *err) {
    int ours[3] = {-1, -1, -1};

    if (identity_resolve(l->root_fd, l->process->user, identity, err) ||
        identity_add_groups(l->root_fd, l->process->groups, identity, err))
        return -1;
    if (l->process->tty ? open_terminal(l, identity, stdio, &ours[0], err)
                        : open_pipes(l, identity, stdio, ours, err))
        return -1;
    int n = launch_stdio_count(l->process);
    if (sync_send(l->sync, SYNC_STDIO, ours, (size_t)n, err))
        return -1;
    for (int i = 0; i < n; i++)
        (void)close(ours[i]);
    return 0;
}

void launch_reset_signals(void) {
    sigset_t none;

    for (int signal = 1; signal < NSIG; signal++)
        if (signal != SIGKILL && signal != SIGSTOP)
            (void)sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Descriptors 0, 1 and 2 of the child may be the very ones that stdio lives on, so they are moved up first.
 */
int launch_install_stdio(const struct launch_stdio *stdio, struct err *err) {
    int in = fcntl(stdio->in, F_DUPFD_CLOEXEC, 3), out = fcntl(stdio->out, F_DUPFD_CLOEXEC, 3),
        error = fcntl(stdio->err, F_DUPFD_CLOEXEC, 3);

    if (in < 0 || out < 0 || error < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(error, 2) < 0)
        return err_sys(err, errno, "cannot install stdio");
    if (stdio->tty && ioctl(0, TIOCSCTTY, 0))
        return err_sys(err, errno, "cannot take the terminal");
    return 0;
}

/* A shim that is killed takes its container along: without it nobody reads the output or records the end.
 * Done after the change of user, which clears it; and a shim that died before that has closed its end of the
 * conversation. */
static void bind_to_shim(int sync) {
    struct pollfd peer = {.fd = sync};

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (poll(&peer, 1, 0) > 0 && (peer.revents & POLLHUP))
        _exit(0);
}

int launch_run(const struct launch *l, const struct launch_stdio *stdio, const struct identity *identity,
               struct err *err) {
    char **env = program_environment(l->process, identity);

    if (!env)
        return err_sys(err, ENOMEM, "cannot hold the environment");
    int rc = sync_receive(l->sync, SYNC_GO, NULL, 0, -1, err);
    if (rc)
        _exit(0); /* the shim gave up, or died: there is nobody to tell */
    launch_stage("berth:exec");
    (void)umask(022);
    if (program_enter_directory(l->root_fd, l->process->cwd, l->first, identity, err) ||
        privileges_drop(&l->privileges, identity, err))
        return -1;
    if (l->first)
        bind_to_shim(l->sync);
    if (l->init) {
        pid_t child = fork();
        if (child < 0)
            return err_sys(err, errno, "cannot fork the container's program");
        if (child > 0)
            pid1_run(child, l->status_fd);
    }
    (void)setsid();
    if (launch_install_stdio(stdio, err))
        return -1;
    launch_reset_signals();
    /* Nothing of ours reaches the program, whatever forgot its close-on-exec flag. */
    (void)k_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    return program_exec(l->process, env, err);
}
