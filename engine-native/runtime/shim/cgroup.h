/* The container's control groups, v1 (one directory a controller) or v2 (one directory). The shim makes them
 * before the child exists and removes them after it; the child joins by itself. Never mounts, remounts or
 * tunes a hierarchy. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../lib/err.h"
#include "spec.h"

/* The shims themselves need no place from blkio on. A cpuset is made only where one is asked for, what is
 * behind it only by the OCI runtime. */
enum {
    CGROUP_MEMORY,
    CGROUP_CPU,
    CGROUP_CPUACCT,
    CGROUP_PIDS,
    CGROUP_DEVICES,
    CGROUP_FREEZER,
    CGROUP_BLKIO,
    CGROUP_CPUSET,
    CGROUP_HUGETLB,
    CGROUP_NET_CLS,
    CGROUP_NET_PRIO,
    CGROUP_PERF_EVENT,
    CGROUP_RDMA,
    CGROUP_SYSTEMD,
    CGROUP_KINDS,
    CGROUP_SHIM_KINDS = CGROUP_BLKIO
};

struct cgroup {
    int version;           /* 1, 2, or 0 for none */
    char path[256];        /* below each controller's root */
    int dir[CGROUP_KINDS]; /* v1: one a controller or -1; v2: only [0] */
};

struct cgroup_stats {
    uint64_t memory, memory_limit, cpu_nanos, pids, oom_kills;
    uint64_t io_read, io_write; /* bytes, all devices together */
};

/* For tests: where the hierarchies are mounted. "/sys/fs/cgroup" otherwise. */
extern const char *cgroup_mount;

const char *cgroup_controller_name(int kind);

/* Makes the directories and sets the limits. On failure nothing is left. path "" makes none. */
int cgroup_create(const struct spec *spec, struct cgroup *cgroup, struct err *err);
int cgroup_update(struct cgroup *cgroup, const struct resources *resources, struct err *err);

/* v1: opens what the child writes to join (it may not open it itself in its user namespace); *count of fds.
 * v2: none, the child is born inside (CLONE_INTO_CGROUP). */
int cgroup_open_join(const struct cgroup *cgroup, int fds[CGROUP_KINDS], int *count, struct err *err);
/* In the child, still single-threaded. */
int cgroup_join(const int *fds, int count, struct err *err);

/* Sends a signal to every process of the group; SIGKILL also to frozen ones. */
int cgroup_signal(const struct cgroup *cgroup, int signal, struct err *err);
int cgroup_freeze(const struct cgroup *cgroup, bool frozen, struct err *err);
void cgroup_stats(const struct cgroup *cgroup, struct cgroup_stats *stats);

/* Kills what is left, removes the directories, and the parent when this was its last. */
void cgroup_remove(struct cgroup *cgroup);
/* The same without the parent, for groups whose place somebody else has chosen. */
void cgroup_remove_own(struct cgroup *cgroup);

/* The leaf of all shims beside their containers ("<parent>/shims"): nothing that is done to the cgroup of the
 * helper or the daemon (a limit, a kill, an out-of-memory policy) may take the shims, and with them every
 * container. */
struct cgroup_leaf {
    int version; /* 0: not joined */
    char path[256];
};
/* Without it a shim is less safe but works: it stays where it is when that fails, and where the container has
 * no cgroup or none with a parent. Moves the caller alone. */
void cgroup_leaf_join(struct cgroup_leaf *leaf, const struct cgroup *cgroup);
/* Back to the root, and the leaf and its parent removed when nobody else needs them. */
void cgroup_leaf_leave(struct cgroup_leaf *leaf);

/* The directory whose process list is the container's. -1 without one. */
int cgroup_members_dir(const struct cgroup *cgroup);

/* Shared by the two versions: small files of a cgroup directory. */
int cgroup_write(int dir, const char *file, const char *value);
int cgroup_read(int dir, const char *file, char *buffer, size_t size);
uint64_t cgroup_read_number(int dir, const char *file);
uint64_t cgroup_read_field(int dir, const char *file, const char *field);
/* The sum of the numbers behind every ` Read 5` or ` rbytes=5` of a file. */
uint64_t cgroup_read_sum(int dir, const char *file, const char *word);

int cgroup_v1_create(const struct spec *spec, struct cgroup *cgroup, struct err *err);
int cgroup_v1_update(struct cgroup *cgroup, const struct resources *r, struct err *err);
int cgroup_v1_freeze(const struct cgroup *cgroup, bool frozen, struct err *err);
void cgroup_v1_stats(const struct cgroup *cgroup, struct cgroup_stats *stats);
int cgroup_v2_create(const struct spec *spec, struct cgroup *cgroup, struct err *err);
int cgroup_v2_update(const struct cgroup *cgroup, const struct resources *r, struct err *err);
int cgroup_v2_freeze(const struct cgroup *cgroup, bool frozen, struct err *err);
void cgroup_v2_stats(const struct cgroup *cgroup, struct cgroup_stats *stats);
int cgroup_v2_allow_devices(int dir, const struct spec *spec, struct err *err);

/* v1: makes and opens the cpuset of cgroup->path, with its parents' processors and memory nodes. */
int cgroup_v1_make_cpuset(struct cgroup *cgroup, struct err *err);
/* v2: lets every controller there is reach `path`. */
void cgroup_v2_enable_controllers(int root, const char *path);

/* Opens a directory below a hierarchy's root, making it and its parents on the way. -1 with
 * errno. */
int cgroup_make_dir(int root, const char *path);
/* The root of a controller's hierarchy (v2: of the one there is). -1 where it is not mounted. */
int cgroup_open_root(int version, int kind);

/* What every container may use, besides its own devices: mknod of anything, and the nodes of /dev. major or
 * minor -1 is any. The list ends with type 0. */
struct cgroup_device_rule {
    char type;
    int major, minor;
    const char *access;
};
extern const struct cgroup_device_rule cgroup_default_devices[];
