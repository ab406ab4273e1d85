/* config.json: what is below "linux". See config.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../shim/kernel.h"
#include "../shim/spec_names.h"
#include "config.h"

#define MS_REC_FLAG 16384UL
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int read_namespaces(const struct json *object, struct oci_config *config, struct err *err) {
    static const char *const names[NS_KINDS] = {"user", "pid",    "network", "ipc",
                                                "uts",  "cgroup", "time",    "mount"};
    const struct json *array = NULL;

    if (json_opt_array(object, "namespaces", &array, err))
        return -1;
    json_each(item, array) {
        const char *type, *path = NULL;
        int kind = 0;
        if (json_need_string(item, "type", &type, err) || json_opt_string(item, "path", &path, err))
            return err_wrap(err, "namespaces");
        while (kind < NS_KINDS && strcmp(names[kind], type) != 0)
            kind++;
        if (kind == NS_KINDS)
            return err_set(err, ERR_BAD_REQUEST, "namespace \"%s\" is not known", type);
        if (config->namespaces[kind].wanted)
            return err_set(err, ERR_BAD_REQUEST, "namespace \"%s\" is given twice", type);
        if (path && path[0] && path[0] != '/')
            return err_set(err, ERR_BAD_REQUEST, "path \"%s\" of namespace \"%s\" is not absolute", path,
                           type);
        config->namespaces[kind] = (struct oci_namespace){true, path && path[0] ? path : NULL};
    }
    return 0;
}

static int read_device(const struct json *item, struct arena *arena, void *slot, struct err *err) {
    struct oci_device *device = slot;
    const char *type;
    int64_t uid = 0, gid = 0;

    (void)arena;
    *device = (struct oci_device){.mode = 0666};
    if (json_need_string(item, "path", &device->path, err) || json_need_string(item, "type", &type, err) ||
        json_opt_int(item, "major", 0, UINT32_MAX, &device->major, err) ||
        json_opt_int(item, "minor", 0, UINT32_MAX, &device->minor, err) ||
        json_opt_int(item, "fileMode", 0, UINT32_MAX, &device->mode, err) ||
        json_opt_int(item, "uid", 0, UINT32_MAX - 1, &uid, err) ||
        json_opt_int(item, "gid", 0, UINT32_MAX - 1, &gid, err))
        return -1;
    device->mode &= 07777;
    device->uid = (uint32_t)uid;
    device->gid = (uint32_t)gid;
    if (device->path[0] != '/')
        return err_set(err, ERR_BAD_REQUEST, "device \"%s\" must be an absolute path", device->path);
    if (strcmp(type, "c") == 0 || strcmp(type, "u") == 0)
        device->type = S_IFCHR;
    else if (strcmp(type, "b") == 0)
        device->type = S_IFBLK;
    else if (strcmp(type, "p") == 0)
        device->type = S_IFIFO;
    else
        return err_set(err, ERR_BAD_REQUEST, "device type \"%s\" is not known", type);
    return 0;
}

static int read_device_rule(const struct json *item, struct arena *arena, void *slot, struct err *err) {
    struct oci_device_rule *rule = slot;
    const char *type = "a";

    (void)arena;
    *rule = (struct oci_device_rule){.access = "rwm", .major = -1, .minor = -1};
    if (json_opt_bool(item, "allow", &rule->allow, err) || json_opt_string(item, "type", &type, err) ||
        json_opt_int(item, "major", -1, UINT32_MAX, &rule->major, err) ||
        json_opt_int(item, "minor", -1, UINT32_MAX, &rule->minor, err) ||
        json_opt_string(item, "access", &rule->access, err))
        return -1;
    if (rule->access[0] == '\0')
        rule->access = "rwm";
    if (strspn(rule->access, "rwm") != strlen(rule->access) || strlen(rule->access) > 3)
        return err_set(err, ERR_BAD_REQUEST, "device access \"%s\" is not made of r, w and m", rule->access);
    if (type[0] == '\0')
        type = "a";
    if (strchr("abc", type[0]) == NULL || type[1] != '\0')
        return err_set(err, ERR_BAD_REQUEST, "device type \"%s\" of a rule is not known", type);
    rule->type = type[0];
    return 0;
}

static int read_propagation(const struct json *object, struct oci_config *config, struct err *err) {
    static const struct {
        const char *word;
        unsigned long flags;
    } words[] = {
        {"", 0},
        {"shared", MS_SHARED},
        {"rshared", MS_SHARED | MS_REC_FLAG},
        {"slave", MS_SLAVE},
        {"rslave", MS_SLAVE | MS_REC_FLAG},
        {"private", MS_PRIVATE},
        {"rprivate", MS_PRIVATE | MS_REC_FLAG},
        {"unbindable", MS_UNBINDABLE},
        {"runbindable", MS_UNBINDABLE | MS_REC_FLAG},
    };
    const char *word = "";

    if (json_opt_string(object, "rootfsPropagation", &word, err))
        return -1;
    for (size_t i = 0; i < COUNT(words); i++)
        if (strcmp(words[i].word, word) == 0) {
            config->root_propagation = words[i].flags;
            return 0;
        }
    return err_set(err, ERR_BAD_REQUEST, "rootfsPropagation \"%s\" is not known", word);
}

static int read_personality(const struct json *object, struct oci_config *config, struct err *err) {
    const struct json *personality = NULL, *flags = NULL;
    const char *domain = "";

    if (json_opt_object(object, "personality", &personality, err) ||
        json_opt_string(personality, "domain", &domain, err) ||
        json_opt_array(personality, "flags", &flags, err))
        return -1;
    if (!personality)
        return 0;
    if (flags && flags->list.count > 0)
        return err_set(err, ERR_UNSUPPORTED, "flags of \"personality\" are not supported");
    if (strcmp(domain, "LINUX") == 0)
        config->personality = PER_LINUX;
    else if (strcmp(domain, "LINUX32") == 0)
        config->personality = PER_LINUX32;
    else
        return err_set(err, ERR_BAD_REQUEST, "personality \"%s\" is not LINUX or LINUX32", domain);
    return 0;
}

/* Only what a namespace of the container's own confines; anything else would change the host. */
static int check_sysctls(const struct oci_config *config, struct err *err) {
    for (size_t i = 0; i < config->sysctl_count; i++) {
        const char *name = config->sysctls[i].name;
        int kind;
        if (strncmp(name, "net.", 4) == 0 || strncmp(name, "net/", 4) == 0)
            kind = NS_NET;
        else if (sysctl_is_ipc(name))
            kind = NS_IPC;
        else if (strcmp(name, "kernel.domainname") == 0 || strcmp(name, "kernel.hostname") == 0)
            kind = NS_UTS;
        else if (strncmp(name, "user.", 5) == 0)
            kind = NS_USER;
        else
            return err_set(err, ERR_BAD_REQUEST, "sysctl \"%s\" is not in a separate kernel namespace", name);
        if (strstr(name, "..") || !config->namespaces[kind].wanted)
            return err_set(
                err, ERR_BAD_REQUEST,
                "sysctl \"%s\" is not allowed in the hosts's namespace: the container has none of its own",
                name);
    }
    return 0;
}

static int read_time_offsets(const struct json *object, struct oci_config *config, struct err *err) {
    const struct json *offsets = NULL;

    if (json_opt_object(object, "timeOffsets", &offsets, err))
        return -1;
    config->time_offsets = arena_take(&config->arena, sizeof(struct pair_spec) * 8);
    if (!config->time_offsets)
        return err_sys(err, ENOMEM, "cannot hold the time offsets");
    json_each(item, offsets) {
        int64_t seconds = 0, nanoseconds = 0;
        char text[64];
        if (strcmp(item->key, "monotonic") != 0 && strcmp(item->key, "boottime") != 0)
            return err_set(err, ERR_BAD_REQUEST, "clock \"%s\" has no offset", item->key);
        if (json_opt_int(item, "secs", INT64_MIN, INT64_MAX, &seconds, err) ||
            json_opt_int(item, "nanosecs", 0, 999999999, &nanoseconds, err))
            return err_wrap(err, "timeOffsets");
        (void)snprintf(text, sizeof(text), "%lld %lld", (long long)seconds, (long long)nanoseconds);
        config->time_offsets[config->time_offset_count++] =
            (struct pair_spec){item->key, arena_copy(&config->arena, text, strlen(text))};
    }
    if (config->time_offset_count > 0 && !config->namespaces[NS_TIME].wanted)
        return err_set(err, ERR_BAD_REQUEST, "\"timeOffsets\" need a time namespace");
    return 0;
}

static int refuse_unsupported(const struct json *object, struct err *err) {
    static const char *const keys[] = {"intelRdt", "memoryPolicy", "netDevices"};

    for (size_t i = 0; i < COUNT(keys); i++)
        if (json_get(object, keys[i]))
            return err_set(err, ERR_UNSUPPORTED, "\"%s\" is not supported", keys[i]);
    return 0;
}

static int check_combinations(const struct oci_config *config, struct err *err) {
    const struct oci_namespace *ns = config->namespaces;

    if (!ns[NS_UTS].wanted && (config->hostname || config->domainname))
        return err_set(err, ERR_BAD_REQUEST, "\"hostname\" needs a uts namespace of the container's own");
    if (ns[NS_USER].wanted && !ns[NS_USER].path &&
        (config->maps.uid_count == 0 || config->maps.gid_count == 0))
        return err_set(err, ERR_BAD_REQUEST, "a user namespace needs uidMappings and gidMappings");
    if (!ns[NS_USER].wanted && (config->maps.uid_count > 0 || config->maps.gid_count > 0))
        return err_set(err, ERR_BAD_REQUEST, "uidMappings and gidMappings need a user namespace");
    if (!ns[NS_MOUNT].wanted && (config->masked[0] || config->readonly[0]))
        return err_set(err, ERR_BAD_REQUEST, "maskedPaths and readonlyPaths need a mount namespace");
    return 0;
}

int config_read_linux(struct oci_config *config, const struct json *object, struct err *err) {
    struct arena *arena = &config->arena;

    if (read_namespaces(object, config, err) ||
        config_read_maps(object, "uidMappings", "gidMappings", arena, &config->maps, err) ||
        config_list(object, "devices", sizeof(struct oci_device), read_device, arena, &config->devices,
                    &config->device_count, err) ||
        json_opt_string(object, "cgroupsPath", &config->cgroups_path, err) ||
        json_opt_object(object, "resources", &config->resources, err) ||
        config_list(config->resources, "devices", sizeof(struct oci_device_rule), read_device_rule, arena,
                    &config->device_rules, &config->device_rule_count, err) ||
        read_propagation(object, config, err) || json_opt_object(object, "seccomp", &config->seccomp, err) ||
        config_strings(object, "maskedPaths", arena, &config->masked, NULL, err) ||
        config_strings(object, "readonlyPaths", arena, &config->readonly, NULL, err) ||
        config_pairs(object, "sysctl", arena, &config->sysctls, &config->sysctl_count, err) ||
        check_sysctls(config, err) || read_personality(object, config, err) ||
        read_time_offsets(object, config, err) || refuse_unsupported(object, err))
        return -1;
    return check_combinations(config, err);
}
