/* cgroup v1: memory, cpu, cpuacct, pids, devices, freezer, blkio and, where asked for, cpuset, each where it
 * is mounted. */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cleanup.h"

const char *cgroup_controller_name(int kind) {
    static const char *const names[CGROUP_KINDS] = {"memory",   "cpu",        "cpuacct", "pids",    "devices",
                                                    "freezer",  "blkio",      "cpuset",  "hugetlb", "net_cls",
                                                    "net_prio", "perf_event", "rdma",    "systemd"};
    return names[kind];
}

/* cpu and cpuacct are often one hierarchy under two names: it is used once. */
static bool already_open(const struct cgroup *cgroup, int kind, int fd) {
    struct stat mine, other;

    if (fstat(fd, &mine))
        return false;
    for (int i = 0; i < kind; i++)
        if (cgroup->dir[i] >= 0 && fstat(cgroup->dir[i], &other) == 0 && other.st_dev == mine.st_dev)
            return true;
    return false;
}

static int allow_device(int dir, char type, int64_t major, int64_t minor, const char *access) {
    char rule[64], major_text[24] = "*", minor_text[24] = "*";

    if (major >= 0)
        (void)snprintf(major_text, sizeof(major_text), "%" PRId64, major);
    if (minor >= 0)
        (void)snprintf(minor_text, sizeof(minor_text), "%" PRId64, minor);
    (void)snprintf(rule, sizeof(rule), "%c %s:%s %s", type, major_text, minor_text, access);
    return cgroup_write(dir, "devices.allow", rule);
}

static int set_devices(const struct spec *spec, int dir) {
    if (spec->privileged)
        return 0;
    if (cgroup_write(dir, "devices.deny", "a"))
        return -1;
    for (const struct cgroup_device_rule *rule = cgroup_default_devices; rule->type; rule++)
        if (allow_device(dir, rule->type, rule->major, rule->minor, rule->access))
            return -1;
    for (size_t i = 0; i < spec->device_count; i++) {
        const struct device_spec *device = &spec->devices[i];
        if (allow_device(dir, device->type, device->major, device->minor, device->access))
            return -1;
    }
    for (size_t i = 0; i < spec->device_rule_count; i++) {
        const struct device_rule_spec *rule = &spec->device_rules[i];
        if ((rule->type != 'b' && allow_device(dir, 'c', rule->major, rule->minor, rule->access)) ||
            (rule->type != 'c' && allow_device(dir, 'b', rule->major, rule->minor, rule->access)))
            return -1;
    }
    return 0;
}

/* One directory of a cpuset hierarchy can take processes only when it has processors and memory nodes, and it
 * is born without: it gets its parent's. */
static int fill_cpuset(int dir) {
    static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
    char text[1024];

    auto_close int parent = openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; parent >= 0 && i < 2; i++) {
        if (cgroup_read(dir, files[i], text, sizeof(text)) == 0 && text[0] != '\n' && text[0] != '\0')
            continue;
        if (cgroup_read(parent, files[i], text, sizeof(text)) || cgroup_write(dir, files[i], text))
            return -1;
    }
    return parent < 0 ? -1 : 0;
}

int cgroup_v1_make_cpuset(struct cgroup *cgroup, struct err *err) {
    auto_close int root = cgroup_open_root(1, CGROUP_CPUSET);

    if (root < 0)
        return err_set(err, ERR_CGROUP, "the host has no cgroup controller \"cpuset\"");
    auto_close int dir = cgroup_make_dir(root, cgroup->path);
    for (const char *slash = strchr(cgroup->path, '/'); dir >= 0 && slash; slash = strchr(slash + 1, '/')) {
        char parent[256];
        (void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - cgroup->path), cgroup->path);
        auto_close int fd = openat(root, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fill_cpuset(fd))
            return err_sys_as(err, ERR_CGROUP, errno, "cannot fill cpuset \"%s\"", parent);
    }
    if (dir < 0 || fill_cpuset(dir))
        return err_sys_as(err, ERR_CGROUP, errno, "cannot make cpuset \"%s\"", cgroup->path);
    cgroup->dir[CGROUP_CPUSET] = steal_fd(&dir);
    return 0;
}

/* A container that was started without a cpuset moves into one. Passes go on while they find anybody, so that
 * a process that forks meanwhile comes along; at most 20. */
static int move_members(const struct cgroup *cgroup, struct err *err) {
    char text[65536], wanted[16];

    for (int pass = 0; pass < 20; pass++) {
        int moved = 0;
        char inside[65536];
        if (cgroup_read(cgroup_members_dir(cgroup), "cgroup.procs", text, sizeof(text)) ||
            cgroup_read(cgroup->dir[CGROUP_CPUSET], "cgroup.procs", inside, sizeof(inside)))
            return err_sys_as(err, ERR_CGROUP, errno, "cannot read the container's processes");
        for (char *line = text, *end; *line; line = end + (*end == '\n')) {
            long pid = strtol(line, &end, 10);
            if (end == line)
                break;
            (void)snprintf(wanted, sizeof(wanted), "%ld", pid);
            const char *at = strstr(inside, wanted);
            if (at && (at == inside || at[-1] == '\n') && at[strlen(wanted)] == '\n')
                continue;
            if (cgroup_write(cgroup->dir[CGROUP_CPUSET], "cgroup.procs", wanted) == 0)
                moved++;
        }
        if (moved == 0)
            return 0;
    }
    return 0;
}

int cgroup_v1_create(const struct spec *spec, struct cgroup *cgroup, struct err *err) {
    for (int kind = 0; kind < CGROUP_CPUSET; kind++) {
        char root_path[320];
        (void)snprintf(root_path, sizeof(root_path), "%s/%s", cgroup_mount, cgroup_controller_name(kind));
        auto_close int root = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root < 0)
            continue; /* not mounted: a limit that needs it is refused in cgroup_v1_update */
        int fd = cgroup_make_dir(root, cgroup->path);
        if (fd < 0)
            return err_sys_as(err, ERR_CGROUP, errno, "cannot make cgroup \"%s\" of %s", cgroup->path,
                              cgroup_controller_name(kind));
        if (already_open(cgroup, kind, fd)) {
            (void)close(fd);
            continue;
        }
        cgroup->dir[kind] = fd;
    }
    if (cgroup->dir[CGROUP_DEVICES] >= 0 && set_devices(spec, cgroup->dir[CGROUP_DEVICES]))
        return err_sys_as(err, ERR_CGROUP, errno, "cannot set the devices of cgroup \"%s\"", cgroup->path);
    return 0;
}

static int set_limit(const struct cgroup *cgroup, int kind, const char *file, int64_t value,
                     struct err *err) {
    char text[32];

    if (cgroup->dir[kind] < 0)
        return err_set(err, ERR_CGROUP, "the host has no cgroup controller \"%s\" for the limit \"%s\"",
                       cgroup_controller_name(kind), file);
    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    if (cgroup_write(cgroup->dir[kind], file, text))
        return err_sys_as(err, ERR_CGROUP, errno, "cannot set \"%s\" to %s", file, text);
    return 0;
}

/* The kernel wants memory <= memory+swap at every moment, so the order depends on the direction. A host
 * without swap accounting has no memsw files: then there is nothing to limit. */
static int set_memory(const struct cgroup *cgroup, const struct resources *r, struct err *err) {
    static const char limit_file[] = "memory.limit_in_bytes", swap_file[] = "memory.memsw.limit_in_bytes";
    int64_t swap = r->memory_swap > 0 ? r->memory_swap : r->memory_swap < 0 ? -1 : r->memory;
    struct err first = {0};

    bool has_swap =
        cgroup->dir[CGROUP_MEMORY] >= 0 && faccessat(cgroup->dir[CGROUP_MEMORY], swap_file, W_OK, 0) == 0;
    if (set_limit(cgroup, CGROUP_MEMORY, limit_file, r->memory, &first)) {
        if (!has_swap || set_limit(cgroup, CGROUP_MEMORY, swap_file, swap, err))
            return err_set(err, first.code, "%s", first.message);
        return set_limit(cgroup, CGROUP_MEMORY, limit_file, r->memory, err);
    }
    return has_swap ? set_limit(cgroup, CGROUP_MEMORY, swap_file, swap, err) : 0;
}

static int set_cpuset(struct cgroup *cgroup, const struct resources *r, struct err *err) {
    static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};
    const char *const values[] = {r->cpuset_cpus ? r->cpuset_cpus : "", r->cpuset_mems ? r->cpuset_mems : ""};

    if (!values[0][0] && !values[1][0])
        return 0;
    bool is_new = cgroup->dir[CGROUP_CPUSET] < 0;
    if (is_new && cgroup_v1_make_cpuset(cgroup, err))
        return -1;
    for (size_t i = 0; i < 2; i++)
        if (values[i][0] && cgroup_write(cgroup->dir[CGROUP_CPUSET], files[i], values[i]))
            return err_sys_as(err, ERR_CGROUP, errno, "cannot set \"%s\" to %s", files[i], values[i]);
    return is_new ? move_members(cgroup, err) : 0;
}

static int set_more_memory(const struct cgroup *cgroup, const struct resources *r, struct err *err) {
    if (r->memory_reservation > 0 &&
        set_limit(cgroup, CGROUP_MEMORY, "memory.soft_limit_in_bytes", r->memory_reservation, err))
        return -1;
    if (r->swappiness >= 0 && set_limit(cgroup, CGROUP_MEMORY, "memory.swappiness", r->swappiness, err))
        return -1;
    if (r->oom_kill_disable && set_limit(cgroup, CGROUP_MEMORY, "memory.oom_control", 1, err))
        return -1;
    return 0;
}

static int set_blkio_weight(const struct cgroup *cgroup, int64_t weight, struct err *err) {
    struct err ignored = {0};

    if (weight == 0 || set_limit(cgroup, CGROUP_BLKIO, "blkio.weight", weight, &ignored) == 0)
        return 0;
    return set_limit(cgroup, CGROUP_BLKIO, "blkio.bfq.weight", weight, err);
}

int cgroup_v1_update(struct cgroup *cgroup, const struct resources *r, struct err *err) {
    if (r->memory > 0 && set_memory(cgroup, r, err))
        return -1;
    if (set_more_memory(cgroup, r, err) || set_cpuset(cgroup, r, err) ||
        set_blkio_weight(cgroup, r->blkio_weight, err))
        return -1;
    if (r->cpu_quota < 0 && set_limit(cgroup, CGROUP_CPU, "cpu.cfs_quota_us", -1, err))
        return -1;
    if (r->cpu_quota > 0 && (set_limit(cgroup, CGROUP_CPU, "cpu.cfs_period_us", r->cpu_period, err) ||
                             set_limit(cgroup, CGROUP_CPU, "cpu.cfs_quota_us", r->cpu_quota, err)))
        return -1;
    if (r->cpu_shares > 0 && set_limit(cgroup, CGROUP_CPU, "cpu.shares", r->cpu_shares, err))
        return -1;
    if (r->pids < 0 && cgroup->dir[CGROUP_PIDS] >= 0 &&
        cgroup_write(cgroup->dir[CGROUP_PIDS], "pids.max", "max"))
        return err_sys_as(err, ERR_CGROUP, errno, "cannot take the limit of processes away");
    if (r->pids > 0 && set_limit(cgroup, CGROUP_PIDS, "pids.max", r->pids, err))
        return -1;
    return 0;
}

int cgroup_v1_freeze(const struct cgroup *cgroup, bool frozen, struct err *err) {
    const char *wanted = frozen ? "FROZEN" : "THAWED";
    int dir = cgroup->dir[CGROUP_FREEZER];
    char state[32];

    if (dir < 0)
        return err_set(err, ERR_UNSUPPORTED, "the host has no cgroup controller \"freezer\"");
    /* A task in an uninterruptible sleep holds the state at FREEZING; writing again makes the kernel look
     * again. 1 s at most: the shim has other callers. */
    for (int attempt = 0; attempt < 200; attempt++) {
        if (cgroup_write(dir, "freezer.state", wanted))
            return err_sys_as(err, ERR_CGROUP, errno, "cannot write \"freezer.state\"");
        if (cgroup_read(dir, "freezer.state", state, sizeof(state)) == 0 && strncmp(state, wanted, 6) == 0)
            return 0;
        (void)nanosleep(&(struct timespec){0, attempt < 10 ? 100000 : 5000000}, NULL);
    }
    (void)cgroup_write(dir, "freezer.state", "THAWED");
    return err_set(err, ERR_CGROUP, "the container's processes did not freeze within 1 s");
}

void cgroup_v1_stats(const struct cgroup *cgroup, struct cgroup_stats *stats) {
    int memory = cgroup->dir[CGROUP_MEMORY];
    int cpu = cgroup->dir[CGROUP_CPUACCT] >= 0 ? cgroup->dir[CGROUP_CPUACCT] : cgroup->dir[CGROUP_CPU];

    if (memory >= 0) {
        uint64_t cache = cgroup_read_field(memory, "memory.stat", "total_inactive_file");
        stats->memory = cgroup_read_number(memory, "memory.usage_in_bytes");
        stats->memory -= cache < stats->memory ? cache : 0;
        stats->memory_limit = cgroup_read_number(memory, "memory.limit_in_bytes");
        stats->oom_kills = cgroup_read_field(memory, "memory.oom_control", "oom_kill");
        if (stats->memory_limit > INT64_MAX / 2)
            stats->memory_limit = 0;
    }
    if (cpu >= 0)
        stats->cpu_nanos = cgroup_read_number(cpu, "cpuacct.usage");
    if (cgroup->dir[CGROUP_BLKIO] >= 0) {
        static const char io_file[] = "blkio.throttle.io_service_bytes_recursive";
        stats->io_read = cgroup_read_sum(cgroup->dir[CGROUP_BLKIO], io_file, " Read ");
        stats->io_write = cgroup_read_sum(cgroup->dir[CGROUP_BLKIO], io_file, " Write ");
    }
    if (cgroup->dir[CGROUP_PIDS] >= 0)
        stats->pids = cgroup_read_number(cgroup->dir[CGROUP_PIDS], "pids.current");
}
