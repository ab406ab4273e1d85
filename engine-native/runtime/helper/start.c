/* container.start: the spec into a sealed memfd, the shim out of one. Called by job.c and, once, by main.c.
 * Must leave the shim nothing of the helper: no descriptor, no signal mask, no session, no environment. */
#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../lib/frame.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u
#endif

/* MFD_EXEC and MFD_NOEXEC_SEAL came with Linux 6.3; before it there was no choice to make. */
static int make_memfd(const char *name, unsigned mode) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | mode);
    return fd < 0 && errno == EINVAL ? memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING) : fd;
}

static int seal(int fd, struct err *err) {
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
        return err_sys(err, errno, "cannot seal a memfd");
    return 0;
}

int start_load_shim(const char *path, struct err *err) {
    struct stat st;
    auto_close int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &st) < 0)
        return err_sys(err, errno, "cannot open the shim \"%s\"", path);
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return err_set(err, ERR_BAD_REQUEST, "the shim \"%s\" is not a program", path);
    auto_close int copy = make_memfd("berth-shim", MFD_EXEC);
    if (copy < 0)
        return err_sys(err, errno, "cannot make a memfd for \"%s\"", path);
    for (off_t at = 0; at < st.st_size;) {
        ssize_t n = sendfile(copy, file, &at, (size_t)(st.st_size - at));
        if (n == 0)
            return err_set(err, ERR_INTERNAL, "the shim \"%s\" changed while it was read", path);
        if (n < 0 && errno != EINTR)
            return err_sys(err, errno, "cannot copy the shim \"%s\"", path);
    }
    (void)fchmod(copy, 0555);
    if (seal(copy, err) < 0)
        return -1;
    return steal_fd(&copy);
}

static int make_spec(const struct json *spec, struct err *err) {
    auto_close int fd = make_memfd("berth-spec", MFD_NOEXEC_SEAL);
    if (fd < 0)
        return err_sys(err, errno, "cannot make a memfd for the spec");
    if (write_all(fd, spec->raw, spec->raw_len, err) < 0 || seal(fd, err) < 0)
        return -1;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_sys(err, errno, "cannot rewind the spec");
    return steal_fd(&fd);
}

/* Runs in the vforked child, on the parent's memory: system calls only. main.c keeps 3 and 4 taken, so no
 * source is one of the targets. */
static void become_shim(int shim_fd, int spec_fd, int ready_fd, char *const argv[]) {
    static const char failed[] =
        "{\"ok\":false,\"error\":{\"code\":\"internal\",\"message\":\"cannot execute the shim\"}}\n";
    static char *const envp[] = {NULL};
    sigset_t none;
    (void)setsid();
    (void)umask(022);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(spec_fd, 3) == 3 && dup2(ready_fd, 4) == 4 &&
        syscall(SYS_close_range, 5u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */) == 0)
        (void)syscall(SYS_execveat, shim_fd, "", argv, envp, AT_EMPTY_PATH);
    (void)!write(4, failed, sizeof failed - 1);
    _exit(127);
}

/* vfork: the shim's exec replaces the borrowed memory at once, and copying page tables for it would cost
 * more. */
__attribute__((noinline)) static pid_t spawn_shim(int shim_fd, int spec_fd, int ready_fd,
                                                  char *const argv[]) {
    pid_t pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
    if (pid == 0)
        become_shim(shim_fd, spec_fd, ready_fd, argv); /* NOLINT(clang-analyzer-unix.Vfork) */
    return pid;
}

int start_shim(const struct op_call *call, pid_t *pid, int *ready_fd, struct err *err) {
    const struct json *spec = NULL;
    const char *id = NULL;
    char short_id[13];
    int ends[2];
    if (json_need_object(call->request, "spec", &spec, err) < 0 || json_need_string(spec, "id", &id, err) < 0)
        return -1;
    if (strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz_") != strlen(id))
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is not a container id", id);
    /* Only for `ps`: which container's shim this is. */
    (void)snprintf(short_id, sizeof short_id, "%s", id);
    char *const argv[] = {(char *)"berth-shim", short_id, NULL};
    auto_close int spec_fd = make_spec(spec, err);
    if (spec_fd < 0)
        return -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(err, errno, "cannot open a pipe");
    auto_close int reader = ends[0];
    auto_close int writer = ends[1];
    pid_t child = spawn_shim(call->helper->shim_fd, spec_fd, writer, argv);
    if (child < 0)
        return err_sys(err, errno, "cannot start the shim");
    *pid = child;
    *ready_fd = steal_fd(&reader);
    return 0;
}

static void forward(struct json_out *reply, const struct json *id, const struct json *line, pid_t shim) {
    json_open_reply(reply, id);
    json_each(member, line) {
        if (strcmp(member->key, "ok") == 0 || strcmp(member->key, "id") == 0)
            continue;
        json_key(reply, member->key);
        json_raw(reply, member->raw, member->raw_len);
    }
    json_put_int(reply, "shimPid", shim);
    json_close_object(reply);
}

void start_reply(struct json_out *reply, const struct json *id, const char *line, size_t len, pid_t shim) {
    struct err err = {0};
    const char *newline = memchr(line, '\n', len);
    struct json_doc *doc auto_json = json_parse(line, newline ? (size_t)(newline - line) : len, &err);
    const struct json *root = doc ? json_root(doc) : NULL;
    bool ok = false;
    if (root && json_opt_bool(root, "ok", &ok, &err) == 0 && ok) {
        forward(reply, id, root, shim);
        return;
    }
    const struct json *error = json_get(root, "error");
    const char *code = "internal", *message = "the shim gave no reason";
    (void)json_opt_string(error, "code", &code, &err);
    (void)json_opt_string(error, "message", &message, &err);
    err_set(&err, err_code_from_name(code), "%s", root ? message : "the shim's ready line is not json");
    json_error_reply(reply, id, &err);
}
