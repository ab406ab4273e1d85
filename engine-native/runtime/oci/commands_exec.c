/* What `exec` runs. See commands.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "../shim/spec_names.h"
#include "commands.h"
#include "state.h"

#define PROCESS_LIMIT (8u << 20)

/* Digits alone, and never the value that means "unchanged" to the kernel: what is misread must not become
 * root. */
static int parse_id(const char *text, char stop, uint32_t *id, struct err *err) {
    uint64_t value = 0;
    size_t n = 0;

    for (; text[n] >= '0' && text[n] <= '9' && n < 11; n++)
        value = value * 10 + (uint64_t)(text[n] - '0');
    if (n == 0 || n > 10 || value >= UINT32_MAX || (text[n] != '\0' && text[n] != stop))
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is no number of a user or group", text);
    *id = (uint32_t)value;
    return 0;
}

static int set_user(const char *user, struct oci_process *process, struct err *err) {
    const char *colon = user ? strchr(user, ':') : NULL;

    if (!user)
        return 0;
    if (parse_id(user, ':', &process->uid, err))
        return -1;
    return colon ? parse_id(colon + 1, '\0', &process->gid, err) : 0;
}

static size_t count(char **list) {
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

/* A later word of the same name wins, as in every environment. */
static int add_environment(const struct options *o, struct arena *arena, struct oci_process *process,
                           struct err *err) {
    size_t have = count(process->program.env), more = count(o->env), n = 0;
    char **env = arena_take(arena, (have + more + 1) * sizeof(char *));

    if (!env)
        return err_sys(err, ENOMEM, "cannot hold the environment");
    for (size_t i = 0; i < have + more; i++) {
        char *word = i < have ? process->program.env[i] : o->env[i - have];
        size_t len = strcspn(word, "="), at = 0;
        if (word[len] != '=')
            return err_set(err, ERR_BAD_REQUEST, "environment \"%s\" is not NAME=value", word);
        while (at < n && !(strncmp(env[at], word, len + 1) == 0))
            at++;
        env[at] = word;
        n += at == n;
    }
    process->program.env = env;
    return 0;
}

static int add_groups(const struct options *o, struct arena *arena, struct oci_process *process,
                      struct err *err) {
    size_t more = count(o->groups);
    gid_t *groups = arena_take(arena, (process->group_count + more + 1) * sizeof(gid_t));

    if (!groups || process->group_count + more >= IDENTITY_GROUPS_MAX)
        return err_set(err, ERR_BAD_REQUEST, "too many groups");
    memcpy(groups, process->groups, process->group_count * sizeof(gid_t));
    for (size_t i = 0; i < more; i++)
        if (parse_id(o->groups[i], '\0', &groups[process->group_count++], err))
            return -1;
    process->groups = groups;
    return 0;
}

static int add_capabilities(const struct options *o, struct oci_process *process, struct err *err) {
    for (size_t i = 0; i < count(o->capabilities); i++) {
        int cap = capability_by_name(o->capabilities[i]);
        if (cap < 0)
            return err_set(err, ERR_BAD_REQUEST, "capability \"%s\" is not known", o->capabilities[i]);
        process->capabilities.bounding |= 1ULL << cap;
        process->capabilities.effective |= 1ULL << cap;
        process->capabilities.permitted |= 1ULL << cap;
    }
    return 0;
}

static int read_file(const struct options *o, struct state *state, struct oci_process *process,
                     struct err *err) {
    size_t len;

    state->process_text = state_read_file(AT_FDCWD, o->process_file, PROCESS_LIMIT, &len, err);
    state->process_document = state->process_text ? json_parse(state->process_text, len, err) : NULL;
    if (!state->process_document)
        return -1;
    const struct json *root = json_root(state->process_document);
    if (config_read_process(root, &state->config.arena, process, err))
        return -1;
    if (!json_get(root, "capabilities"))
        process->capabilities = state->config.process.capabilities;
    return 0;
}

int command_exec_process(const struct options *o, struct state *state, struct oci_process *process,
                         struct err *err) {
    if (o->process_file)
        return read_file(o, state, process, err);
    if (!state->config.has_process)
        return err_set(err, ERR_BAD_REQUEST, "container \"%s\" has no \"process\" to go by", state->id);
    if (o->arg_count < 2)
        return err_set(err, ERR_BAD_REQUEST, "\"exec\" needs a command");
    *process = state->config.process;
    process->program.args = o->args + 1;
    process->program.tty = o->tty;
    process->program.cwd = o->cwd ? o->cwd : process->program.cwd;
    process->no_new_privileges |= o->no_new_privileges;
    if (process->program.cwd[0] != '/')
        return err_set(err, ERR_BAD_REQUEST, "working directory \"%s\" must be an absolute path",
                       process->program.cwd);
    return set_user(o->user, process, err) || add_environment(o, &state->config.arena, process, err) ||
                   add_groups(o, &state->config.arena, process, err) || add_capabilities(o, process, err)
               ? -1
               : 0;
}
