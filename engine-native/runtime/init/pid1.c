/* See pid1.h. Runs with the container's own user, capabilities and filter, so it is worth no attack. Must
 * never allocate, log or read anything of the container. */
#include "pid1.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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

_Noreturn void pid1_run(pid_t child, int status_fd) {
    sigset_t all;
    int status = 0;

    (void)prctl(PR_SET_NAME, "init", 0, 0, 0);
    close_all_but(status_fd);
    (void)sigfillset(&all);
    while (!reap(child, &status)) {
        int signal = sigwaitinfo(&all, NULL);
        if (signal > 0 && signal != SIGCHLD)
            (void)kill(child, signal);
    }
    ssize_t ignored = write(status_fd, &status, sizeof(status));
    (void)ignored; /* the shim is gone: then nobody wants to know */
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
