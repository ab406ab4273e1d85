/* Parses the spec. The helper and the daemon are trusted to ask for what they want, not to spell it right: a
 * key of the wrong type, a relative path or an unknown name is bad_request, and no default hides it. */
#include "spec.h"

#include "spec_names.h"
#include "spec_network.h"

#include <errno.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define LIST_MAX 512

static int parse_strings(const struct json *object, const char *key, char ***out, size_t *count,
                         struct err *err) {
    const struct json *array = NULL;
    size_t n = 0;

    if (json_opt_array(object, key, &array, err))
        return -1;
    *out = calloc((array ? array->list.count : 0) + 1, sizeof(char *));
    if (!*out)
        return err_sys(err, ENOMEM, "cannot hold \"%s\"", key);
    json_each(item, array) {
        if (item->type != JSON_STRING)
            return err_set(err, ERR_BAD_REQUEST, "every element of \"%s\" must be a string", key);
        (*out)[n++] = (char *)(uintptr_t)item->string.text;
    }
    if (count)
        *count = n;
    return 0;
}

/* Absolute and without "..": the mount code resolves inside the root anyway, but a ".." here is never meant.
 */
static int check_absolute(const char *path, const char *what, struct err *err) {
    if (path[0] != '/')
        return err_set(err, ERR_BAD_REQUEST, "%s \"%s\" must be an absolute path", what, path);
    for (const char *p = path; (p = strstr(p, "/..")); p += 3)
        if (p[3] == '/' || p[3] == '\0')
            return err_set(err, ERR_BAD_REQUEST, "%s \"%s\" must not contain \"..\"", what, path);
    return 0;
}

static int check_absolute_list(char **paths, const char *what, struct err *err) {
    for (; *paths; paths++)
        if (check_absolute(*paths, what, err))
            return -1;
    return 0;
}

int spec_parse_process(const struct json *object, struct process_spec *process, struct err *err) {
    size_t args = 0;

    *process = (struct process_spec){.cwd = "/", .user = ""};
    if (parse_strings(object, "args", &process->args, &args, err) ||
        parse_strings(object, "env", &process->env, NULL, err) ||
        parse_strings(object, "groups", &process->groups, NULL, err) ||
        json_opt_string(object, "cwd", &process->cwd, err) ||
        json_opt_string(object, "user", &process->user, err) ||
        json_opt_bool(object, "tty", &process->tty, err) ||
        json_opt_int(object, "rows", 0, UINT16_MAX, &process->rows, err) ||
        json_opt_int(object, "cols", 0, UINT16_MAX, &process->cols, err) ||
        json_opt_bool(object, "stdin", &process->open_stdin, err))
        return -1;
    if (args == 0)
        return err_set(err, ERR_BAD_REQUEST, "\"args\" must name a command");
    if (process->cwd[0] == '\0')
        process->cwd = "/";
    return check_absolute(process->cwd, "working directory", err);
}

void spec_free_process(struct process_spec *process) {
    free(process->args);
    free(process->env);
    free(process->groups);
    process->args = process->env = process->groups = NULL;
}

static int parse_root(const struct json *root, struct spec *spec, struct err *err) {
    const struct json *object;

    if (json_need_object(root, "root", &object, err) ||
        parse_strings(object, "lower", &spec->lower, &spec->lower_count, err) ||
        json_need_string(object, "upper", &spec->upper, err) ||
        json_need_string(object, "work", &spec->work, err) ||
        json_opt_bool(object, "readonly", &spec->root_readonly, err) ||
        json_opt_bool(object, "volatile", &spec->root_volatile, err))
        return -1;
    if (spec->lower_count == 0 || spec->lower_count > LIST_MAX)
        return err_set(err, ERR_BAD_REQUEST, "\"lower\" must have 1 to %d layers", LIST_MAX);
    if (check_absolute_list(spec->lower, "layer", err) || check_absolute(spec->upper, "upper", err) ||
        check_absolute(spec->work, "work", err))
        return -1;
    return 0;
}

static int parse_userns(const struct json *root, struct spec *spec, struct err *err) {
    const struct json *object = NULL;
    int64_t base = 0, size = 0;

    if (json_opt_object(root, "userns", &object, err))
        return -1;
    if (!object)
        return 0;
    if (json_need_int(object, "base", 1, UINT32_MAX - 1, &base, err) ||
        json_need_int(object, "size", 1, UINT32_MAX - 1 - base, &size, err) ||
        json_opt_string(object, "join", &spec->userns_path, err))
        return -1;
    if (spec->userns_path && check_absolute(spec->userns_path, "user namespace", err))
        return -1;
    spec->userns = true;
    spec->userns_base = (uint32_t)base;
    spec->userns_size = (uint32_t)size;
    return 0;
}

/* `mode` is written in decimal digits that read as octal (1777), as everybody writes modes. */
static int parse_mode(const struct json *object, unsigned *mode, struct err *err) {
    int64_t digits = -1;

    if (json_opt_int(object, "mode", 0, 7777, &digits, err))
        return -1;
    if (digits < 0)
        return 0;
    *mode = 0;
    for (unsigned shift = 0; digits > 0; digits /= 10, shift += 3) {
        if (digits % 10 > 7)
            return err_set(err, ERR_BAD_REQUEST, "\"mode\" must be written in octal digits");
        *mode |= (unsigned)(digits % 10) << shift;
    }
    return 0;
}

static int parse_propagation(const struct json *object, struct mount_spec *mount, struct err *err) {
    static const struct {
        const char *name;
        unsigned long flag;
    } kinds[] = {{"private", MS_PRIVATE}, {"slave", MS_SLAVE}, {"shared", MS_SHARED}};
    const char *name = "rprivate";

    if (json_opt_string(object, "propagation", &name, err))
        return -1;
    mount->propagation_recursive = name[0] == 'r';
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strcmp(name + mount->propagation_recursive, kinds[i].name) == 0) {
            mount->propagation = kinds[i].flag;
            return 0;
        }
    }
    return err_set(err, ERR_BAD_REQUEST, "mount propagation \"%s\" does not exist", name);
}

static int parse_bind(const struct json *object, struct mount_spec *mount, struct err *err) {
    if (json_need_string(object, "source", &mount->source, err) ||
        json_opt_string(object, "mountNamespace", &mount->mount_namespace, err) ||
        json_opt_bool(object, "idmap", &mount->idmap, err) ||
        json_opt_string(object, "subpath", &mount->subpath, err) ||
        json_opt_bool(object, "recursive", &mount->recursive, err) || parse_propagation(object, mount, err))
        return -1;
    return check_absolute(mount->source, "mount source", err);
}

static int parse_mount(const struct json *object, struct mount_spec *mount, struct err *err) {
    const char *type;

    *mount = (struct mount_spec){.mode = 01777, .subpath = "", .recursive = true, .uid = 0, .gid = 0};
    if (json_need_string(object, "type", &type, err) ||
        json_need_string(object, "target", &mount->target, err) ||
        json_opt_bool(object, "readonly", &mount->readonly, err) ||
        check_absolute(mount->target, "mount target", err))
        return -1;
    if (strcmp(type, "bind") == 0) {
        mount->type = MOUNT_BIND;
        return parse_bind(object, mount, err);
    }
    if (strcmp(type, "tmpfs") != 0)
        return err_set(err, ERR_BAD_REQUEST, "mount type \"%s\" is not bind or tmpfs", type);
    mount->type = MOUNT_TMPFS;
    if (json_opt_int(object, "size", 0, INT64_MAX, &mount->size, err) ||
        parse_mode(object, &mount->mode, err) || json_opt_bool(object, "noexec", &mount->noexec, err) ||
        json_opt_bool(object, "suid", &mount->suid, err) || json_opt_bool(object, "dev", &mount->dev, err) ||
        json_opt_int(object, "uid", 0, UINT32_MAX - 1, &mount->uid, err) ||
        json_opt_int(object, "gid", 0, UINT32_MAX - 1, &mount->gid, err))
        return -1;
    return 0;
}

static int parse_device(const struct json *object, struct device_spec *device, struct err *err) {
    const char *type;

    *device = (struct device_spec){.access = "rwm"};
    if (json_need_string(object, "path", &device->path, err) ||
        json_opt_string(object, "source", &device->source, err) ||
        json_need_string(object, "type", &type, err) ||
        json_need_int(object, "major", 0, UINT32_MAX, &device->major, err) ||
        json_need_int(object, "minor", 0, UINT32_MAX, &device->minor, err) ||
        json_opt_string(object, "access", &device->access, err))
        return -1;
    if (strcmp(type, "c") != 0 && strcmp(type, "b") != 0)
        return err_set(err, ERR_BAD_REQUEST, "device type \"%s\" is not c or b", type);
    if (device->access[0] == '\0' || strspn(device->access, "rwm") != strlen(device->access))
        return err_set(err, ERR_BAD_REQUEST, "device access \"%s\" is not made of r, w and m",
                       device->access);
    if (strncmp(device->path, "/dev/", 5) != 0)
        return err_set(err, ERR_BAD_REQUEST, "device \"%s\" must lie in /dev", device->path);
    device->type = type[0];
    if (!device->source)
        device->source = device->path;
    if (check_absolute(device->source, "device", err))
        return -1;
    return check_absolute(device->path, "device", err);
}

static int parse_device_rule(const struct json *object, struct device_rule_spec *rule, struct err *err) {
    const char *type;

    *rule = (struct device_rule_spec){.major = -1, .minor = -1, .access = "rwm"};
    if (json_need_string(object, "type", &type, err) ||
        json_opt_int(object, "major", -1, UINT32_MAX, &rule->major, err) ||
        json_opt_int(object, "minor", -1, UINT32_MAX, &rule->minor, err) ||
        json_opt_string(object, "access", &rule->access, err))
        return -1;
    if (strlen(type) != 1 || !strchr("abc", type[0]))
        return err_set(err, ERR_BAD_REQUEST, "device type \"%s\" is not a, b or c", type);
    if (rule->access[0] == '\0' || strspn(rule->access, "rwm") != strlen(rule->access))
        return err_set(err, ERR_BAD_REQUEST, "device access \"%s\" is not made of r, w and m", rule->access);
    rule->type = type[0];
    return 0;
}

static int parse_rlimit(const struct json *object, struct rlimit_spec *limit, struct err *err) {
    const char *type;
    int64_t soft, hard;

    if (json_need_string(object, "type", &type, err) ||
        json_need_int(object, "soft", -1, INT64_MAX, &soft, err) ||
        json_need_int(object, "hard", -1, INT64_MAX, &hard, err))
        return -1;
    limit->resource = rlimit_by_name(type);
    if (limit->resource < 0)
        return err_set(err, ERR_BAD_REQUEST, "rlimit \"%s\" is not known", type);
    limit->soft = soft < 0 ? RLIM_INFINITY : (uint64_t)soft;
    limit->hard = hard < 0 ? RLIM_INFINITY : (uint64_t)hard;
    return 0;
}

/* One array of objects into one C array. */
#define PARSE_ARRAY(root, key, slot, slot_count, parse_one, err)                                             \
    do {                                                                                                     \
        const struct json *array_ = NULL;                                                                    \
        if (json_opt_array(root, key, &array_, err))                                                         \
            return -1;                                                                                       \
        if (array_ && array_->list.count > LIST_MAX)                                                         \
            return err_set(err, ERR_BAD_REQUEST, "\"%s\" has more than %d elements", key, LIST_MAX);         \
        (slot) = calloc((array_ ? array_->list.count : 0) + 1, sizeof(*(slot)));                             \
        if (!(slot))                                                                                         \
            return err_sys(err, ENOMEM, "cannot hold \"%s\"", key);                                          \
        json_each(item_, array_) if (parse_one(item_, &(slot)[(slot_count)++], err)) return err_wrap(        \
            err, "%s", key);                                                                                 \
    } while (0)

static int parse_lists(const struct json *root, struct spec *spec, struct err *err) {
    PARSE_ARRAY(root, "mounts", spec->mounts, spec->mount_count, parse_mount, err);
    PARSE_ARRAY(root, "devices", spec->devices, spec->device_count, parse_device, err);
    PARSE_ARRAY(root, "deviceRules", spec->device_rules, spec->device_rule_count, parse_device_rule, err);
    PARSE_ARRAY(root, "rlimits", spec->rlimits, spec->rlimit_count, parse_rlimit, err);
    if (parse_strings(root, "maskedPaths", &spec->masked, NULL, err) ||
        parse_strings(root, "readonlyPaths", &spec->readonly, NULL, err) ||
        check_absolute_list(spec->masked, "masked path", err) ||
        check_absolute_list(spec->readonly, "read-only path", err))
        return -1;
    return 0;
}

static int parse_sysctls(const struct json *root, struct spec *spec, struct err *err) {
    const struct json *object = NULL;

    if (json_opt_object(root, "sysctls", &object, err))
        return -1;
    spec->sysctls = calloc((object ? object->list.count : 0) + 1, sizeof(*spec->sysctls));
    if (!spec->sysctls)
        return err_sys(err, ENOMEM, "cannot hold \"sysctls\"");
    json_each(item, object) {
        if (item->type != JSON_STRING)
            return err_set(err, ERR_BAD_REQUEST, "sysctl \"%s\" must be a string", item->key);
        /* Only what a namespace of its own confines; anything else would change the host. */
        bool net = strncmp(item->key, "net.", 4) == 0;
        if (net ? spec->namespaces.net || spec->network_mode == NET_HOST
                : !sysctl_is_ipc(item->key) || spec->namespaces.ipc)
            return err_set(err, ERR_BAD_REQUEST, "sysctl \"%s\" is not confined to the container", item->key);
        if (strchr(item->key, '/') || strstr(item->key, ".."))
            return err_set(err, ERR_BAD_REQUEST, "sysctl \"%s\" is malformed", item->key);
        spec->sysctls[spec->sysctl_count++] = (struct pair_spec){item->key, item->string.text};
    }
    return 0;
}

static int parse_capabilities(const struct json *root, struct spec *spec, struct err *err) {
    const struct json *array = NULL;

    if (json_opt_array(root, "capabilities", &array, err))
        return -1;
    json_each(item, array) {
        int cap = item->type == JSON_STRING ? capability_by_name(item->string.text) : -1;
        if (cap < 0)
            return err_set(err, ERR_BAD_REQUEST, "capability \"%s\" is not known",
                           item->type == JSON_STRING ? item->string.text : "?");
        spec->capabilities |= 1ULL << cap;
    }
    if (spec->privileged)
        spec->capabilities = spec_all_capabilities();
    return 0;
}

int spec_parse_resources(const struct json *object, struct resources *resources, struct err *err) {
    resources->cpuset_cpus = resources->cpuset_mems = "";
    resources->swappiness = -1;
    if (json_opt_int(object, "memory", 0, INT64_MAX, &resources->memory, err) ||
        json_opt_int(object, "memorySwap", -1, INT64_MAX, &resources->memory_swap, err) ||
        json_opt_int(object, "memoryReservation", 0, INT64_MAX, &resources->memory_reservation, err) ||
        json_opt_int(object, "swappiness", -1, 100, &resources->swappiness, err) ||
        json_opt_bool(object, "oomKillDisable", &resources->oom_kill_disable, err) ||
        json_opt_int(object, "cpuQuota", -1, INT32_MAX, &resources->cpu_quota, err) ||
        json_opt_int(object, "cpuPeriod", 0, 1000000, &resources->cpu_period, err) ||
        json_opt_int(object, "cpuShares", 0, 262144, &resources->cpu_shares, err) ||
        json_opt_string(object, "cpusetCpus", &resources->cpuset_cpus, err) ||
        json_opt_string(object, "cpusetMems", &resources->cpuset_mems, err) ||
        json_opt_int(object, "blkioWeight", 0, 1000, &resources->blkio_weight, err) ||
        json_opt_int(object, "pids", -1, INT32_MAX, &resources->pids, err))
        return -1;
    if (resources->cpu_period == 0)
        resources->cpu_period = 100000;
    return 0;
}

static int parse_cgroup(const struct json *root, struct spec *spec, struct err *err) {
    const struct json *object = NULL;
    const char *ns = "private";

    spec->cgroup = "";
    if (json_opt_string(root, "cgroupns", &ns, err) || json_opt_string(root, "cgroup", &spec->cgroup, err) ||
        json_opt_object(root, "resources", &object, err))
        return -1;
    if (spec->cgroup[0] == '/' || strstr(spec->cgroup, "..") || strlen(spec->cgroup) > 255)
        return err_set(err, ERR_BAD_REQUEST, "cgroup \"%s\" must be a relative path", spec->cgroup);
    if (strcmp(ns, "private") != 0 && strcmp(ns, "host") != 0)
        return err_set(err, ERR_BAD_REQUEST, "cgroupns \"%s\" is not private or host", ns);
    spec->host_cgroupns = strcmp(ns, "host") == 0;
    return spec_parse_resources(object, &spec->resources, err);
}

static int parse_namespaces(const struct json *root, struct spec *spec, struct err *err) {
    const struct json *object = NULL;
    struct namespace_spec *ns = &spec->namespaces;

    if (json_opt_object(root, "namespaces", &object, err) || json_opt_string(object, "pid", &ns->pid, err) ||
        json_opt_string(object, "ipc", &ns->ipc, err) || json_opt_string(object, "uts", &ns->uts, err) ||
        json_opt_string(object, "net", &ns->net, err))
        return -1;
    if (spec->network_mode == NET_HOST)
        ns->net = "host";
    /* Only the owner of a pid namespace may mount its proc, and the host's would show the host's processes.
     */
    if (spec->userns && !spec->userns_path && ns->pid && strcmp(ns->pid, "host") != 0)
        return err_set(err, ERR_UNSUPPORTED,
                       "a container with a user namespace of its own cannot join pid namespace \"%s\"",
                       ns->pid);
    return 0;
}

static int parse_log(const struct json *root, struct spec *spec, struct err *err) {
    const struct json *object = NULL;

    spec->log = (struct log_spec){.max_size = 10 << 20, .max_files = 3};
    if (json_opt_object(root, "log", &object, err))
        return -1;
    if (!object)
        return 0;
    if (json_need_string(object, "path", &spec->log.path, err) ||
        json_opt_int(object, "maxSize", 0, INT64_MAX, &spec->log.max_size, err) ||
        json_opt_int(object, "maxFiles", 1, 100, &spec->log.max_files, err))
        return -1;
    return check_absolute(spec->log.path, "log", err);
}

static int parse_runtime(const struct json *root, struct spec *spec, struct err *err) {
    const struct json *object = NULL;
    struct runtime_spec *runtime = &spec->runtime;

    if (json_opt_object(root, "runtime", &object, err))
        return -1;
    if (!object)
        return 0;
    if (json_need_string(object, "name", &runtime->name, err) ||
        json_need_string(object, "path", &runtime->path, err) ||
        json_need_string(object, "place", &runtime->place, err) ||
        json_need_object(object, "config", &runtime->config, err) ||
        check_absolute(runtime->path, "runtime", err) || check_absolute(runtime->place, "place", err))
        return -1;
    /* Our init is a part of the shim's own start. */
    if (spec->init)
        return err_set(err, ERR_UNSUPPORTED, "runtime \"%s\" has no init of ours: leave --init out",
                       runtime->name);
    return 0;
}

static int parse_security(const struct json *root, struct spec *spec, struct err *err) {
    const char *seccomp = "default";

    spec->no_new_privileges = true;
    if (json_opt_bool(root, "privileged", &spec->privileged, err) ||
        json_opt_bool(root, "noNewPrivileges", &spec->no_new_privileges, err) ||
        json_opt_string(root, "seccomp", &seccomp, err) ||
        json_opt_object(root, "seccompProfile", &spec->seccomp_profile, err) ||
        json_opt_int(root, "oomScoreAdj", -1000, 1000, &spec->oom_score_adj, err))
        return -1;
    if (strcmp(seccomp, "default") != 0 && strcmp(seccomp, "unconfined") != 0)
        return err_set(err, ERR_BAD_REQUEST, "seccomp \"%s\" is not default or unconfined", seccomp);
    spec->seccomp = strcmp(seccomp, "default") == 0;
    return parse_capabilities(root, spec, err);
}

int spec_parse(const struct json *root, struct spec *spec, struct err *err) {
    const struct json *process;

    *spec = (struct spec){.hostname = "", .domainname = "", .shm_size = 64 << 20};
    if (json_need_string(root, "id", &spec->id, err) ||
        json_need_string(root, "runDir", &spec->run_dir, err) ||
        json_need_string(root, "stateDir", &spec->state_dir, err) ||
        json_opt_bool(root, "init", &spec->init, err) ||
        json_opt_bool(root, "awaitAttach", &spec->await_attach, err) ||
        json_opt_string(root, "hostname", &spec->hostname, err) ||
        json_opt_string(root, "domainname", &spec->domainname, err) ||
        json_opt_int(root, "shmSize", 0, INT64_MAX, &spec->shm_size, err) ||
        json_need_object(root, "process", &process, err))
        return -1;
    if (check_absolute(spec->run_dir, "runDir", err) || check_absolute(spec->state_dir, "stateDir", err))
        return -1;
    if (spec_parse_process(process, &spec->process, err))
        return err_wrap(err, "process");
    if (parse_root(root, spec, err) || parse_userns(root, spec, err) || spec_parse_network(root, spec, err) ||
        parse_namespaces(root, spec, err) || parse_lists(root, spec, err) || parse_sysctls(root, spec, err) ||
        parse_security(root, spec, err) || parse_cgroup(root, spec, err) || parse_log(root, spec, err) ||
        parse_runtime(root, spec, err))
        return -1;
    return 0;
}
