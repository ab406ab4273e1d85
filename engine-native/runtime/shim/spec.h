/* The container's spec as PROTOCOL.md draws it, parsed once at start. Every string points into the parsed
 * document, which lives as long as the shim. Read by all of shim/; nobody changes it after spec_parse. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../lib/err.h"
#include "../lib/json.h"
#include "../lib/netlink.h"

struct process_spec {
    char **args; /* NULL-terminated, at least one */
    char **env;  /* NULL-terminated */
    const char *cwd;
    const char *user;
    char **groups; /* NULL-terminated names or numbers, beside those of the image */
    bool tty, open_stdin;
    int64_t rows, cols;
};

struct mount_spec {
    enum { MOUNT_BIND, MOUNT_TMPFS } type;
    const char *source, *target;
    const char *mount_namespace; /* that the source lies in; NULL: the host's */
    const char *subpath;         /* below source, reached without leaving it; "" = source itself */
    unsigned long propagation;   /* MS_PRIVATE, MS_SLAVE or MS_SHARED */
    bool propagation_recursive, recursive;
    bool readonly, idmap;
    bool noexec, suid, dev; /* of a tmpfs */
    int64_t size, uid, gid;
    unsigned mode;
};

struct device_spec {
    const char *path;   /* in the container */
    const char *source; /* on the host; the same unless it is said */
    const char *access;
    char type;
    int64_t major, minor;
};

/* Allows devices without making a node. -1 is any. */
struct device_rule_spec {
    char type; /* 'a': both kinds */
    int64_t major, minor;
    const char *access;
};

struct rlimit_spec {
    int resource;
    uint64_t soft, hard;
};

struct pair_spec {
    const char *name, *value;
};

/* 0, NULL and "": left as it is. -1: no limit. */
struct resources {
    int64_t memory, memory_swap, memory_reservation, swappiness;
    int64_t cpu_quota, cpu_period, cpu_shares, pids, blkio_weight;
    const char *cpuset_cpus, *cpuset_mems;
    bool oom_kill_disable;
};

/* NULL: a new namespace of its own. */
struct namespace_spec {
    const char *pid, *ipc, *uts, *net;
};

/* A port of the host that is kept for this container. */
struct held_port {
    enum { HELD_UNKNOWN, HELD_TCP, HELD_UDP, HELD_SCTP } proto;
    const char *ip;
    unsigned number;
};

/* Another OCI runtime that makes the container instead of the shim itself. */
struct runtime_spec {
    const char *name, *path; /* path NULL: the shim's own */
    const char *place;       /* what the shim covers, for that runtime alone, with the bundle and its state */
    const struct json *config;
};

struct log_spec {
    const char *path;
    int64_t max_size, max_files;
};

struct spec {
    const char *id, *run_dir, *state_dir;
    char **lower; /* NULL-terminated, topmost first */
    size_t lower_count;
    const char *upper, *work;
    bool root_readonly, root_volatile;
    struct process_spec process;
    bool init, await_attach, host_cgroupns;
    const char *hostname, *domainname;
    bool userns;
    uint32_t userns_base, userns_size;
    const char *userns_path; /* to join, with these same ids; NULL: a new one */
    struct namespace_spec namespaces;
    enum { NET_BRIDGE, NET_NONE, NET_HOST } network_mode;
    struct net_attach *interfaces; /* of NET_BRIDGE */
    size_t interface_count;
    struct held_port *ports;
    size_t port_count;
    struct mount_spec *mounts;
    size_t mount_count;
    int64_t shm_size;
    uint64_t capabilities;
    bool no_new_privileges, seccomp, privileged;
    const struct json *seccomp_profile; /* instead of our own filter; NULL without one */
    char **masked, **readonly;          /* NULL-terminated */
    struct device_spec *devices;
    size_t device_count;
    struct device_rule_spec *device_rules;
    size_t device_rule_count;
    struct pair_spec *sysctls;
    size_t sysctl_count;
    struct rlimit_spec *rlimits;
    size_t rlimit_count;
    int64_t oom_score_adj;
    const char *cgroup;
    struct resources resources;
    struct log_spec log;
    struct runtime_spec runtime;
};

/* Checks everything that can be checked without touching the system; bad_request names the key. */
int spec_parse(const struct json *root, struct spec *spec, struct err *err);

/* The same for the process of an exec request. */
int spec_parse_process(const struct json *object, struct process_spec *process, struct err *err);
void spec_free_process(struct process_spec *process);

int spec_parse_resources(const struct json *object, struct resources *resources, struct err *err);

/* Every capability the kernel has, for privileged containers and execs. */
uint64_t spec_all_capabilities(void);
