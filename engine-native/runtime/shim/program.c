/* See program.h. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "kernel.h"
#include "resolve.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

int program_enter_directory(int root_fd, const char *path, bool make, const struct identity *identity,
                            struct err *err) {
    char real[PATH_MAX];
    bool missing;

    /* No magic links: "/proc/self/fd/7" as a working directory is how containers got out through a leaked
     * descriptor. */
    auto_close int fd = resolve_in_root(root_fd, path);
    missing = fd < 0 && errno == ENOENT;
    if (missing && make) {
        fd = resolve_or_make(root_fd, path, true, err);
        if (fd >= 0 && fchownat(fd, "", identity->uid, identity->gid, AT_EMPTY_PATH))
            return err_sys(err, errno, "cannot give \"%s\" to the container's user", path);
    }
    if (fd < 0 && missing)
        return err_set(err, ERR_BAD_REQUEST, "working directory \"%s\" does not exist in the container",
                       path);
    if (fd < 0 || fchdir(fd))
        return err_sys_as(err, ERR_BAD_REQUEST, errno, "cannot enter working directory \"%s\"", path);
    if (!getcwd(real, sizeof(real)) || real[0] != '/')
        return err_set(err, ERR_BAD_REQUEST, "working directory \"%s\" lies outside the container", path);
    return 0;
}

static const char *get(char **env, const char *name) {
    size_t len = strlen(name);

    for (; *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    return NULL;
}

char **program_environment(const struct process_spec *process, const struct identity *identity) {
    static char home[PATH_MAX + 8];
    static char path[] = "PATH=" DEFAULT_PATH, term[] = "TERM=xterm";
    size_t n = 0;

    while (process->env[n])
        n++;
    char **env = calloc(n + 4, sizeof(char *));
    if (!env)
        return NULL;
    memcpy(env, process->env, n * sizeof(char *));
    if (!get(process->env, "PATH"))
        env[n++] = path;
    if (!get(process->env, "HOME")) {
        (void)snprintf(home, sizeof(home), "HOME=%s", identity->home);
        env[n++] = home;
    }
    if (process->tty && !get(process->env, "TERM"))
        env[n++] = term;
    return env;
}

static int explain(const char *name, const char *path, int errnum, struct err *err) {
    struct stat st;

    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
        if (stat(path, &st) == 0)
            return err_set(err, ERR_EXEC_NOT_FOUND, "\"%s\": its interpreter or loader is not in the image",
                           path);
        if (strchr(name, '/'))
            return err_set(err, ERR_EXEC_NOT_FOUND, "exec: \"%s\": no such file or directory", name);
        return err_set(err, ERR_EXEC_NOT_FOUND, "exec: \"%s\": executable file not found in $PATH", name);
    case EACCES:
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            return err_set(err, ERR_EXEC_NOT_EXECUTABLE, "exec: \"%s\": is a directory", path);
        return err_set(err, ERR_EXEC_NOT_EXECUTABLE, "exec: \"%s\": permission denied", path);
    case ENOEXEC:
        return err_set(
            err, ERR_EXEC_NOT_EXECUTABLE,
            "\"%s\" is no program for this machine (exec format error; does a script lack \"#!\"?)", path);
    case E2BIG:
        return err_set(err, ERR_BAD_REQUEST, "arguments and environment of \"%s\" are too long", name);
    default:
        return err_sys_as(err, ERR_EXEC_NOT_EXECUTABLE, errnum, "cannot run \"%s\"", path);
    }
}

int program_exec(const struct process_spec *process, char **env, struct err *err) {
    const char *name = process->args[0];
    const char *path = get(env, "PATH");
    char candidate[PATH_MAX], denied[PATH_MAX] = "";
    int failure = ENOENT;

    if (strchr(name, '/')) {
        (void)execve(name, process->args, env);
        return explain(name, name, errno, err);
    }
    /* A refused candidate is remembered, because a later directory may hold a runnable one. */
    for (const char *p = path; *name && p; p = strchr(p, ':')) {
        p += *p == ':';
        size_t len = strcspn(p, ":");
        int n = snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)(len ? len : 1), len ? p : ".", name);
        if (n >= (int)sizeof(candidate))
            continue;
        (void)execve(candidate, process->args, env);
        int reason = errno;
        if (reason != ENOENT && reason != ENOTDIR && reason != EACCES)
            return explain(name, candidate, reason, err);
        struct stat st;
        if (!denied[0] && stat(candidate, &st) == 0 && !S_ISDIR(st.st_mode)) {
            memcpy(denied, candidate, sizeof(denied));
            failure = reason;
        }
    }
    return explain(name, denied[0] ? denied : name, failure, err);
}
