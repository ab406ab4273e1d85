/* Reads a profile. See profile.h. */
#include "profile.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/cleanup.h"
#include "profile_rules.h"

struct syscall_name {
    const char *name;
    long native, second;
};

#include "syscall_names.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RULES_MAX 16384

static int by_name(const void *key, const void *entry) {
    return strcmp(key, ((const struct syscall_name *)entry)->name);
}

/* errnoRet belongs to ERRNO and TRACE alone. */
static int read_action(const char *name, const struct json *object, const char *errno_key, uint32_t *action,
                       struct err *err) {
    static const struct {
        const char *name;
        uint32_t action;
    } actions[] = {
        {"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
        {"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
        {"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
        {"SCMP_ACT_TRAP", SECCOMP_RET_TRAP},
        {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
        {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE},
        {"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW},
        {"SCMP_ACT_LOG", SECCOMP_RET_LOG},
    };
    int64_t number = EPERM;

    if (json_opt_int(object, errno_key, 0, SECCOMP_RET_DATA, &number, err))
        return -1;
    for (size_t i = 0; i < COUNT(actions); i++) {
        if (strcmp(actions[i].name, name) != 0)
            continue;
        *action = actions[i].action;
        if (*action == SECCOMP_RET_ERRNO || *action == SECCOMP_RET_TRACE)
            *action |= (uint32_t)number;
        return 0;
    }
    if (strcmp(name, "SCMP_ACT_NOTIFY") == 0)
        return err_set(err, ERR_UNSUPPORTED, "seccomp action \"%s\" is not supported", name);
    return err_set(err, ERR_BAD_REQUEST, "seccomp action \"%s\" is not known", name);
}

static int read_architectures(const struct json *object, struct profile *profile, struct err *err) {
    const struct json *array = NULL;

    if (json_opt_array(object, "architectures", &array, err))
        return -1;
    json_each(item, array) {
        if (item->type != JSON_STRING || strncmp(item->string.text, "SCMP_ARCH_", 10) != 0)
            return err_set(err, ERR_BAD_REQUEST, "seccomp architecture \"%s\" is not known",
                           item->type == JSON_STRING ? item->string.text : "?");
        const char *name = item->string.text + 10;
        /* Those of other machines never run here. */
#ifdef __x86_64__
        profile->is_second_allowed |= strcmp(name, "X86") == 0;
        profile->is_x32_allowed |= strcmp(name, "X32") == 0;
#else
        (void)name;
#endif
    }
    return 0;
}

static int read_flags(const struct json *object, unsigned *flags, struct err *err) {
    static const struct {
        const char *name;
        unsigned long flag;
    } names[] = {
        {"SECCOMP_FILTER_FLAG_TSYNC", 0}, /* there is one thread when it is loaded */
        {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
        {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    };
    const struct json *array = NULL;

    if (json_opt_array(object, "flags", &array, err))
        return -1;
    /* Without a word about it: SPEC_ALLOW, as every runtime does, or the whole container is slowed down by
     * the store bypass mitigation. */
    *flags = array ? 0 : SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    json_each(item, array) {
        size_t i = 0;
        const char *name = item->type == JSON_STRING ? item->string.text : "?";
        while (i < COUNT(names) && strcmp(names[i].name, name) != 0)
            i++;
        if (i == COUNT(names))
            return err_set(err, ERR_UNSUPPORTED, "seccomp flag \"%s\" is not supported", name);
        *flags |= (unsigned)names[i].flag;
    }
    return 0;
}

static int read_condition(const struct json *object, struct profile_condition *c, struct err *err) {
    static const char *const ops[] = {
        [OP_NE] = "SCMP_CMP_NE",
        [OP_LT] = "SCMP_CMP_LT",
        [OP_LE] = "SCMP_CMP_LE",
        [OP_EQ] = "SCMP_CMP_EQ",
        [OP_GE] = "SCMP_CMP_GE",
        [OP_GT] = "SCMP_CMP_GT",
        [OP_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
    };
    const char *op = NULL;
    int64_t index = 0;
    size_t i = 0;

    if (json_need_int(object, "index", 0, 5, &index, err) || json_need_string(object, "op", &op, err) ||
        json_opt_uint(object, "value", &c->value, err) || json_opt_uint(object, "valueTwo", &c->second, err))
        return -1;
    while (i < COUNT(ops) && strcmp(ops[i], op) != 0)
        i++;
    if (i == COUNT(ops))
        return err_set(err, ERR_BAD_REQUEST, "seccomp operator \"%s\" is not known", op);
    c->arg = (unsigned)index;
    c->op = (enum profile_op)i;
    return 0;
}

static int add_rule(struct profile *profile, const struct profile_rule *rule, struct err *err) {
    if (profile->rule_count == RULES_MAX)
        return err_set(err, ERR_BAD_REQUEST, "the seccomp profile has more than %d rules", RULES_MAX);
    if (profile->rule_count == profile->rule_room) {
        size_t room = profile->rule_room ? 2 * profile->rule_room : 512;
        struct profile_rule *rules = realloc(profile->rules, room * sizeof(*rules));
        if (!rules)
            return err_sys(err, ENOMEM, "cannot hold the seccomp profile");
        profile->rules = rules;
        profile->rule_room = room;
    }
    profile->rules[profile->rule_count] = *rule;
    profile->rules[profile->rule_count].order = (uint32_t)profile->rule_count;
    profile->rule_count++;
    return 0;
}

/* Conditions on different arguments must all hold. Several on one argument are alternatives, as libseccomp's
 * callers have always read them: each becomes a rule of its own. */
static bool has_repeated_argument(const struct profile_rule *rule) {
    unsigned seen = 0;

    for (size_t i = 0; i < rule->condition_count; i++) {
        if (seen & (1U << rule->conditions[i].arg))
            return true;
        seen |= 1U << rule->conditions[i].arg;
    }
    return false;
}

static int add_for_name(struct profile *profile, const char *name, const struct profile_rule *rule,
                        struct err *err) {
    const struct syscall_name *known =
        bsearch(name, syscall_names, COUNT(syscall_names), sizeof(syscall_names[0]), by_name);
    struct profile_rule one = *rule;

    if (!known)
        return 0; /* of another architecture, or newer than our headers: the default verdict holds */
    one.native = (int32_t)known->native;
    one.second = (int32_t)known->second;
    if (!has_repeated_argument(rule))
        return add_rule(profile, &one, err);
    one.condition_count = 1;
    for (size_t i = 0; i < rule->condition_count; i++) {
        one.conditions[0] = rule->conditions[i];
        if (add_rule(profile, &one, err))
            return -1;
    }
    return 0;
}

static int read_entry(const struct json *object, struct profile *profile, struct err *err) {
    const struct json *names = NULL, *args = NULL;
    const char *action = NULL;
    struct profile_rule rule = {.native = -1, .second = -1};

    if (json_need_string(object, "action", &action, err) || json_opt_array(object, "names", &names, err) ||
        json_opt_array(object, "args", &args, err) ||
        read_action(action, object, "errnoRet", &rule.action, err))
        return -1;
    if (args && args->list.count > PROFILE_CONDITIONS)
        return err_set(err, ERR_BAD_REQUEST, "a seccomp rule has more than %d arguments", PROFILE_CONDITIONS);
    json_each(item, args) {
        if (read_condition(item, &rule.conditions[rule.condition_count++], err))
            return -1;
    }
    if (rule.action == profile->default_action && rule.condition_count == 0)
        return 0;
    json_each(item, names) {
        if (item->type != JSON_STRING)
            return err_set(err, ERR_BAD_REQUEST, "every name of a seccomp rule must be a string");
        if (add_for_name(profile, item->string.text, &rule, err))
            return -1;
    }
    return 0;
}

static int read_profile(const struct json *object, struct profile *profile, struct err *err) {
    const struct json *entries = NULL;
    const char *action = NULL, *listener = NULL;

    if (json_need_string(object, "defaultAction", &action, err) ||
        json_opt_string(object, "listenerPath", &listener, err) ||
        json_opt_array(object, "syscalls", &entries, err) ||
        read_action(action, object, "defaultErrnoRet", &profile->default_action, err) ||
        read_architectures(object, profile, err))
        return -1;
    json_each(item, entries) {
        if (read_entry(item, profile, err))
            return -1;
    }
    return 0;
}

struct seccomp_program *seccomp_profile_compile(const struct json *object, struct err *err) {
    struct profile profile = {0};
    auto_free struct seccomp_program *program = calloc(1, sizeof(*program));
    int rc = -1;

    if (!program)
        (void)err_sys(err, ENOMEM, "cannot hold the seccomp filter");
    else if (read_profile(object, &profile, err) == 0 && read_flags(object, &program->flags, err) == 0) {
        rc = profile_emit(&profile, program);
        if (rc)
            (void)err_set(err, ERR_UNSUPPORTED, "the seccomp profile needs more than %d instructions",
                          SECCOMP_PROFILE_MAX);
    }
    free(profile.rules);
    return rc ? NULL : steal_pointer(&program);
}
