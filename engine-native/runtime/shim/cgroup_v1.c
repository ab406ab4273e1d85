/* cgroup v1: memory, cpu, cpuacct, pids, devices and freezer, each where it is mounted. */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cleanup.h"

const char *cgroup_controller_name(int kind) {
    static const char *const names[CGROUP_KINDS] = {"memory", "cpu", "cpuacct", "pids", "devices", "freezer"};
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
    return 0;
}

int cgroup_v1_create(const struct spec *spec, struct cgroup *cgroup, struct err *err) {
    for (int kind = 0; kind < CGROUP_KINDS; kind++) {
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

int cgroup_v1_update(const struct cgroup *cgroup, const struct resources *r, struct err *err) {
    if (r->memory > 0 && set_memory(cgroup, r, err))
        return -1;
    if (r->cpu_quota > 0 && (set_limit(cgroup, CGROUP_CPU, "cpu.cfs_period_us", r->cpu_period, err) ||
                             set_limit(cgroup, CGROUP_CPU, "cpu.cfs_quota_us", r->cpu_quota, err)))
        return -1;
    if (r->cpu_shares > 0 && set_limit(cgroup, CGROUP_CPU, "cpu.shares", r->cpu_shares, err))
        return -1;
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
    if (cgroup->dir[CGROUP_PIDS] >= 0)
        stats->pids = cgroup_read_number(cgroup->dir[CGROUP_PIDS], "pids.current");
}
