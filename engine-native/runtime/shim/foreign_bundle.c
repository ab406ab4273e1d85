/* See foreign_bundle.h. */
#include "foreign_bundle.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "../seccomp/default_profile.h"
#include "spec_names.h"

static void put_strings(struct json_out *out, const char *key, char *const *strings) {
    json_key(out, key);
    json_open_array(out);
    for (; *strings; strings++)
        json_string(out, *strings);
    json_close_array(out);
}

static bool has_variable(char *const *env, const char *name) {
    size_t len = strlen(name);

    for (; *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return true;
    return false;
}

static void put_environment(struct json_out *out, const struct process_spec *process,
                            const struct identity *identity) {
    char home[PATH_MAX + 8];

    json_key(out, "env");
    json_open_array(out);
    for (char **variable = process->env; *variable; variable++)
        json_string(out, *variable);
    if (!has_variable(process->env, "HOME")) {
        (void)snprintf(home, sizeof(home), "HOME=%s", identity->home);
        json_string(out, home);
    }
    if (process->tty && !has_variable(process->env, "TERM"))
        json_string(out, "TERM=xterm");
    json_close_array(out);
}

static void put_user(struct json_out *out, const struct identity *identity) {
    json_key(out, "user");
    json_open_object(out);
    json_put_uint(out, "uid", identity->uid);
    json_put_uint(out, "gid", identity->gid);
    json_put_int(out, "umask", 022);
    json_key(out, "additionalGids");
    json_open_array(out);
    for (int i = 0; i < identity->group_count; i++)
        json_uint(out, identity->groups[i]);
    json_close_array(out);
    json_close_object(out);
}

static void put_capabilities(struct json_out *out, uint64_t capabilities, bool is_root) {
    static const char *const sets[] = {"bounding", "permitted", "effective"};

    json_key(out, "capabilities");
    json_open_object(out);
    /* As the shim does: a user who is not root holds none, and can get those of its bounding set only. */
    for (size_t i = 0; i < (is_root ? 3 : 1); i++) {
        json_key(out, sets[i]);
        json_open_array(out);
        for (int cap = 0; capability_name(cap); cap++) {
            char name[32];
            (void)snprintf(name, sizeof(name), "CAP_%s", capability_name(cap));
            /* What we do not have nobody gets; a runtime that is asked for more refuses the start. */
            if ((capabilities & (1ULL << cap)) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
                json_string(out, name);
        }
        json_close_array(out);
    }
    json_close_object(out);
}

static void put_rlimits(struct json_out *out, const struct spec *spec) {
    json_key(out, "rlimits");
    json_open_array(out);
    for (size_t i = 0; i < spec->rlimit_count; i++) {
        const struct rlimit_spec *limit = &spec->rlimits[i];
        char name[32];
        size_t len = (size_t)snprintf(name, sizeof(name), "RLIMIT_%s", rlimit_name(limit->resource));
        for (size_t c = 0; c < len && c < sizeof(name); c++)
            name[c] = (char)toupper((unsigned char)name[c]);
        json_open_object(out);
        json_put_string(out, "type", name);
        json_put_uint(out, "soft", limit->soft);
        json_put_uint(out, "hard", limit->hard);
        json_close_object(out);
    }
    json_close_array(out);
}

void foreign_put_process(struct json_out *out, const struct spec *spec, const struct process_spec *process,
                         const struct identity *identity, bool privileged) {
    const struct json *given = json_get(spec->runtime.config, "process");

    json_open_object(out);
    json_each(item, given) {
        json_key(out, item->key);
        json_raw(out, item->raw, item->raw_len);
    }
    json_put_bool(out, "terminal", process->tty);
    if (process->tty && process->rows > 0 && process->cols > 0) {
        json_key(out, "consoleSize");
        json_open_object(out);
        json_put_int(out, "height", process->rows);
        json_put_int(out, "width", process->cols);
        json_close_object(out);
    }
    put_user(out, identity);
    put_strings(out, "args", process->args);
    put_environment(out, process, identity);
    json_put_string(out, "cwd", process->cwd);
    put_capabilities(out, privileged ? spec_all_capabilities() : spec->capabilities, identity->uid == 0);
    put_rlimits(out, spec);
    json_put_bool(out, "noNewPrivileges", spec->no_new_privileges && !privileged);
    json_close_object(out);
}

static void put_linux(struct json_out *out, const struct spec *spec, const struct json *given) {
    json_key(out, "linux");
    json_open_object(out);
    json_each(item, given) {
        json_key(out, item->key);
        json_raw(out, item->raw, item->raw_len);
    }
    if (spec->seccomp) {
        json_key(out, "seccomp");
        if (spec->seccomp_profile)
            json_raw(out, spec->seccomp_profile->raw, spec->seccomp_profile->raw_len);
        else
            seccomp_put_default_profile(out, spec->capabilities);
    }
    json_close_object(out);
}

void foreign_put_config(struct json_out *out, const struct spec *spec, const struct identity *identity) {
    json_open_object(out);
    json_each(item, spec->runtime.config) {
        if (strcmp(item->key, "process") == 0 || strcmp(item->key, "linux") == 0)
            continue;
        json_key(out, item->key);
        json_raw(out, item->raw, item->raw_len);
    }
    json_key(out, "process");
    foreign_put_process(out, spec, &spec->process, identity, false);
    put_linux(out, spec, json_get(spec->runtime.config, "linux"));
    json_close_object(out);
}

static bool is_error(const struct json *line) {
    struct err ignored = {0};
    const char *level = "";

    (void)json_opt_string(line, "level", &level, &ignored);
    return strcmp(level, "error") == 0 || strcmp(level, "fatal") == 0;
}

/* `text` is one line: an error of a JSON log, or, where it is no JSON, whatever it says. */
static void take_line(const char *text, size_t len, char *message, size_t size) {
    struct err ignored = {0};
    auto_json struct json_doc *doc = json_parse(text, len, &ignored);
    const char *told = NULL;

    if (!doc)
        (void)snprintf(message, size, "%.*s", (int)len, text);
    else if (is_error(json_root(doc)) && json_opt_string(json_root(doc), "msg", &told, &ignored) == 0 && told)
        (void)snprintf(message, size, "%s", told);
}

void foreign_last_error(const char *log, size_t len, char *message, size_t size) {
    message[0] = '\0';
    while (len > 0) {
        const char *end = memchr(log, '\n', len);
        size_t line = end ? (size_t)(end - log) : len;
        if (line > 0)
            take_line(log, line, message, size);
        len -= line + (end != NULL);
        log += line + (end != NULL);
    }
}
