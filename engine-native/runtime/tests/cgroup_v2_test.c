/* cgroup v2 without its controllers: a directory below an empty hierarchy still has freeze, kill and the
 * device program. Skipped where no cgroup2 is mounted or we are not root. */
#include "../shim/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static char path[64];

static struct spec plain_spec(void) {
    return (struct spec){.cgroup = path};
}

static pid_t child_in(const struct cgroup *cgroup, int (*run)(void)) {
    pid_t pid = fork();

    if (pid == 0) {
        if (cgroup_write(cgroup->dir[0], "cgroup.procs", "0"))
            _exit(99);
        _exit(run());
    }
    return pid;
}

static int sleeps(void) {
    for (;;)
        if (pause() == 0)
            return 1;
}

static int opens(const char *device) {
    int fd = open(device, O_RDWR | O_NONBLOCK);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0 ? 0 : errno;
}

/* null may be opened, the kernel's message buffer (1:11) may not. */
static int uses_devices(void) {
    if (opens("/dev/null") != 0 || opens("/dev/urandom") != 0)
        return 1;
    int refused = opens("/dev/kmsg");
    return refused == EPERM || refused == ENOENT ? 0 : 2;
}

static void devices_and_removal(void) {
    struct cgroup cgroup;
    struct err err = {0};
    struct spec spec = plain_spec();
    int status = -1;

    CHECK(cgroup_create(&spec, &cgroup, &err) == 0);
    CHECK(cgroup.version == 2);
    CHECK(waitpid(child_in(&cgroup, uses_devices), &status, 0) > 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    pid_t pid = child_in(&cgroup, sleeps);
    for (int i = 0; i < 1000 && cgroup_read_field(cgroup.dir[0], "cgroup.events", "populated") == 0; i++)
        (void)usleep(1000);
    CHECK(cgroup_freeze(&cgroup, true, &err) == 0);
    CHECK(cgroup_read_field(cgroup.dir[0], "cgroup.events", "frozen") == 1);
    CHECK(cgroup_signal(&cgroup, SIGKILL, &err) == 0); /* frozen or not */
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    pid = child_in(&cgroup, sleeps);
    (void)usleep(20000);
    cgroup_remove(&cgroup); /* kills what is left */
    CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
}

static void missing_controller_is_named(void) {
    struct cgroup cgroup;
    struct err err = {0};
    struct spec spec = plain_spec();
    char controllers[256], full[128];
    int root = open(cgroup_mount, O_RDONLY | O_DIRECTORY);

    CHECK(cgroup_read(root, "cgroup.controllers", controllers, sizeof(controllers)) == 0);
    (void)close(root);
    spec.resources.pids = 10;
    int rc = cgroup_create(&spec, &cgroup, &err);
    if (strstr(controllers, "pids")) {
        CHECK(rc == 0 && cgroup_read_number(cgroup.dir[0], "pids.max") == 10);
        cgroup_remove(&cgroup);
    } else {
        CHECK(rc == -1 && err.code == ERR_CGROUP && strstr(err.message, "\"pids.max\""));
    }
    (void)snprintf(full, sizeof(full), "%s/%s", cgroup_mount, path);
    CHECK(access(full, F_OK) != 0); /* nothing is left, whatever happened */
}

static bool is_member(const char *group) {
    char text[4096], wanted[128];

    (void)cgroup_read(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text));
    (void)snprintf(wanted, sizeof(wanted), "0::/%s\n", group);
    return strstr(text, wanted) != NULL;
}

static void shims_have_a_leaf_of_their_own(void) {
    struct cgroup cgroup;
    struct cgroup_leaf leaf = {0}, second = {0};
    struct err err = {0};
    struct spec spec = plain_spec();
    char leaf_path[64], full[128];
    int status;

    (void)snprintf(leaf_path, sizeof(leaf_path), "berth-unit-%d/shims", getpid());
    (void)snprintf(full, sizeof(full), "%s/%s", cgroup_mount, leaf_path);
    CHECK(cgroup_create(&spec, &cgroup, &err) == 0);
    cgroup_leaf_join(&leaf, &cgroup);
    CHECK(is_member(leaf_path));
    pid_t pid = fork();
    if (pid == 0) {
        cgroup_leaf_join(&second, &cgroup);
        cgroup_leaf_leave(&second);
        _exit(is_member(leaf_path) || access(full, F_OK) != 0); /* its neighbour is still there */
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    cgroup_remove(&cgroup);
    CHECK(access(full, F_OK) == 0);
    cgroup_leaf_leave(&leaf);
    *strrchr(full, '/') = '\0';
    CHECK(!is_member(leaf_path) && access(full, F_OK) != 0);
}

static bool holds(int dir, const char *file, const char *wanted) {
    char text[64];

    return cgroup_read(dir, file, text, sizeof(text)) == 0 && strcmp(text, wanted) == 0;
}

/* What is written for each limit, into plain files of the kernel's names: this needs no controller. */
static void limits_as_the_kernel_reads_them(void) {
    static const char *const files[] = {"memory.max",  "memory.swap.max", "memory.low",
                                        "cpu.max",     "cpu.weight",      "cpuset.cpus",
                                        "cpuset.mems", "io.weight",       "pids.max"};
    const size_t count = sizeof(files) / sizeof(files[0]);
    struct cgroup cgroup = {.version = 2};
    struct resources limits = {.memory = 64 << 20,
                               .memory_swap = 128 << 20,
                               .memory_reservation = 32 << 20,
                               .cpu_quota = -1,
                               .cpu_period = 50000,
                               .cpu_shares = 1024,
                               .cpuset_cpus = "0-1",
                               .cpuset_mems = "0",
                               .blkio_weight = 1000,
                               .pids = -1};
    struct err err = {0};
    char folder[] = "/tmp/cgroup-limits-XXXXXX";

    CHECK(mkdtemp(folder) != NULL);
    int dir = cgroup.dir[0] = open(folder, O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < count; i++)
        (void)close(openat(dir, files[i], O_WRONLY | O_CREAT, 0600));
    CHECK(cgroup_v2_update(&cgroup, &limits, &err) == 0);
    CHECK(holds(dir, "memory.max", "67108864") && holds(dir, "memory.swap.max", "67108864"));
    CHECK(holds(dir, "memory.low", "33554432") && holds(dir, "cpu.max", "max 50000"));
    CHECK(holds(dir, "cpu.weight", "39") && holds(dir, "io.weight", "10000"));
    CHECK(holds(dir, "cpuset.cpus", "0-1") && holds(dir, "cpuset.mems", "0") &&
          holds(dir, "pids.max", "max"));
    for (size_t i = 0; i < count; i++)
        (void)unlinkat(dir, files[i], 0);
    limits = (struct resources){.blkio_weight = 10};
    CHECK(cgroup_v2_update(&cgroup, &limits, &err) == -1 && strstr(err.message, "\"io.weight\""));
    (void)close(dir);
    (void)rmdir(folder);
}

int main(void) {
    static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    struct statfs fs;

    limits_as_the_kernel_reads_them();
    for (size_t i = 0; i < 2; i++) {
        if (geteuid() != 0 || statfs(mounts[i], &fs) || fs.f_type != CGROUP2_SUPER_MAGIC)
            continue;
        cgroup_mount = mounts[i];
        (void)snprintf(path, sizeof(path), "berth-unit-%d/leaf", getpid());
        devices_and_removal();
        missing_controller_is_named();
        shims_have_a_leaf_of_their_own();
        return checks_done("cgroup_v2");
    }
    (void)puts("cgroup_v2: only the limits, no cgroup2 here");
    return checks_done("cgroup_v2");
}
