/* berth-engine-helper: the root end of the engine, one a host. Started by engined or by systemd; speaks
 * PROTOCOL.md on RUN/helper.sock. The only file of the helper that prints. It keeps no state: what it must
 * know lies in RUN and ROOT, so that it can be killed and started at any moment. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "server.h"
#include "start.h"

static const char usage[] = "usage: berth-engine-helper --run RUN --root ROOT --shim PATH\n";

static int parse_arguments(int argc, char **argv, struct helper *helper, const char **shim) {
    for (int i = 1; i < argc; i += 2) {
        const char **slot = strcmp(argv[i], "--run") == 0    ? &helper->run
                            : strcmp(argv[i], "--root") == 0 ? &helper->root
                            : strcmp(argv[i], "--shim") == 0 ? shim
                                                             : NULL;
        if (!slot || i + 1 == argc || argv[i + 1][0] != '/')
            return -1;
        size_t len = strlen(argv[i + 1]);
        while (len > 1 && argv[i + 1][len - 1] == '/')
            argv[i + 1][--len] = '\0';
        *slot = argv[i + 1];
    }
    return helper->run && helper->root && *shim && helper->run[1] && helper->root[1] ? 0 : -1;
}

/* 0–2 open, and 3 and 4 taken for good: a shim's spec and ready pipe are moved there without a clash. */
static int reserve_descriptors(struct err *err) {
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
        if (fd < 0)
            return err_sys(err, errno, "cannot open \"/dev/null\"");
        if (fd == 3 || fd == 4)
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    } while (fd < 5);
    (void)close(fd);
    return 0;
}

static int open_folder(const char *path, struct err *err) {
    int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_sys(err, errno, "cannot open the folder \"%s\"", path) : fd;
}

/* One helper a RUN: the lock dies with the process, so a crash leaves nothing to clean. */
static int take_lock(const struct helper *helper, struct err *err) {
    auto_close int dir = open(helper->run, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close int lock =
        dir < 0 ? -1 : openat(dir, "helper.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0)
        return err_sys(err, errno, "cannot open \"%s/helper.lock\"", helper->run);
    if (flock(lock, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, ERR_EXISTS, "another helper serves \"%s\"; stop it first", helper->run);
    return steal_fd(&lock);
}

static int listen_on(const struct helper *helper, struct err *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path, sizeof address.sun_path, "%s/helper.sock", helper->run);
    if (n < 0 || (size_t)n >= sizeof address.sun_path)
        return err_set(err, ERR_BAD_REQUEST, "the folder \"%s\" is too long a name for a socket",
                       helper->run);
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_sys(err, errno, "cannot open a socket");
    (void)unlink(address.sun_path);
    mode_t before = umask(0177);
    int bound = bind(fd, (const struct sockaddr *)&address, sizeof address);
    (void)umask(before);
    if (bound < 0 || listen(fd, 128) < 0)
        return err_sys(err, errno, "cannot listen on \"%s\"", address.sun_path);
    return steal_fd(&fd);
}

static int run(struct helper *helper, const char *shim, struct err *err) {
    if (reserve_descriptors(err) < 0 || (helper->run_fd = open_folder(helper->run, err)) < 0 ||
        (helper->root_fd = open_folder(helper->root, err)) < 0)
        return -1;
    auto_close int lock = take_lock(helper, err);
    if (lock < 0 || (helper->shim_fd = start_load_shim(shim, err)) < 0)
        return -1;
    int listener = listen_on(helper, err);
    return listener < 0 ? -1 : server_run(helper, listener, err);
}

int main(int argc, char **argv) {
    struct err err = {0};
    struct helper helper = {.run_fd = -1, .root_fd = -1, .shim_fd = -1, .daemon_pid = getppid()};
    const char *shim = NULL;
    if (parse_arguments(argc, argv, &helper, &shim) < 0) {
        (void)fputs(usage, stderr);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)umask(022);
    (void)chdir("/");
    if (run(&helper, shim, &err) < 0) {
        (void)fprintf(stderr, "berth-engine-helper: %s\n", err.message);
        return 1;
    }
    return 0;
}
