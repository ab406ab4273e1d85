/* See hooks.h. */
#include "hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../shim/kernel.h"
#include "../shim/launch.h"

/* A hook without a timeout that never ends must not hold a start for ever: nobody would free the container's
 * id. */
#define DEFAULT_TIMEOUT_S 600
#define WORDS_MAX 512

struct words {
    char text[WORDS_MAX];
    size_t len;
};

static _Noreturn void become_hook(const struct hook *hook, int input, int output) {
    char *no_args[] = {(char *)(uintptr_t)hook->path, NULL};

    if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0)
        _exit(127);
    (void)k_close_range(3, ~0U, 0);
    launch_reset_signals();
    (void)execve(hook->path, hook->args[0] ? hook->args : no_args, hook->env[0] ? hook->env : environ);
    const char *reason = strerror(errno);
    (void)!write(2, reason, strlen(reason));
    _exit(127);
}

static int64_t now_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Keeps the first words for the error and drops the rest. False at the end. */
static bool read_words(int fd, struct words *words) {
    char buffer[4096];
    ssize_t n = read(fd, buffer, sizeof(buffer));

    if (n <= 0)
        return n < 0 && (errno == EINTR || errno == EAGAIN);
    size_t room = sizeof(words->text) - 1 - words->len;
    size_t take = (size_t)n < room ? (size_t)n : room;
    memcpy(words->text + words->len, buffer, take);
    words->len += take;
    return true;
}

/* Until it has ended (1) or its time is over (0). Its output may stay open longer: a hook may leave a process
 * behind. */
static int watch(int pidfd, int output, int64_t timeout_ms, struct words *words) {
    int64_t end = now_ms() + timeout_ms;
    struct pollfd fds[2] = {{.fd = pidfd, .events = POLLIN}, {.fd = output, .events = POLLIN}};

    for (;;) {
        int64_t left = end - now_ms();
        if (left <= 0)
            return 0;
        if (poll(fds, 2, (int)left) < 0 && errno != EINTR)
            return 0;
        if (fds[1].revents && !read_words(output, words))
            fds[1].fd = -1;
        if (fds[0].revents & POLLIN) {
            if (fds[1].fd >= 0 && poll(&fds[1], 1, 0) > 0)
                (void)read_words(output, words);
            return 1;
        }
    }
}

static int explain(const struct hook *hook, const char *stage, int status, struct words *words,
                   struct err *err) {
    while (words->len > 0 && words->text[words->len - 1] == '\n')
        words->len--;
    words->text[words->len] = '\0';
    if (WIFSIGNALED(status))
        return err_set(err, ERR_INTERNAL, "error running %s hook \"%s\": killed by signal %d: %s", stage,
                       hook->path, WTERMSIG(status), words->text);
    return err_set(err, ERR_INTERNAL, "error running %s hook \"%s\": exit status %d: %s", stage, hook->path,
                   WEXITSTATUS(status), words->text);
}

static int open_input(const char *input, struct err *err) {
    auto_close int fd = (int)syscall(SYS_memfd_create, "state", 1U /* MFD_CLOEXEC */);

    if (fd < 0 || write(fd, input, strlen(input)) != (ssize_t)strlen(input) || lseek(fd, 0, SEEK_SET) < 0)
        return err_sys(err, errno, "cannot hold the state for a hook");
    return steal_fd(&fd);
}

static int run_hook(const struct hook *hook, const char *stage, const char *input, struct err *err) {
    auto_close int in = open_input(input, err);
    struct words words = {.len = 0};
    int out[2], status = 0;

    if (in < 0)
        return -1;
    if (pipe2(out, O_CLOEXEC))
        return err_sys(err, errno, "cannot make a pipe");
    pid_t pid = fork();
    if (pid == 0)
        become_hook(hook, in, out[1]);
    (void)close(out[1]);
    auto_close int output = out[0];
    if (pid < 0)
        return err_sys(err, errno, "cannot fork hook \"%s\"", hook->path);
    auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    int64_t timeout_s = hook->timeout_s ? hook->timeout_s : DEFAULT_TIMEOUT_S;
    bool is_late = pidfd < 0 || !watch(pidfd, output, timeout_s * 1000, &words);
    if (is_late)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (is_late)
        return err_set(err, ERR_INTERNAL,
                       "error running %s hook \"%s\": hook ran past specified timeout of %llds", stage,
                       hook->path, (long long)timeout_s);
    return status == 0 ? 0 : explain(hook, stage, status, &words, err);
}

int hooks_run(const struct hooks *hooks, const char *stage, const char *input, struct err *err) {
    for (size_t i = 0; i < hooks->count; i++)
        if (run_hook(&hooks->list[i], stage, input, err))
            return -1;
    return 0;
}
