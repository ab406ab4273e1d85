/* linux.resources onto the files of cgroup v1 and v2. The tables are the mapping; the few limits that depend
 * on each other are set by hand below. See cgroups.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "cgroups.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct target {
    const struct cgroup *cgroup;
    void (*warn)(const char *);
    struct err *err;
};

/* One number of the object `group`. Without a v1 or v2 name there is no such limit in that version. */
struct number_limit {
    const char *group, *key;
    int kind;
    const char *v1, *v2;
    bool is_gone; /* kernels have dropped it: a warning, no failure */
};

static const struct number_limit numbers[] = {
    {"memory", "reservation", CGROUP_MEMORY, "memory.soft_limit_in_bytes", "memory.low", false},
    {"memory", "kernel", CGROUP_MEMORY, "memory.kmem.limit_in_bytes", NULL, true},
    {"memory", "kernelTCP", CGROUP_MEMORY, "memory.kmem.tcp.limit_in_bytes", NULL, true},
    {"memory", "swappiness", CGROUP_MEMORY, "memory.swappiness", NULL, false},
    {"cpu", "shares", CGROUP_CPU, "cpu.shares", NULL, false},
    {"cpu", "period", CGROUP_CPU, "cpu.cfs_period_us", NULL, false},
    {"cpu", "quota", CGROUP_CPU, "cpu.cfs_quota_us", NULL, false},
    {"cpu", "burst", CGROUP_CPU, "cpu.cfs_burst_us", "cpu.max.burst", false},
    {"cpu", "realtimePeriod", CGROUP_CPU, "cpu.rt_period_us", NULL, true},
    {"cpu", "realtimeRuntime", CGROUP_CPU, "cpu.rt_runtime_us", NULL, true},
    {"cpu", "idle", CGROUP_CPU, "cpu.idle", "cpu.idle", false},
    {"blockIO", "leafWeight", CGROUP_BLKIO, "blkio.leaf_weight", NULL, true},
    {"network", "classID", CGROUP_NET_CLS, "net_cls.classid", NULL, false},
};

static int dir_of(const struct target *t, int kind) {
    return t->cgroup->version == 2 ? t->cgroup->dir[0] : t->cgroup->dir[kind];
}

/* A cpu and cpuacct hierarchy in one is open under its first name. */
static int need_dir(const struct target *t, int kind, const char *what) {
    int dir = dir_of(t, kind);

    if (dir < 0 && kind == CGROUP_CPU)
        dir = dir_of(t, CGROUP_CPUACCT);
    if (dir < 0)
        (void)err_set(t->err, ERR_CGROUP, "the host has no cgroup controller \"%s\" for the limit \"%s\"",
                      cgroup_controller_name(kind), what);
    return dir;
}

static int put_text(const struct target *t, int kind, const char *file, const char *text) {
    int dir = need_dir(t, kind, file);

    if (dir < 0)
        return -1;
    if (cgroup_write(dir, file, text))
        return err_sys_as(t->err, ERR_CGROUP, errno, "cannot set \"%s\" to %s", file, text);
    return 0;
}

static int put_number(const struct target *t, int kind, const char *file, int64_t value) {
    char text[32];

    (void)snprintf(text, sizeof(text), "%" PRId64, value);
    return put_text(t, kind, file, text);
}

/* Go writes "no limit" as -1 or as the largest unsigned number. */
static int read_number(const struct json *group, const char *key, int64_t *out, struct err *err) {
    const struct json *value = json_get(group, key);

    if (value && value->type == JSON_UINT) {
        *out = -1;
        return 0;
    }
    return json_opt_int(group, key, INT64_MIN, INT64_MAX, out, err);
}

static int set_numbers(const struct target *t, const struct json *resources) {
    for (size_t i = 0; i < COUNT(numbers); i++) {
        const struct number_limit *limit = &numbers[i];
        const struct json *group = json_get(resources, limit->group);
        const char *file = t->cgroup->version == 2 ? limit->v2 : limit->v1;
        int64_t value = 0;
        if (!json_get(group, limit->key) || !file)
            continue;
        if (read_number(group, limit->key, &value, t->err))
            return err_wrap(t->err, "%s", limit->group);
        if (value == 0 && strcmp(limit->key, "swappiness") != 0 && strcmp(limit->key, "idle") != 0)
            continue;
        int dir = need_dir(t, limit->kind, limit->key);
        if (dir < 0)
            return -1;
        if (limit->is_gone && faccessat(dir, file, W_OK, 0)) {
            t->warn(limit->key);
            continue;
        }
        if (put_number(t, limit->kind, file, value))
            return -1;
    }
    return 0;
}

/* The kernel wants memory <= memory+swap at every moment, so the order depends on the direction. */
static int set_memory_v1(const struct target *t, int64_t limit, int64_t swap) {
    static const char limit_file[] = "memory.limit_in_bytes", swap_file[] = "memory.memsw.limit_in_bytes";
    struct err first = {0};
    struct target quiet = {t->cgroup, t->warn, &first};
    int dir = need_dir(t, CGROUP_MEMORY, limit_file);

    if (dir < 0)
        return -1;
    bool has_swap = swap != 0 && faccessat(dir, swap_file, W_OK, 0) == 0;
    if (limit != 0 && put_number(&quiet, CGROUP_MEMORY, limit_file, limit)) {
        if (!has_swap || put_number(t, CGROUP_MEMORY, swap_file, swap))
            return err_set(t->err, first.code, "%s", first.message);
        return put_number(t, CGROUP_MEMORY, limit_file, limit);
    }
    return has_swap ? put_number(t, CGROUP_MEMORY, swap_file, swap) : 0;
}

static int put_or_max(const struct target *t, const char *file, int64_t value) {
    return value < 0 ? put_text(t, 0, file, "max") : put_number(t, 0, file, value);
}

/* v2 counts swap alone; the spec counts both. */
static int set_memory_v2(const struct target *t, int64_t limit, int64_t swap) {
    if (limit != 0 && put_or_max(t, "memory.max", limit))
        return -1;
    if (swap == 0)
        return 0;
    if (swap > 0 && (limit <= 0 || swap < limit))
        return err_set(t->err, ERR_BAD_REQUEST, "memory \"swap\" must be at least \"limit\"");
    return put_or_max(t, "memory.swap.max", swap < 0 ? -1 : swap - limit);
}

static int set_memory(const struct target *t, const struct json *resources) {
    const struct json *memory = json_get(resources, "memory");
    int64_t limit = 0, swap = 0;
    bool no_oom_killer = false;

    if (read_number(memory, "limit", &limit, t->err) || read_number(memory, "swap", &swap, t->err) ||
        json_opt_bool(memory, "disableOOMKiller", &no_oom_killer, t->err))
        return err_wrap(t->err, "memory");
    if (limit != 0 || swap != 0)
        if (t->cgroup->version == 2 ? set_memory_v2(t, limit, swap) : set_memory_v1(t, limit, swap))
            return -1;
    return no_oom_killer && t->cgroup->version == 1 ? put_number(t, CGROUP_MEMORY, "memory.oom_control", 1)
                                                    : 0;
}

static int set_cpu_v2(const struct target *t, const struct json *cpu) {
    int64_t shares = 0, quota = 0, period = 0;
    char text[64];

    if (read_number(cpu, "shares", &shares, t->err) || read_number(cpu, "quota", &quota, t->err) ||
        read_number(cpu, "period", &period, t->err))
        return err_wrap(t->err, "cpu");
    /* v1's 2..262144 onto v2's 1..10000, as every runtime maps it. */
    int64_t clamped = shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
    if (shares > 0 && put_number(t, 0, "cpu.weight", 1 + ((clamped - 2) * 9999) / 262142))
        return -1;
    if (quota == 0 && period == 0)
        return 0;
    int64_t length = period > 0 ? period : 100000;
    if (quota > 0)
        (void)snprintf(text, sizeof(text), "%" PRId64 " %" PRId64, quota, length);
    else
        (void)snprintf(text, sizeof(text), "max %" PRId64, length);
    return put_text(t, 0, "cpu.max", text);
}

static int set_cpu(const struct target *t, const struct json *resources) {
    static const char *const keys[] = {"cpus", "mems"}, *const files[] = {"cpuset.cpus", "cpuset.mems"};
    const struct json *cpu = json_get(resources, "cpu");

    if (t->cgroup->version == 2 && set_cpu_v2(t, cpu))
        return -1;
    for (size_t i = 0; i < 2; i++) {
        const char *list = "";
        if (json_opt_string(cpu, keys[i], &list, t->err))
            return err_wrap(t->err, "cpu");
        if (list[0] && put_text(t, CGROUP_CPUSET, files[i], list))
            return -1;
    }
    return 0;
}

static int set_pids(const struct target *t, const struct json *resources) {
    const struct json *pids = json_get(resources, "pids");
    int64_t limit = 0;

    if (!json_get(pids, "limit"))
        return 0;
    if (read_number(pids, "limit", &limit, t->err))
        return err_wrap(t->err, "pids");
    return limit > 0 ? put_number(t, CGROUP_PIDS, "pids.max", limit)
                     : put_text(t, CGROUP_PIDS, "pids.max", "max");
}

static int set_io_weight(const struct target *t, const struct json *io) {
    int64_t weight = 0;

    if (json_opt_int(io, "weight", 0, 10000, &weight, t->err))
        return err_wrap(t->err, "blockIO");
    if (weight == 0)
        return 0;
    int dir = need_dir(t, CGROUP_BLKIO, "weight");
    if (dir < 0)
        return -1;
    bool is_v2 = t->cgroup->version == 2;
    const char *plain = is_v2 ? "io.weight" : "blkio.weight",
               *bfq = is_v2 ? "io.bfq.weight" : "blkio.bfq.weight";
    if (faccessat(dir, bfq, W_OK, 0) == 0)
        return put_number(t, CGROUP_BLKIO, bfq, weight);
    /* v1's 10..1000 onto v2's 1..10000. */
    return put_number(t, CGROUP_BLKIO, plain, is_v2 ? 1 + ((weight - 10) * 9999) / 990 : weight);
}

static int set_io_device(const struct target *t, const struct json *item, const char *key, const char *file,
                         const char *word) {
    int64_t major = 0, minor = 0, value = 0;
    char text[96];

    if (!json_get(item, key))
        return 0;
    if (json_need_int(item, "major", 0, UINT32_MAX, &major, t->err) ||
        json_need_int(item, "minor", 0, UINT32_MAX, &minor, t->err) ||
        json_opt_int(item, key, 0, INT64_MAX, &value, t->err))
        return err_wrap(t->err, "blockIO");
    (void)snprintf(text, sizeof(text), "%" PRId64 ":%" PRId64 " %s%" PRId64, major, minor, word, value);
    return put_text(t, CGROUP_BLKIO, file, text);
}

static int set_io(const struct target *t, const struct json *resources) {
    static const struct {
        const char *list, *key, *v1, *v2, *word;
    } limits[] = {
        {"weightDevice", "weight", "blkio.weight_device", "io.bfq.weight", ""},
        {"weightDevice", "leafWeight", "blkio.leaf_weight_device", NULL, ""},
        {"throttleReadBpsDevice", "rate", "blkio.throttle.read_bps_device", "io.max", "rbps="},
        {"throttleWriteBpsDevice", "rate", "blkio.throttle.write_bps_device", "io.max", "wbps="},
        {"throttleReadIOPSDevice", "rate", "blkio.throttle.read_iops_device", "io.max", "riops="},
        {"throttleWriteIOPSDevice", "rate", "blkio.throttle.write_iops_device", "io.max", "wiops="},
    };
    const struct json *io = json_get(resources, "blockIO");

    if (set_io_weight(t, io))
        return -1;
    for (size_t i = 0; i < COUNT(limits); i++) {
        const struct json *array = NULL;
        bool is_v2 = t->cgroup->version == 2;
        if (json_opt_array(io, limits[i].list, &array, t->err))
            return -1;
        json_each(item, array) {
            const char *file = is_v2 ? limits[i].v2 : limits[i].v1;
            if (file && set_io_device(t, item, limits[i].key, file, is_v2 ? limits[i].word : ""))
                return -1;
        }
    }
    return 0;
}

static int set_huge_pages(const struct target *t, const struct json *resources) {
    const struct json *array = NULL;

    if (json_opt_array(resources, "hugepageLimits", &array, t->err))
        return -1;
    json_each(item, array) {
        const char *size;
        char file[64];
        uint64_t limit = 0;
        char text[32];
        if (json_need_string(item, "pageSize", &size, t->err) || json_opt_uint(item, "limit", &limit, t->err))
            return err_wrap(t->err, "hugepageLimits");
        if (strchr(size, '/') || strlen(size) > 16)
            return err_set(t->err, ERR_BAD_REQUEST, "page size \"%s\" is not known", size);
        (void)snprintf(file, sizeof(file),
                       t->cgroup->version == 2 ? "hugetlb.%s.max" : "hugetlb.%s.limit_in_bytes", size);
        (void)snprintf(text, sizeof(text), "%" PRIu64, limit);
        if (put_text(t, CGROUP_HUGETLB, file, text))
            return -1;
    }
    return 0;
}

static int set_network_priorities(const struct target *t, const struct json *resources) {
    const struct json *array = NULL;

    if (json_opt_array(json_get(resources, "network"), "priorities", &array, t->err))
        return -1;
    json_each(item, array) {
        const char *name;
        int64_t priority;
        char text[64];
        if (json_need_string(item, "name", &name, t->err) ||
            json_need_int(item, "priority", 0, UINT32_MAX, &priority, t->err))
            return err_wrap(t->err, "network");
        (void)snprintf(text, sizeof(text), "%.15s %" PRId64, name, priority);
        if (put_text(t, CGROUP_NET_PRIO, "net_prio.ifpriomap", text))
            return -1;
    }
    return 0;
}

static int set_unified(const struct target *t, const struct json *resources) {
    const struct json *object = NULL;

    if (json_opt_object(resources, "unified", &object, t->err))
        return -1;
    if (object && object->list.count > 0 && t->cgroup->version != 2)
        return err_set(t->err, ERR_UNSUPPORTED, "\"unified\" limits need cgroup v2");
    json_each(item, object) {
        if (item->type != JSON_STRING || strchr(item->key, '/') || item->key[0] == '.')
            return err_set(t->err, ERR_BAD_REQUEST, "\"%s\" is no name of a cgroup v2 file", item->key);
        if (put_text(t, 0, item->key, item->string.text))
            return -1;
    }
    return 0;
}

int cgroups_set_resources(const struct cgroup *cgroup, const struct json *resources,
                          void (*warn)(const char *), struct err *err) {
    struct target t = {cgroup, warn, err};

    if (!resources || cgroup->version == 0)
        return 0;
    if (json_get(resources, "rdma"))
        return err_set(err, ERR_UNSUPPORTED, "\"rdma\" limits are not supported");
    return set_memory(&t, resources) || set_numbers(&t, resources) || set_cpu(&t, resources) ||
                   set_pids(&t, resources) || set_io(&t, resources) || set_huge_pages(&t, resources) ||
                   set_network_priorities(&t, resources) || set_unified(&t, resources)
               ? -1
               : 0;
}
