/* The two ways to assemble a root: on detached layers, and attached in a private mount namespace (older
 * kernels). Both with and without a user namespace. Skipped when we are not root. */
#include "../shim/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../shim/kernel.h"
#include "check.h"

static char folder[] = "/tmp/shim-rootfs-test-XXXXXX";
static char bottom[64], top[64], upper[64], work[64], run_dir[64];
static char *lowers[] = {top, bottom, NULL};

static void put_file(const char *directory, const char *name, const char *text) {
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    (void)close(fd);
}

/* A user namespace that maps 0..65535 to 100000 and up; held by its descriptor alone. */
static int mapped_userns(void) {
    char path[64];
    int ready[2];

    CHECK(pipe(ready) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)unshare(CLONE_NEWUSER);
        (void)close(ready[1]);
        (void)pause();
        _exit(0);
    }
    (void)close(ready[1]);
    CHECK(read(ready[0], path, 1) == 0);
    (void)close(ready[0]);
    for (const char *name = "uid_map"; name; name = name[0] == 'u' ? "gid_map" : NULL) {
        (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
        int fd = open(path, O_WRONLY);
        CHECK(write(fd, "0 100000 65536", 14) == 14);
        (void)close(fd);
    }
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
    int userns = open(path, O_RDONLY | O_CLOEXEC);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    return userns;
}

/* Reads through the mount, attached in a namespace of its own (older kernels read no detached overlay). */
static void look_inside(int root, uid_t owner) {
    pid_t pid = fork();
    int status = -1;

    if (pid == 0) {
        struct stat st;
        char text[16] = "";
        if (unshare(CLONE_NEWNS) || k_mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
            k_move_mount(root, AT_FDCWD, "/mnt", 0) || chdir("/mnt"))
            _exit(1);
        int fd = open("both", O_RDONLY);
        if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || strcmp(text, "top") != 0)
            _exit(2);
        if (stat("below", &st) || st.st_uid != owner || st.st_gid != owner)
            _exit(3);
        /* A write copies up and must keep the owner that is on disk. */
        fd = open("below", O_WRONLY | O_APPEND);
        if (owner == 0 && (fd < 0 || write(fd, "!", 1) != 1))
            _exit(4);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    if (status)
        (void)fprintf(stderr, "looking inside ended with %d\n", WEXITSTATUS(status));
}

static void assemble(bool by_path, bool mapped, bool is_volatile) {
    struct spec spec = {.id = "test",
                        .run_dir = run_dir,
                        .state_dir = folder,
                        .lower = lowers,
                        .lower_count = 2,
                        .upper = upper,
                        .work = work,
                        .userns = mapped,
                        .userns_base = 100000,
                        .userns_size = 65536,
                        .root_volatile = is_volatile};
    struct err err = {0};
    int userns = mapped ? mapped_userns() : -1;
    int root = by_path ? rootfs_open_by_path(&spec, userns, &err) : rootfs_open(&spec, userns, &err);

    CHECK(root >= 0);
    if (root < 0)
        (void)fprintf(stderr, "%s\n", err.message);
    else
        look_inside(root, mapped ? 100000 : 0);
    CHECK(geteuid() == 0);
    if (userns >= 0)
        (void)close(userns);
    if (root >= 0)
        (void)close(root);
}

static void refusals(void) {
    struct spec spec = {.id = "test",
                        .run_dir = run_dir,
                        .lower = lowers,
                        .lower_count = 2,
                        .upper = upper,
                        .work = "/elsewhere/work"};
    struct err err = {0};

    CHECK(rootfs_open(&spec, -1, &err) == -1 && err.code == ERR_BAD_REQUEST);
    CHECK(rootfs_open_device("/etc", 1, 3, 'c', &err) == -1);
    CHECK(rootfs_open_device("/dev/null", 1, 5, 'c', &err) == -1 && err.code == ERR_BAD_REQUEST);
    int null = rootfs_open_device("/dev/null", 1, 3, 'c', &err);
    CHECK(null >= 0);
    (void)close(null);
}

int main(void) {
    char command[128];

    if (geteuid() != 0) {
        (void)puts("rootfs: skipped, not root");
        return 0;
    }
    CHECK(mkdtemp(folder) != NULL);
    char *const names[] = {bottom, top, upper, work, run_dir};
    const char *const last[] = {"bottom", "top", "upper", "work", "run"};
    for (size_t i = 0; i < 5; i++) {
        (void)snprintf(names[i], sizeof(bottom), "%s/%s", folder, last[i]);
        CHECK(mkdir(names[i], 0755) == 0);
    }
    put_file(bottom, "both", "bottom");
    put_file(top, "both", "top");
    put_file(bottom, "below", "b");
    for (int by_path = 0; by_path < 2; by_path++)
        for (int mapped = 0; mapped < 2; mapped++)
            assemble(by_path, mapped, false);
    assemble(false, false, true);
    assemble(false, false, true); /* the mark of the first is no obstacle */
    assemble(true, false, true);
    refusals();
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    CHECK(system(command) == 0);
    return checks_done("rootfs");
}
