/* See pid1.h. Runs with the container's own user, capabilities and filter, so it is worth no attack. Must
 * never allocate, log or read anything of the container. */
#include "pid1.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OTHERS_LIMIT_SECONDS 60

/* Descriptors of the container (its terminal, its pipes) must end with its programs, not with us. */
static void close_all_but(int keep) {
    if (keep > 0)
        (void)syscall(SYS_close_range, 0, keep - 1, 0);
    (void)syscall(SYS_close_range, keep + 1, ~0U, 0);
}

/* Reaps everybody; the child's status in *status and true when it was among them. */
static int reap(pid_t child, int *status) {
    int found = 0, one;
    pid_t pid;

    while ((pid = waitpid(-1, &one, WNOHANG)) > 0 || (pid < 0 && errno == EINTR))
        if (pid == child) {
            *status = one;
            found = 1;
        }
    return found;
}

/* SIGTERM goes to everybody, as a service manager sends it: a shell that runs `migrate && serve` would take
 * it alone and leave its programs to the SIGKILL that follows. Every other signal is the program's. Only the
 * first process of a pid namespace of its own may say "everybody": elsewhere that would be the host. */
static int forward(pid_t child, int signal) {
    if (signal == SIGTERM && getpid() == 1) {
        (void)kill(-1, signal);
        return 1;
    }
    (void)kill(child, signal);
    return 0;
}

/* The program has ended after a SIGTERM for everybody: the others end in their own time too. Whoever stops a
 * container kills it after its grace; the minute is for a SIGTERM that nobody follows up. */
static void wait_for_the_others(void) {
    struct timespec now, end;
    sigset_t all;

    (void)sigfillset(&all);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += OTHERS_LIMIT_SECONDS;
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid < 0 && errno != EINTR)
            return;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec >= end.tv_sec)
            return;
        if (pid == 0) {
            int signal = sigtimedwait(&all, NULL, &(struct timespec){.tv_sec = 1});
            if (signal > 0 && signal != SIGCHLD)
                (void)kill(-1, signal);
        }
    }
}

_Noreturn void pid1_run(pid_t child, int status_fd) {
    sigset_t all;
    int status = 0, all_told = 0;

    (void)prctl(PR_SET_NAME, "init", 0, 0, 0);
    close_all_but(status_fd);
    (void)sigfillset(&all);
    while (!reap(child, &status)) {
        int signal = sigwaitinfo(&all, NULL);
        if (signal > 0 && signal != SIGCHLD)
            all_told |= forward(child, signal);
    }
    if (all_told)
        wait_for_the_others();
    ssize_t ignored = write(status_fd, &status, sizeof(status));
    (void)ignored; /* the shim is gone: then nobody wants to know */
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
