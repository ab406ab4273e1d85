/* See foreign_call.h. */
#include "foreign_call.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cgroup.h"
#include "foreign_bundle.h"
#include "held_ports.h"
#include "kernel.h"
#include "launch.h"
#include "loop.h"

#define ARGS_MAX 24
#define LOG_MAX 8192

static int listen_for_console(const struct foreign_call *call) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)unlink("console");
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "console");
    return bind(call->console, (const struct sockaddr *)&address, sizeof(address)) ||
           listen(call->console, 1);
}

/* Never the host's /dev/null: crun gives its stdio to the container's user, who would own it on the host
 * then. An input that has ended is as good. */
static int install_stdio(const struct foreign_call *call) {
    int ended[2] = {-1, -1};
    int errors = open("errors", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct err ignored = {0};

    if (errors < 0 || pipe2(ended, O_CLOEXEC))
        return -1;
    (void)close(ended[1]);
    struct launch_stdio stdio = {.in = call->in < 0 ? ended[0] : call->in,
                                 .out = call->out < 0 ? errors : call->out,
                                 .err = call->err < 0 ? errors : call->err};
    return launch_install_stdio(&stdio, &ignored);
}

static _Noreturn void call_main(const struct foreign_call *call) {
    const struct spec *spec = call->spec;
    const char *argv[ARGS_MAX];
    char *env[] = {(char[]){"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, NULL};
    char log[PATH_MAX], state[PATH_MAX], score[16];
    int n = 0;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    held_ports_close();
    /* The container's processes inherit it where the runtime does not set one. */
    (void)snprintf(score, sizeof(score), "%d", (int)spec->oom_score_adj);
    (void)cgroup_write(AT_FDCWD, "/proc/self/oom_score_adj", score);
    /* Here and not by the runtime, which would try from inside the container's user namespace, where only
     * their owner is allowed to. */
    for (int i = 0; i < FOREIGN_JOINED; i++)
        if (call->joined[i] >= 0 && setns(call->joined[i], 0))
            _exit(126);
    if (setns(call->place->mount_namespace, CLONE_NEWNS) || chdir(spec->runtime.place) ||
        (call->console >= 0 && listen_for_console(call)) || install_stdio(call) || chdir("/"))
        _exit(126);
    (void)snprintf(log, sizeof(log), "%s/log", spec->runtime.place);
    (void)snprintf(state, sizeof(state), "%s/state", spec->runtime.place);
    const char *const global[] = {spec->runtime.path, "--root", state, "--log", log, "--log-format", "json"};
    for (size_t i = 0; i < sizeof(global) / sizeof(global[0]); i++)
        argv[n++] = global[i];
    for (const char *const *arg = call->args; *arg && n < ARGS_MAX - 1; arg++)
        argv[n++] = *arg;
    argv[n] = NULL;
    launch_reset_signals();
    (void)k_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    (void)execve(argv[0], (char *const *)(uintptr_t)argv, env);
    _exit(127);
}

/* Its words decide whether docker's users see 127, 126 or 125. */
static enum err_code code_of(const char *message) {
    static const struct {
        const char *words;
        enum err_code code;
    } known[] = {
        {"executable file not found", ERR_EXEC_NOT_FOUND}, /* runc: exec: "x": executable file not found */
        {"not found in $PATH", ERR_EXEC_NOT_FOUND},        /* crun: executable file `x` not found in $PATH */
        {"not found in the image", ERR_EXEC_NOT_FOUND},    /* berth-runtime */
        {"is not executable", ERR_EXEC_NOT_EXECUTABLE},    {"exec format error", ERR_EXEC_NOT_EXECUTABLE},
        {"Exec format error", ERR_EXEC_NOT_EXECUTABLE},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strstr(message, known[i].words))
            return known[i].code;
    if (strstr(message, "exec") && strcasestr(message, "no such file or directory"))
        return ERR_EXEC_NOT_FOUND;
    if (strstr(message, "exec") && strcasestr(message, "permission denied"))
        return ERR_EXEC_NOT_EXECUTABLE;
    return ERR_INTERNAL;
}

static int explain(const struct foreign_call *call, int status, struct err *err) {
    char log[LOG_MAX], message[768];
    const char *name = call->spec->runtime.name;

    foreign_last_error(log, foreign_place_read(call->place->dir, "log", log, sizeof(log)), message,
                       sizeof(message));
    if (message[0] == '\0')
        foreign_last_error(log, foreign_place_read(call->place->dir, "errors", log, sizeof(log)), message,
                           sizeof(message));
    ssize_t n = message[0] == '\0' && call->heard >= 0 ? read(call->heard, log, sizeof(log)) : 0;
    if (n > 0)
        foreign_last_error(log, (size_t)n, message, sizeof(message));
    if (message[0] != '\0')
        return err_set(err, code_of(message), "%s: %s", name, message);
    if (WIFEXITED(status) && WEXITSTATUS(status) >= 126)
        return err_set(err, ERR_INTERNAL, "runtime \"%s\" cannot be run from \"%s\"", name,
                       call->spec->runtime.path);
    return err_set(err, ERR_INTERNAL, "runtime \"%s\" could not %s the container and did not say why", name,
                   call->args[0]);
}

int foreign_call(const struct foreign_call *call, struct err *err) {
    int pidfd = -1, status = 0;
    struct clone_args args = {
        .flags = CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD};

    (void)unlinkat(call->place->dir, "log", 0); /* what an earlier call said is no reason for this one */
    (void)unlinkat(call->place->dir, "errors", 0);
    pid_t pid = k_clone3(&args);
    if (pid == 0)
        call_main(call);
    if (pid < 0)
        return err_sys(err, errno, "cannot start runtime \"%s\"", call->spec->runtime.name);
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    int ready;
    do {
        int64_t left = call->deadline_ms - loop_now_ms();
        ready = poll(&end, 1, left > 0 ? (int)left : 0);
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0)
        (void)k_pidfd_send_signal(pidfd, SIGKILL);
    (void)waitpid(pid, &status, 0);
    (void)close(pidfd);
    if (ready <= 0)
        return err_set(err, ERR_INTERNAL, "runtime \"%s\" did not %s the container in time",
                       call->spec->runtime.name, call->args[0]);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : explain(call, status, err);
}
