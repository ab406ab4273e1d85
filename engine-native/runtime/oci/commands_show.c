/* The commands that only tell: state, list, ps, features. See commands.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/cleanup.h"
#include "../shim/spec_names.h"
#include "cgroups.h"
#include "commands.h"
#include "state.h"

static int print(const struct runtime *r, struct json_out *out, struct err *err) {
    if (json_out_finish(out, err))
        return -1;
    r->out(out->data, out->len);
    r->out("\n", 1);
    return 0;
}

static void put_one(const struct state *state, struct json_out *out) {
    json_open_object(out);
    state_put(state, state_status(state), out);
    json_close_object(out);
}

int command_state(const struct runtime *r, struct err *err) {
    auto_json_out struct json_out out = {0};
    struct state state;
    int rc = state_open(r->options->root, r->options->args[0], false, &state, err);

    if (rc == 0) {
        put_one(&state, &out);
        rc = print(r, &out, err);
    }
    state_close(&state);
    return rc;
}

static void show_row(const struct runtime *r, const struct state *state) {
    char line[4096];
    enum status status = state_status(state);
    int len = r->options->quiet ? snprintf(line, sizeof(line), "%s\n", state->id)
                                : snprintf(line, sizeof(line), "%-24s %-11d %-11s %s %s\n", state->id,
                                           status == STATUS_STOPPED ? 0 : state->pid,
                                           state_status_name(status), state->bundle, state->created);

    r->out(line, len < (int)sizeof(line) ? (size_t)len : sizeof(line) - 1);
}

static bool wants_json(const struct options *o) {
    return o->format && strcmp(o->format, "json") == 0;
}

static int check_format(const struct options *o, struct err *err) {
    if (o->format && strcmp(o->format, "json") != 0 && strcmp(o->format, "table") != 0)
        return err_set(err, ERR_BAD_REQUEST, "format \"%s\" is not json or table", o->format);
    return 0;
}

/* A container that goes while we look is not listed. */
int command_list(const struct runtime *r, struct err *err) {
    static const char head[] = "ID                       PID         STATUS      BUNDLE CREATED\n";
    auto_json_out struct json_out out = {0};
    auto_closedir DIR *dir = opendir(r->options->root);

    if (check_format(r->options, err))
        return -1;
    if (!dir && errno != ENOENT)
        return err_sys(err, errno, "cannot read \"%s\"", r->options->root);
    bool is_json = wants_json(r->options);
    if (is_json)
        json_open_array(&out);
    else if (!r->options->quiet)
        r->out(head, sizeof(head) - 1);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        struct state state;
        struct err ignored = {0};
        if (e->d_name[0] != '.' && state_open(r->options->root, e->d_name, false, &state, &ignored) == 0) {
            if (is_json)
                put_one(&state, &out);
            else
                show_row(r, &state);
        }
        if (e->d_name[0] != '.')
            state_close(&state);
    }
    if (!is_json)
        return 0;
    json_close_array(&out);
    return print(r, &out, err);
}

static void show_process(const struct runtime *r, long pid) {
    char path[64], command[4096], line[4200];

    (void)snprintf(path, sizeof(path), "/proc/%ld/cmdline", pid);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, command, sizeof(command) - 1);
    for (ssize_t i = 0; i < n; i++)
        if ((unsigned char)command[i] < ' ')
            command[i] = ' ';
    command[n > 0 ? n : 0] = '\0';
    int len = snprintf(line, sizeof(line), "%-10ld %s\n", pid, command);
    r->out(line, (size_t)len);
}

static int show_processes(const struct runtime *r, const struct state *state, struct err *err) {
    static const char head[] = "PID        CMD\n";
    auto_json_out struct json_out out = {0};
    auto_free char *text = NULL;
    struct cgroup cgroup;
    size_t len;

    if (cgroups_open(state->cgroup, false, &cgroup, err))
        return -1;
    int dir = cgroup_members_dir(&cgroup);
    text = dir < 0 ? NULL : state_read_file(dir, "cgroup.procs", 1 << 20, &len, err);
    cgroups_close(&cgroup);
    if (!text)
        return err_set(err, ERR_CGROUP, "container \"%s\" has no cgroup to list", state->id);
    bool is_json = wants_json(r->options);
    if (is_json)
        json_open_array(&out);
    else
        r->out(head, sizeof(head) - 1);
    for (char *line = text, *end; *line; line = end + (*end == '\n')) {
        long pid = strtol(line, &end, 10);
        if (end == line)
            break;
        if (is_json)
            json_int(&out, pid);
        else
            show_process(r, pid);
    }
    if (!is_json)
        return 0;
    json_close_array(&out);
    return print(r, &out, err);
}

int command_ps(const struct runtime *r, struct err *err) {
    struct state state;
    int rc = check_format(r->options, err) ||
             state_open(r->options->root, r->options->args[0], false, &state, err);

    if (rc)
        return -1;
    rc = show_processes(r, &state, err);
    state_close(&state);
    return rc;
}

static void put_list(struct json_out *out, const char *key, const char *words) {
    json_key(out, key);
    json_open_array(out);
    for (const char *p = words; *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        json_string_n(out, p, len);
        p += len;
    }
    json_close_array(out);
}

static void put_enabled(struct json_out *out, const char *key, bool enabled) {
    json_key(out, key);
    json_open_object(out);
    json_put_bool(out, "enabled", enabled);
    json_close_object(out);
}

static void put_seccomp(struct json_out *out) {
    json_key(out, "seccomp");
    json_open_object(out);
    json_put_bool(out, "enabled", true);
    put_list(
        out, "actions",
        "SCMP_ACT_ALLOW SCMP_ACT_ERRNO SCMP_ACT_KILL SCMP_ACT_KILL_PROCESS SCMP_ACT_KILL_THREAD SCMP_ACT_LOG "
        "SCMP_ACT_TRACE SCMP_ACT_TRAP");
    put_list(out, "operators",
             "SCMP_CMP_EQ SCMP_CMP_GE SCMP_CMP_GT SCMP_CMP_LE SCMP_CMP_LT SCMP_CMP_MASKED_EQ SCMP_CMP_NE");
#ifdef __x86_64__
    put_list(out, "archs", "SCMP_ARCH_X32 SCMP_ARCH_X86 SCMP_ARCH_X86_64");
#else
    put_list(out, "archs", "SCMP_ARCH_AARCH64");
#endif
    put_list(out, "knownFlags",
             "SECCOMP_FILTER_FLAG_TSYNC SECCOMP_FILTER_FLAG_LOG SECCOMP_FILTER_FLAG_SPEC_ALLOW");
    put_list(out, "supportedFlags",
             "SECCOMP_FILTER_FLAG_TSYNC SECCOMP_FILTER_FLAG_LOG SECCOMP_FILTER_FLAG_SPEC_ALLOW");
    json_close_object(out);
}

static void put_linux(struct json_out *out) {
    json_key(out, "linux");
    json_open_object(out);
    put_list(out, "namespaces", "cgroup ipc mount network pid time user uts");
    json_key(out, "capabilities");
    json_open_array(out);
    for (int cap = 0; capability_name(cap); cap++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "CAP_%s", capability_name(cap));
        json_string(out, name);
    }
    json_close_array(out);
    json_key(out, "cgroup");
    json_open_object(out);
    json_put_bool(out, "v1", true);
    json_put_bool(out, "v2", true);
    json_put_bool(out, "systemd", false);
    json_put_bool(out, "systemdUser", false);
    json_put_bool(out, "rdma", false);
    json_close_object(out);
    put_seccomp(out);
    put_enabled(out, "apparmor", false);
    put_enabled(out, "selinux", false);
    put_enabled(out, "intelRdt", false);
    json_key(out, "mountExtensions");
    json_open_object(out);
    put_enabled(out, "idmap", true);
    json_close_object(out);
    json_close_object(out);
}

int command_features(const struct runtime *r, struct err *err) {
    auto_json_out struct json_out out = {0};

    json_open_object(&out);
    json_put_string(&out, "ociVersionMin", "1.0.0");
    json_put_string(&out, "ociVersionMax", OCI_VERSION);
    put_list(&out, "hooks", "prestart createRuntime createContainer startContainer poststart poststop");
    put_list(&out, "mountOptions", config_mount_words());
    put_linux(&out);
    json_close_object(&out);
    return print(r, &out, err);
}
