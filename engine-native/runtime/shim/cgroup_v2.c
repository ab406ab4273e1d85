/* cgroup v2: one directory, controllers enabled in the parents, devices by a small BPF program. */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cleanup.h"

/* Controllers reach a directory only when every parent passes them on. A missing one matters only to a limit
 * that needs it, which then fails by name. */
void cgroup_v2_enable_controllers(int root, const char *path) {
    static const char *const wanted[] = {"+memory", "+cpu", "+pids", "+io", "+cpuset", "+hugetlb", "+rdma"};
    char prefix[256] = ".";
    const char *slash = path - 1;

    do {
        auto_close int dir = openat(root, prefix, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char enabled[256];
        if (dir < 0 || cgroup_read(dir, "cgroup.subtree_control", enabled, sizeof(enabled)))
            return;
        for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
            const char *found = strstr(enabled, wanted[i] + 1);
            if (!found || (found[strlen(wanted[i] + 1)] > ' '))
                (void)cgroup_write(dir, "cgroup.subtree_control", wanted[i]);
        }
        slash = strchr(slash + 1, '/');
        if (slash)
            (void)snprintf(prefix, sizeof(prefix), "%.*s", (int)(slash - path), path);
    } while (slash);
}

int cgroup_v2_create(const struct spec *spec, struct cgroup *cgroup, struct err *err) {
    auto_close int root = open(cgroup_mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (root < 0)
        return err_sys_as(err, ERR_CGROUP, errno, "cannot open \"%s\"", cgroup_mount);
    cgroup->dir[0] = cgroup_make_dir(root, cgroup->path);
    if (cgroup->dir[0] < 0)
        return err_sys_as(err, ERR_CGROUP, errno, "cannot make cgroup \"%s\"", cgroup->path);
    cgroup_v2_enable_controllers(root, cgroup->path);
    if (!spec->privileged && cgroup_v2_allow_devices(cgroup->dir[0], spec, err))
        return -1;
    return 0;
}

static int set_limit(const struct cgroup *cgroup, const char *file, const char *value, struct err *err) {
    if (cgroup_write(cgroup->dir[0], file, value) == 0)
        return 0;
    if (errno == ENOENT)
        return err_set(err, ERR_CGROUP, "the host's cgroups do not offer \"%s\"", file);
    return err_sys_as(err, ERR_CGROUP, errno, "cannot set \"%s\" to %s", file, value);
}

static int set_number(const struct cgroup *cgroup, const char *file, int64_t value, struct err *err) {
    char text[32];

    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    return set_limit(cgroup, file, text, err);
}

static int set_memory(const struct cgroup *cgroup, const struct resources *r, struct err *err) {
    struct err ignored = {0};
    int64_t swap = r->memory_swap > r->memory ? r->memory_swap - r->memory : 0;

    if (set_number(cgroup, "memory.max", r->memory, err))
        return -1;
    /* memory.swap.max counts swap alone, the spec counts both; a kernel without swap has no such file. */
    if (r->memory_swap < 0)
        (void)set_limit(cgroup, "memory.swap.max", "max", &ignored);
    else
        (void)set_number(cgroup, "memory.swap.max", swap, &ignored);
    return 0;
}

int cgroup_v2_update(const struct cgroup *cgroup, const struct resources *r, struct err *err) {
    char text[64];

    if (r->memory > 0 && set_memory(cgroup, r, err))
        return -1;
    if (r->memory_reservation > 0 && set_number(cgroup, "memory.low", r->memory_reservation, err))
        return -1;
    if (r->cpu_quota != 0) {
        if (r->cpu_quota > 0)
            (void)snprintf(text, sizeof(text), "%" PRId64 " %" PRId64, r->cpu_quota, r->cpu_period);
        else
            (void)snprintf(text, sizeof(text), "max %" PRId64, r->cpu_period);
        if (set_limit(cgroup, "cpu.max", text, err))
            return -1;
    }
    if (r->cpuset_cpus && r->cpuset_cpus[0] && set_limit(cgroup, "cpuset.cpus", r->cpuset_cpus, err))
        return -1;
    if (r->cpuset_mems && r->cpuset_mems[0] && set_limit(cgroup, "cpuset.mems", r->cpuset_mems, err))
        return -1;
    /* v1's 10..1000 onto v2's 1..10000. */
    if (r->blkio_weight > 0 &&
        set_number(cgroup, "io.weight", 1 + ((r->blkio_weight - 10) * 9999) / 990, err))
        return -1;
    /* v1's 2..262144 onto v2's 1..10000, as every runtime maps it. */
    int64_t shares = r->cpu_shares < 2 ? 2 : r->cpu_shares;
    if (r->cpu_shares > 0 && set_number(cgroup, "cpu.weight", 1 + ((shares - 2) * 9999) / 262142, err))
        return -1;
    if (r->pids < 0)
        return set_limit(cgroup, "pids.max", "max", err);
    return r->pids > 0 ? set_number(cgroup, "pids.max", r->pids, err) : 0;
}

int cgroup_v2_freeze(const struct cgroup *cgroup, bool frozen, struct err *err) {
    if (cgroup_write(cgroup->dir[0], "cgroup.freeze", frozen ? "1" : "0"))
        return err_sys_as(err, ERR_CGROUP, errno, "cannot write \"cgroup.freeze\"");
    /* 1 s at most, as in v1. */
    for (int attempt = 0; attempt < 200; attempt++) {
        if (cgroup_read_field(cgroup->dir[0], "cgroup.events", "frozen") == (frozen ? 1 : 0))
            return 0;
        (void)nanosleep(&(struct timespec){0, attempt < 10 ? 100000 : 5000000}, NULL);
    }
    (void)cgroup_write(cgroup->dir[0], "cgroup.freeze", "0");
    return err_set(err, ERR_CGROUP, "the container's processes did not freeze within 1 s");
}

void cgroup_v2_stats(const struct cgroup *cgroup, struct cgroup_stats *stats) {
    int dir = cgroup->dir[0];
    uint64_t cache = cgroup_read_field(dir, "memory.stat", "inactive_file");

    stats->memory = cgroup_read_number(dir, "memory.current");
    stats->memory -= cache < stats->memory ? cache : 0;
    stats->memory_limit = cgroup_read_number(dir, "memory.max");
    stats->cpu_nanos = cgroup_read_field(dir, "cpu.stat", "usage_usec") * 1000;
    stats->pids = cgroup_read_number(dir, "pids.current");
    stats->oom_kills = cgroup_read_field(dir, "memory.events", "oom_kill");
    stats->io_read = cgroup_read_sum(dir, "io.stat", "rbytes=");
    stats->io_write = cgroup_read_sum(dir, "io.stat", "wbytes=");
}
