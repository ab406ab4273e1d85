/* See terminal.h. */
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../shim/kernel.h"

/* A listener that accepts and reads nothing must not hang a create. */
#define SEND_TIMEOUT_S 10

int terminal_send(const char *path, int master, struct err *err) {
    static char name[] = "/dev/ptmx";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = SEND_TIMEOUT_S};
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.space = {0}};
    struct iovec iov = {name, sizeof(name) - 1};
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
    auto_close int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (strlen(path) >= sizeof(address.sun_path))
        return err_set(err, ERR_BAD_REQUEST, "console socket \"%s\" has too long a path", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    (void)setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof(address)))
        return err_sys(err, errno, "cannot connect to console socket \"%s\"", path);
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(cmsg), &master, sizeof(int));
    if (sendmsg(sock, &message, MSG_NOSIGNAL) < 0)
        return err_sys(err, errno, "cannot send the terminal to \"%s\"", path);
    return 0;
}

static void copy_size(int master) {
    struct winsize size;

    if (ioctl(0, TIOCGWINSZ, &size) == 0 && size.ws_row > 0)
        (void)ioctl(master, TIOCSWINSZ, &size);
}

/* False at the end of `from`. */
static bool pass_on(int from, int to) {
    char buffer[16384];
    ssize_t n = read(from, buffer, sizeof(buffer));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    for (ssize_t done = 0, written; done < n; done += written) {
        written = write(to, buffer + done, (size_t)(n - done));
        if (written < 0 && errno != EINTR)
            return false;
        written = written < 0 ? 0 : written;
    }
    return n > 0;
}

struct attendance {
    pid_t pid;
    int pidfd, master, signals;
    bool is_over;
    int status;
};

static void take_signal(struct attendance *a) {
    struct signalfd_siginfo info;

    if (read(a->signals, &info, sizeof(info)) != sizeof(info))
        return;
    int signal = (int)info.ssi_signo;
    if (signal == SIGCHLD)
        a->is_over = waitpid(a->pid, &a->status, WNOHANG) == a->pid;
    else if (signal == SIGWINCH && a->master >= 0)
        copy_size(a->master);
    else if (signal != SIGPIPE && signal != SIGTSTP && signal != SIGTTOU && signal != SIGTTIN)
        (void)k_pidfd_send_signal(a->pidfd, signal);
}

static void attend(struct attendance *a) {
    struct pollfd fds[3] = {{.fd = a->signals, .events = POLLIN},
                            {.fd = a->master, .events = POLLIN},
                            {.fd = a->master >= 0 ? 0 : -1, .events = POLLIN}};

    while (!a->is_over) {
        if (poll(fds, 3, -1) < 0 && errno != EINTR)
            break;
        if (fds[1].revents && !pass_on(a->master, 1))
            fds[1].fd = -1;
        if (fds[2].revents && !pass_on(0, a->master))
            fds[2].fd = -1;
        if (fds[0].revents)
            take_signal(a);
    }
    /* What the program wrote last is still in the terminal. Its other holders may write on for ever: 1 s. */
    while (fds[1].fd >= 0 && poll(&fds[1], 1, 1000) > 0 && pass_on(a->master, 1))
        continue;
}

int terminal_attend(pid_t pid, int master) {
    struct attendance a = {.pid = pid, .master = master, .pidfd = (int)syscall(SYS_pidfd_open, pid, 0)};
    struct termios before, raw;
    sigset_t all, old;
    bool is_terminal = master >= 0 && tcgetattr(0, &before) == 0;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &old);
    a.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (is_terminal) {
        raw = before;
        cfmakeraw(&raw);
        (void)tcsetattr(0, TCSANOW, &raw);
    }
    if (master >= 0)
        copy_size(master);
    a.is_over = waitpid(pid, &a.status, WNOHANG) == pid; /* before the signals were watched */
    attend(&a);
    if (is_terminal)
        (void)tcsetattr(0, TCSANOW, &before);
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    (void)close(a.signals);
    if (a.pidfd >= 0)
        (void)close(a.pidfd);
    return a.status;
}
