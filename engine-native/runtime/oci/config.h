/* A bundle's config.json as the OCI runtime spec 1.x writes it, checked once and read by all of oci/. Every
 * string points into the parsed document or the config's arena, which live as long as the config. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../lib/err.h"
#include "../lib/json.h"
#include "../shim/privileges.h"
#include "../shim/spec.h"

#define OCI_VERSION "1.2.0"

struct arena_block;
struct arena {
    struct arena_block *blocks;
};

struct id_map {
    int64_t container, host, size;
};

struct id_maps {
    struct id_map *uids, *gids;
    size_t uid_count, gid_count;
};

enum hook_stage {
    HOOK_PRESTART,
    HOOK_CREATE_RUNTIME,
    HOOK_CREATE_CONTAINER,
    HOOK_START_CONTAINER,
    HOOK_POSTSTART,
    HOOK_POSTSTOP,
    HOOK_STAGES
};

struct hook {
    const char *path;
    char **args, **env; /* NULL-terminated */
    int64_t timeout_s;  /* 0: none was given */
};

struct hooks {
    struct hook *list;
    size_t count;
};

struct oci_process {
    struct process_spec program; /* args, env, cwd, tty, rows, cols */
    uint32_t uid, gid;
    gid_t *groups;
    size_t group_count;
    int64_t umask; /* -1: 022 */
    struct capability_sets capabilities;
    struct rlimit_spec *rlimits;
    size_t rlimit_count;
    bool no_new_privileges, has_oom_score;
    int64_t oom_score_adj;
    int io_priority; /* as ioprio_set takes it; -1: the caller's */
};

struct oci_mount {
    const char *destination, *type, *source;
    bool bind, bind_recursive, copy_up, is_remount;
    uint64_t set, clear;                     /* MOUNT_ATTR_* of the mount itself */
    uint64_t recursive_set, recursive_clear; /* and of everything below it ("rro") */
    unsigned long propagation;               /* MS_SHARED, …; 0: not named */
    bool is_propagation_recursive;
    bool is_superblock_readonly;
    char **options; /* of the filesystem: key, value or NULL for a flag; ended by NULL as key */
    size_t option_count;
    bool idmap, idmap_recursive;
    struct id_maps maps; /* empty: the container's own */
};

enum namespace_kind { NS_USER, NS_PID, NS_NET, NS_IPC, NS_UTS, NS_CGROUP, NS_TIME, NS_MOUNT, NS_KINDS };

struct oci_namespace {
    bool wanted;      /* a namespace of its own, or the one at path; otherwise the runtime's */
    const char *path; /* NULL: new */
};

struct oci_device {
    const char *path;
    mode_t type; /* S_IFCHR, S_IFBLK, S_IFIFO */
    int64_t major, minor, mode;
    uint32_t uid, gid;
};

struct oci_device_rule {
    bool allow;
    char type; /* 'a', 'b', 'c' */
    int64_t major, minor;
    const char *access;
};

struct oci_config {
    struct arena arena;
    const struct json *document;
    const char *version;
    bool has_process;
    struct oci_process process;
    const char *root;
    bool root_readonly;
    const char *hostname, *domainname; /* NULL: unchanged */
    struct oci_mount *mounts;
    size_t mount_count;
    struct hooks hooks[HOOK_STAGES];
    const struct json *annotations;
    struct oci_namespace namespaces[NS_KINDS];
    struct id_maps maps;
    struct oci_device *devices;
    size_t device_count;
    struct oci_device_rule *device_rules;
    size_t device_rule_count;
    const char *cgroups_path;
    const struct json *resources;
    unsigned long root_propagation; /* MS_* with MS_REC; 0: not named */
    const struct json *seccomp;
    char **masked, **readonly;
    struct pair_spec *sysctls;
    size_t sysctl_count;
    int64_t personality;            /* -1: the caller's */
    struct pair_spec *time_offsets; /* "boottime 7 0": clock, then seconds and nanoseconds */
    size_t time_offset_count;
};

void *arena_take(struct arena *arena, size_t size);
char *arena_copy(struct arena *arena, const char *text, size_t len);

/* bad_request or unsupported names the key that is wrong. What was read is freed with config_free either way.
 */
int config_read(const struct json *document, struct oci_config *config, struct err *err);
void config_free(struct oci_config *config);

/* The same for the `process` object alone (process.json of an exec). */
int config_read_process(const struct json *object, struct arena *arena, struct oci_process *process,
                        struct err *err);

int config_read_mount(const struct json *object, struct arena *arena, struct oci_mount *mount,
                      struct err *err);
/* Every word of mount options that is not the filesystem's, separated by spaces. */
const char *config_mount_words(void);
int config_read_linux(struct oci_config *config, const struct json *object, struct err *err);
int config_read_maps(const struct json *object, const char *uid_key, const char *gid_key, struct arena *arena,
                     struct id_maps *maps, struct err *err);

/* Readers shared by the files of config*.c. */
int config_strings(const struct json *object, const char *key, struct arena *arena, char ***out,
                   size_t *count, struct err *err);
typedef int config_element(const struct json *item, struct arena *arena, void *slot, struct err *err);
int config_list(const struct json *object, const char *key, size_t size, config_element *read,
                struct arena *arena, void *out, size_t *count, struct err *err);
int config_pairs(const struct json *object, const char *key, struct arena *arena, struct pair_spec **out,
                 size_t *count, struct err *err);
