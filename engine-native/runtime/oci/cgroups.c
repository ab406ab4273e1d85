/* See cgroups.h. Limits are in resources.c. */
#include "cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../lib/cleanup.h"

/* "slice:prefix:name" becomes slice/prefix-name.scope, and a slice "a-b.slice" lies in "a.slice". */
static int systemd_path(const char *text, char path[256], struct err *err) {
    const char *first = strchr(text, ':');
    const char *second = first ? strchr(first + 1, ':') : NULL;
    int len = 0;

    if (!second)
        return err_set(err, ERR_BAD_REQUEST, "cgroupsPath \"%s\" is not slice:prefix:name", text);
    for (const char *dash = text; dash < first && len < 256; dash++)
        if (*dash == '-' && dash > text)
            len += snprintf(path + len, 256 - (size_t)len, "%.*s.slice/", (int)(dash - text), text);
    if (len < 256)
        len += snprintf(path + len, 256 - (size_t)len, "%.*s/%.*s-%s.scope", (int)(first - text), text,
                        (int)(second - first - 1), first + 1, second + 1);
    return len < 256 ? 0 : err_set(err, ERR_BAD_REQUEST, "cgroupsPath \"%s\" is too long", text);
}

int cgroups_path(const struct oci_config *config, const char *id, bool systemd, char path[256],
                 struct err *err) {
    const char *wanted = config->cgroups_path && config->cgroups_path[0] ? config->cgroups_path : id;

    if (strstr(wanted, "..") || strchr(wanted, '\n'))
        return err_set(err, ERR_BAD_REQUEST, "cgroupsPath \"%s\" must not contain \"..\"", wanted);
    if (systemd && strchr(wanted, ':'))
        return systemd_path(wanted, path, err);
    /* A relative path lies below the root of each hierarchy, as an absolute one does. */
    wanted += strspn(wanted, "/");
    size_t len = strlen(wanted);
    while (len > 0 && wanted[len - 1] == '/')
        len--;
    if (len == 0 || len > 255)
        return err_set(err, ERR_BAD_REQUEST, "cgroupsPath must have 1 to 255 bytes");
    (void)snprintf(path, 256, "%.*s", (int)len, wanted);
    return 0;
}

static bool is_same_hierarchy(const struct cgroup *cgroup, int kind, int fd) {
    struct stat mine, other;

    if (fstat(fd, &mine))
        return false;
    for (int i = 0; i < kind; i++)
        if (cgroup->dir[i] >= 0 && fstat(cgroup->dir[i], &other) == 0 && other.st_dev == mine.st_dev)
            return true;
    return false;
}

static int open_v1(struct cgroup *cgroup, bool make, struct err *err) {
    for (int kind = 0; kind < CGROUP_KINDS; kind++) {
        auto_close int root = cgroup_open_root(1, kind);
        if (root < 0)
            continue; /* not mounted: a limit that needs it is refused by name */
        if (kind == CGROUP_CPUSET && make) {
            if (cgroup_v1_make_cpuset(cgroup, err))
                return -1;
            continue;
        }
        auto_close int dir = make ? cgroup_make_dir(root, cgroup->path)
                                  : openat(root, cgroup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir < 0 && make)
            return err_sys_as(err, ERR_CGROUP, errno, "cannot make cgroup \"%s\" of %s", cgroup->path,
                              cgroup_controller_name(kind));
        if (dir >= 0 && !is_same_hierarchy(cgroup, kind, dir))
            cgroup->dir[kind] = steal_fd(&dir);
    }
    return 0;
}

static int open_v2(struct cgroup *cgroup, bool make, struct err *err) {
    auto_close int root = cgroup_open_root(2, 0);

    cgroup->dir[0] = make ? cgroup_make_dir(root, cgroup->path)
                          : openat(root, cgroup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (cgroup->dir[0] < 0 && make)
        return err_sys_as(err, ERR_CGROUP, errno, "cannot make cgroup \"%s\"", cgroup->path);
    if (make)
        cgroup_v2_enable_controllers(root, cgroup->path);
    return 0;
}

int cgroups_open(const char *path, bool make, struct cgroup *cgroup, struct err *err) {
    struct statfs fs;

    *cgroup = (struct cgroup){.version = 0};
    for (int kind = 0; kind < CGROUP_KINDS; kind++)
        cgroup->dir[kind] = -1;
    if (path[0] == '\0' || statfs(cgroup_mount, &fs))
        return 0;
    (void)snprintf(cgroup->path, sizeof(cgroup->path), "%s", path);
    cgroup->version = fs.f_type == CGROUP2_SUPER_MAGIC ? 2 : 1;
    if (cgroup->version == 2 ? open_v2(cgroup, make, err) : open_v1(cgroup, make, err)) {
        cgroup_remove_own(cgroup);
        return -1;
    }
    return 0;
}

void cgroups_close(struct cgroup *cgroup) {
    for (int kind = 0; kind < CGROUP_KINDS; kind++)
        if (cgroup->dir[kind] >= 0)
            (void)close(cgroup->dir[kind]);
    cgroup->version = 0;
}

/* Groups that a container has made below its own. Two passes are enough for what a container may nest by
 * itself; a deeper tree keeps its parent, which is then reported by nobody but harms nobody. */
static void remove_nested(int dir, int depth) { // NOLINT(misc-no-recursion)
    int copy = depth > 0 ? openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    auto_closedir DIR *list = copy < 0 ? NULL : fdopendir(copy);

    for (struct dirent *e; list && (e = readdir(list));) {
        if (e->d_type != DT_DIR || e->d_name[0] == '.')
            continue;
        if (unlinkat(dir, e->d_name, AT_REMOVEDIR) == 0)
            continue;
        auto_close int below = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below >= 0)
            remove_nested(below, depth - 1);
        (void)unlinkat(dir, e->d_name, AT_REMOVEDIR);
    }
}

void cgroups_remove(struct cgroup *cgroup) {
    for (int kind = 0; kind < CGROUP_KINDS; kind++)
        if (cgroup->dir[kind] >= 0)
            remove_nested(cgroup->dir[kind], 16);
    cgroup_remove_own(cgroup);
}

bool cgroups_are_populated(const struct cgroup *cgroup) {
    char text[16];

    for (int kind = 0; cgroup->version != 0 && kind < CGROUP_KINDS; kind++)
        if (cgroup->dir[kind] >= 0 &&
            cgroup_read(cgroup->dir[kind], "cgroup.procs", text, sizeof(text)) == 0 && text[0] != '\0')
            return true;
    return false;
}

bool cgroups_are_frozen(const char *path) {
    struct cgroup cgroup;
    struct err ignored = {0};
    char text[32] = "";

    if (cgroups_open(path, false, &cgroup, &ignored))
        return false;
    bool frozen = false;
    if (cgroup.version == 1 && cgroup.dir[CGROUP_FREEZER] >= 0)
        frozen = cgroup_read(cgroup.dir[CGROUP_FREEZER], "freezer.state", text, sizeof(text)) == 0 &&
                 strncmp(text, "THAWED", 6) != 0;
    else if (cgroup.version == 2 && cgroup.dir[0] >= 0)
        frozen = cgroup_read_field(cgroup.dir[0], "cgroup.events", "frozen") == 1;
    cgroups_close(&cgroup);
    return frozen;
}

/* ---- devices: nothing is allowed but the listed, in their order, and what every container needs ---- */

static int write_rule(int dir, bool allow, char type, int64_t major, int64_t minor, const char *access) {
    char rule[80], major_text[24] = "*", minor_text[24] = "*";

    if (major >= 0)
        (void)snprintf(major_text, sizeof(major_text), "%" PRId64, major);
    if (minor >= 0)
        (void)snprintf(minor_text, sizeof(minor_text), "%" PRId64, minor);
    (void)snprintf(rule, sizeof(rule), "%c %s:%s %s", type, major_text, minor_text, access);
    return cgroup_write(dir, allow ? "devices.allow" : "devices.deny", rule);
}

static bool is_everything(const struct oci_device_rule *rule) {
    return rule->type == 'a' && rule->major < 0 && rule->minor < 0;
}

static int set_rules_v1(int dir, const struct oci_config *config) {
    if (cgroup_write(dir, "devices.deny", "a"))
        return -1;
    for (size_t i = 0; i < config->device_rule_count; i++) {
        const struct oci_device_rule *rule = &config->device_rules[i];
        if (is_everything(rule)) {
            if (cgroup_write(dir, rule->allow ? "devices.allow" : "devices.deny", "a"))
                return -1;
            continue;
        }
        if ((rule->type != 'b' &&
             write_rule(dir, rule->allow, 'c', rule->major, rule->minor, rule->access)) ||
            (rule->type != 'c' && write_rule(dir, rule->allow, 'b', rule->major, rule->minor, rule->access)))
            return -1;
    }
    for (const struct cgroup_device_rule *rule = cgroup_default_devices; rule->type; rule++)
        if (write_rule(dir, true, rule->type, rule->major, rule->minor, rule->access))
            return -1;
    return 0;
}

/* v2 has one program that allows: a denial takes allowed rules back only where it names them whole. */
static int flatten_rules(const struct oci_config *config, struct spec *spec, struct err *err) {
    size_t n = 0;

    spec->device_rules = calloc(config->device_rule_count + 1, sizeof(*spec->device_rules));
    if (!spec->device_rules)
        return err_sys(err, ENOMEM, "cannot hold the device rules");
    for (size_t i = 0; i < config->device_rule_count; i++) {
        const struct oci_device_rule *rule = &config->device_rules[i];
        if (rule->allow) {
            spec->device_rules[n++] =
                (struct device_rule_spec){rule->type, rule->major, rule->minor, rule->access};
            continue;
        }
        size_t kept = 0;
        for (size_t j = 0; j < n; j++) {
            const struct device_rule_spec *old = &spec->device_rules[j];
            if (!is_everything(rule) &&
                (old->type != rule->type || old->major != rule->major || old->minor != rule->minor))
                spec->device_rules[kept++] = *old;
        }
        n = kept;
    }
    spec->device_rule_count = n;
    return 0;
}

int cgroups_set_devices(const struct cgroup *cgroup, const struct oci_config *config, struct err *err) {
    struct spec spec = {0};

    if (cgroup->version == 1 && cgroup->dir[CGROUP_DEVICES] >= 0) {
        if (set_rules_v1(cgroup->dir[CGROUP_DEVICES], config))
            return err_sys_as(err, ERR_CGROUP, errno, "cannot set the devices of cgroup \"%s\"",
                              cgroup->path);
        return 0;
    }
    if (cgroup->version != 2)
        return 0;
    int rc = flatten_rules(config, &spec, err);
    for (size_t i = 0; rc == 0 && i < spec.device_rule_count; i++)
        if (spec.device_rules[i].type == 'a' && spec.device_rules[i].major < 0) {
            free(spec.device_rules);
            return 0; /* everything is allowed: no program is needed */
        }
    rc = rc ? rc : cgroup_v2_allow_devices(cgroup->dir[0], &spec, err);
    free(spec.device_rules);
    return rc;
}
