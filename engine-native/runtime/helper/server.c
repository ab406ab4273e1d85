/* The event loop: connections in conn.c, work in job.c. Never blocks on anything but epoll_wait. */
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct server server;

int64_t monotonic_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int server_watch(struct source *source, uint32_t events, struct err *err) {
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(server.epoll, EPOLL_CTL_ADD, source->fd, &event) < 0)
        return err_sys(err, errno, "cannot watch a descriptor");
    return 0;
}

void server_close(struct source *source) {
    if (source->fd < 0)
        return;
    (void)epoll_ctl(server.epoll, EPOLL_CTL_DEL, source->fd, NULL);
    (void)close(source->fd);
    source->fd = -1;
}

static void signals_ready(struct source *source, uint32_t events) {
    struct signalfd_siginfo info;
    (void)events;
    while (read(source->fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo != SIGCHLD)
            server.stopping = true;
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        job_reaped(pid, status);
}

static int open_signals(struct err *err) {
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return err_sys(err, errno, "cannot block signals");
    server.signals = (struct source){signals_ready, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)};
    if (server.signals.fd < 0)
        return err_sys(err, errno, "cannot open a signalfd");
    return server_watch(&server.signals, EPOLLIN, err);
}

int server_run(const struct helper *helper, int listen_fd, struct err *err) {
    server = (struct server){.helper = helper, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    if (server.epoll < 0)
        return err_sys(err, errno, "cannot open an epoll");
    server.listener = (struct source){conn_accept, listen_fd};
    if (open_signals(err) < 0 || server_watch(&server.listener, EPOLLIN, err) < 0)
        return -1;
    while (!server.stopping) {
        struct epoll_event events[64];
        int n = epoll_wait(server.epoll, events, 64, job_check_deadlines());
        if (n < 0 && errno != EINTR)
            return err_sys(err, errno, "cannot wait for events");
        for (int i = 0; i < n; i++) {
            struct source *source = events[i].data.ptr;
            source->ready(source, events[i].events);
        }
        job_start_waiting();
        job_sweep();
        conn_sweep();
    }
    return 0;
}
