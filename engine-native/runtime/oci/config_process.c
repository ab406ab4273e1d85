/* config.json: the process, of a bundle or of an exec. See config.h. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "../shim/spec_names.h"
#include "config.h"

#define IOPRIO_CLASS_SHIFT 13

static int read_user(const struct json *process, struct arena *arena, struct oci_process *out,
                     struct err *err) {
    const struct json *object = NULL, *array = NULL;
    int64_t uid = 0, gid = 0;

    out->umask = -1;
    if (json_opt_object(process, "user", &object, err) ||
        json_opt_int(object, "uid", 0, UINT32_MAX - 1, &uid, err) ||
        json_opt_int(object, "gid", 0, UINT32_MAX - 1, &gid, err) ||
        json_opt_int(object, "umask", 0, 0777, &out->umask, err) ||
        json_opt_array(object, "additionalGids", &array, err))
        return -1;
    out->uid = (uint32_t)uid;
    out->gid = (uint32_t)gid;
    if (array && array->list.count > IDENTITY_GROUPS_MAX - 1)
        return err_set(err, ERR_BAD_REQUEST, "\"additionalGids\" has more than %d groups",
                       IDENTITY_GROUPS_MAX - 1);
    out->groups = arena_take(arena, sizeof(gid_t) * ((array ? array->list.count : 0) + 1));
    if (!out->groups)
        return err_sys(err, ENOMEM, "cannot hold the groups");
    json_each(item, array) {
        if (item->type != JSON_INT || item->integer < 0 || item->integer >= UINT32_MAX)
            return err_set(err, ERR_BAD_REQUEST, "every element of \"additionalGids\" must be a group");
        out->groups[out->group_count++] = (gid_t)item->integer;
    }
    return 0;
}

static int read_capability_set(const struct json *object, const char *key, struct arena *arena, uint64_t *set,
                               struct err *err) {
    char **names;

    if (config_strings(object, key, arena, &names, NULL, err))
        return -1;
    for (; *names; names++) {
        int cap = strncmp(*names, "CAP_", 4) == 0 ? capability_by_name(*names) : -1;
        if (cap < 0)
            return err_set(err, ERR_BAD_REQUEST, "capability \"%s\" is not known", *names);
        *set |= 1ULL << cap;
    }
    return 0;
}

static int read_capabilities(const struct json *process, struct arena *arena, struct capability_sets *sets,
                             struct err *err) {
    const struct json *object = NULL;

    return json_opt_object(process, "capabilities", &object, err) ||
                   read_capability_set(object, "bounding", arena, &sets->bounding, err) ||
                   read_capability_set(object, "effective", arena, &sets->effective, err) ||
                   read_capability_set(object, "permitted", arena, &sets->permitted, err) ||
                   read_capability_set(object, "inheritable", arena, &sets->inheritable, err) ||
                   read_capability_set(object, "ambient", arena, &sets->ambient, err)
               ? -1
               : 0;
}

static int read_rlimit(const struct json *item, struct arena *arena, void *slot, struct err *err) {
    struct rlimit_spec *limit = slot;
    const char *type;

    (void)arena;
    if (json_need_string(item, "type", &type, err) || json_opt_uint(item, "soft", &limit->soft, err) ||
        json_opt_uint(item, "hard", &limit->hard, err))
        return -1;
    limit->resource = strncmp(type, "RLIMIT_", 7) == 0 ? rlimit_by_name(type) : -1;
    if (limit->resource < 0)
        return err_set(err, ERR_BAD_REQUEST, "wrong rlimit value: %s", type);
    return 0;
}

static int check_rlimits(const struct oci_process *process, struct err *err) {
    for (size_t i = 0; i < process->rlimit_count; i++)
        for (size_t j = 0; j < i; j++)
            if (process->rlimits[i].resource == process->rlimits[j].resource)
                return err_set(err, ERR_BAD_REQUEST, "an rlimit is given twice");
    return 0;
}

static int read_io_priority(const struct json *process, int *priority, struct err *err) {
    static const char *const classes[] = {"", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"};
    const struct json *object = NULL;
    const char *name = "";
    int64_t level = 0;

    *priority = -1;
    if (json_opt_object(process, "ioPriority", &object, err) ||
        json_opt_string(object, "class", &name, err) || json_opt_int(object, "priority", 0, 7, &level, err))
        return -1;
    for (int class = 1; object && class < 4; class ++)
        if (strcmp(classes[class], name) == 0)
            *priority = (class << IOPRIO_CLASS_SHIFT) | (int)level;
    if (object && *priority < 0)
        return err_set(err, ERR_BAD_REQUEST, "ioPriority class \"%s\" is not known", name);
    return 0;
}

static int read_terminal(const struct json *process, struct process_spec *program, struct err *err) {
    const struct json *size = NULL;

    return json_opt_bool(process, "terminal", &program->tty, err) ||
                   json_opt_object(process, "consoleSize", &size, err) ||
                   json_opt_int(size, "height", 0, UINT16_MAX, &program->rows, err) ||
                   json_opt_int(size, "width", 0, UINT16_MAX, &program->cols, err)
               ? -1
               : 0;
}

static int read_oom_score(const struct json *object, struct oci_process *process, struct err *err) {
    process->has_oom_score = json_get(object, "oomScoreAdj") != NULL;
    return json_opt_int(object, "oomScoreAdj", -1000, 1000, &process->oom_score_adj, err);
}

static int refuse_unsupported(const struct json *object, struct err *err) {
    static const char *const keys[] = {"scheduler", "execCPUAffinity"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (json_get(object, keys[i]))
            return err_set(err, ERR_UNSUPPORTED, "\"%s\" is not supported", keys[i]);
    return 0;
}

int config_read_process(const struct json *object, struct arena *arena, struct oci_process *process,
                        struct err *err) {
    size_t arg_count;

    *process = (struct oci_process){.program = {.cwd = "/", .user = ""}};
    if (config_strings(object, "args", arena, &process->program.args, &arg_count, err) ||
        config_strings(object, "env", arena, &process->program.env, NULL, err) ||
        json_need_string(object, "cwd", &process->program.cwd, err) ||
        read_terminal(object, &process->program, err) || read_user(object, arena, process, err) ||
        read_capabilities(object, arena, &process->capabilities, err) ||
        config_list(object, "rlimits", sizeof(struct rlimit_spec), read_rlimit, arena, &process->rlimits,
                    &process->rlimit_count, err) ||
        check_rlimits(process, err) ||
        json_opt_bool(object, "noNewPrivileges", &process->no_new_privileges, err) ||
        read_oom_score(object, process, err) || read_io_priority(object, &process->io_priority, err) ||
        refuse_unsupported(object, err))
        return -1;
    if (arg_count == 0 || process->program.args[0][0] == '\0')
        return err_set(err, ERR_BAD_REQUEST, "\"args\" must name a command");
    if (process->program.cwd[0] != '/')
        return err_set(err, ERR_BAD_REQUEST, "working directory \"%s\" must be an absolute path",
                       process->program.cwd);
    return 0;
}
