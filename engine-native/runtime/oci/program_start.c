/* See program_start.h. */
#include "program_start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../shim/kernel.h"
#include "../shim/privileges.h"
#include "../shim/program.h"

static const char *find_variable(char **env, const char *name) {
    size_t len = strlen(name);

    for (; *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    return NULL;
}

/* 0 when it can be run, else an errno. */
static int try_path(const char *path) {
    struct stat st;

    if (stat(path, &st))
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    return access(path, X_OK) ? errno : 0;
}

int program_find(const struct oci_process *process, struct err *err) {
    const char *name = process->program.args[0];
    const char *path = find_variable(process->program.env, "PATH");
    char candidate[PATH_MAX];

    if (strchr(name, '/')) {
        int n = snprintf(candidate, sizeof(candidate), "%s%s%s", name[0] == '/' ? "" : process->program.cwd,
                         name[0] == '/' ? "" : "/", name);
        int reason = n < (int)sizeof(candidate) ? try_path(candidate) : ENAMETOOLONG;
        if (reason == ENOENT || reason == ENOTDIR)
            return err_set(err, ERR_EXEC_NOT_FOUND, "exec: \"%s\": stat %s: %s", name, candidate,
                           strerror(reason));
        if (reason == EISDIR)
            return err_set(err, ERR_EXEC_NOT_EXECUTABLE, "exec: \"%s\": is a directory: permission denied",
                           name);
        /* The directories on the way may be closed to root of a user namespace and open to the program's
         * user. */
        return reason == EACCES && stat(candidate, &(struct stat){0}) == 0
                   ? err_set(err, ERR_EXEC_NOT_EXECUTABLE, "exec: \"%s\": permission denied", name)
                   : 0;
    }
    bool is_denied = false;
    for (const char *p = path; p; p = strchr(p, ':')) {
        p += *p == ':';
        size_t len = strcspn(p, ":");
        if (snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)(len ? len : 1), len ? p : ".", name) >=
            (int)sizeof(candidate))
            continue;
        int reason = try_path(candidate);
        if (reason == 0)
            return 0;
        is_denied |= reason == EACCES;
    }
    if (is_denied)
        return err_set(err, ERR_EXEC_NOT_EXECUTABLE, "exec: \"%s\": permission denied", name);
    return err_set(err, ERR_EXEC_NOT_FOUND, "exec: \"%s\": executable file not found in $PATH", name);
}

static int read_identity(const struct program_start *s, struct identity *identity) {
    const struct oci_process *process = s->process;
    struct err ignored = {0};
    char uid[16];

    (void)snprintf(uid, sizeof(uid), "%u", process->uid);
    if (identity_resolve(s->root_fd, uid, identity, &ignored))
        (void)snprintf(identity->home, sizeof(identity->home), "/");
    identity->uid = process->uid;
    identity->gid = process->gid;
    identity->group_count = 1;
    identity->groups[0] = process->gid;
    for (size_t i = 0; i < process->group_count; i++)
        identity->groups[identity->group_count++] = process->groups[i];
    return 0;
}

/* The environment is config.json's; only HOME is added, as every runtime does. And whoever passed sockets
 * down by systemd's convention has them renumbered for pid 1. */
static char **make_environment(const struct program_start *s, const struct identity *identity) {
    static char home[PATH_MAX + 8], listen_fds[32], listen_pid[] = "LISTEN_PID=1";
    char **given = s->process->program.env;
    size_t n = 0;

    while (given[n])
        n++;
    char **env = calloc(n + 4, sizeof(char *));
    if (!env)
        return NULL;
    memcpy(env, given, n * sizeof(char *));
    const char *own = find_variable(given, "HOME");
    if (!own) {
        (void)snprintf(home, sizeof(home), "HOME=%s", identity->home);
        env[n++] = home;
    }
    const char *passed = s->is_first ? getenv("LISTEN_FDS") : NULL;
    if (passed && s->preserved_fds > 0) {
        (void)snprintf(listen_fds, sizeof(listen_fds), "LISTEN_FDS=%.8s", passed);
        env[n++] = listen_fds;
        env[n++] = listen_pid;
    }
    return env;
}

static int enter_directory(const struct program_start *s, const struct identity *identity, struct err *err) {
    return program_enter_directory(s->root_fd, s->process->program.cwd, s->is_first, identity, err);
}

int program_start(const struct program_start *s, struct err *err) {
    struct identity identity;
    struct privileges privileges = {.sets = &s->process->capabilities,
                                    .no_new_privileges = s->process->no_new_privileges,
                                    .seccomp = s->filter != NULL,
                                    .program = s->filter,
                                    .rlimits = s->process->rlimits,
                                    .rlimit_count = s->process->rlimit_count};

    launch_stage("berth:exec");
    (void)read_identity(s, &identity);
    auto_free char **env = make_environment(s, &identity);
    if (!env)
        return err_sys(err, ENOMEM, "cannot hold the environment");
    if (s->new_keyring)
        (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    (void)umask(s->process->umask < 0 ? 022 : (mode_t)s->process->umask);
    if (s->process->io_priority >= 0 && syscall(SYS_ioprio_set, 1, 0, s->process->io_priority))
        return err_sys(err, errno, "cannot set the io priority");
    if (enter_directory(s, &identity, err))
        return -1;
    launch_reset_signals();
    /* Nothing of ours reaches the program, whatever forgot its close-on-exec flag. */
    (void)k_close_range(3 + s->preserved_fds, ~0U, CLOSE_RANGE_CLOEXEC);
    if (privileges_drop(&privileges, &identity, err))
        return -1;
    return program_exec(&s->process->program, env, err);
}
