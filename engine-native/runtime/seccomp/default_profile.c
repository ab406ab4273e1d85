/* See default_profile.h. filter.c says the same in BPF, and why. */
#include "default_profile.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "facts.h"
#include "filter.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NAMESPACE_FLAGS 0x7E020000U
#define LAST_FAMILY 45U

static const struct fact {
    const char *name;
    uint64_t caps; /* 0: always allowed; else with this one */
    int rule;
} facts[] = {
#define ANY(call) {#call, 0, RULE_NONE},
#define CAP(cap, call) {#call, 1ULL << CAP_##cap, RULE_NONE},
#define RULE(rule, call) {#call, 0, RULE_##rule},
    SECCOMP_FACTS(ANY, CAP, RULE)};

static void open_rule(struct json_out *out) {
    json_open_object(out);
    json_put_string(out, "action", "SCMP_ACT_ALLOW");
    json_key(out, "names");
    json_open_array(out);
}

static void put_call_with(struct json_out *out, const char *call, const char *op, uint64_t value,
                          uint64_t value_two) {
    open_rule(out);
    json_string(out, call);
    json_close_array(out);
    json_key(out, "args");
    json_open_array(out);
    json_open_object(out);
    json_put_int(out, "index", 0);
    json_put_string(out, "op", op);
    json_put_uint(out, "value", value);
    json_put_uint(out, "valueTwo", value_two);
    json_close_object(out);
    json_close_array(out);
    json_close_object(out);
}

static void put_checked_calls(struct json_out *out, uint64_t caps) {
    static const uint32_t families[] = {12, 19, 20, 23, 25, 34, 37, 38, 40}; /* refused */
    static const uint32_t personalities[] = {0, 8, 0x20000, 0x20008, 0xffffffff};

    if (!(caps & (1ULL << CAP_SYS_ADMIN)))
        put_call_with(out, "clone", "SCMP_CMP_MASKED_EQ", NAMESPACE_FLAGS, 0);
    for (uint32_t family = 0, i = 0; family <= LAST_FAMILY; family++) {
        if (i < COUNT(families) && families[i] == family)
            i++;
        else
            put_call_with(out, "socket", "SCMP_CMP_EQ", family, 0);
    }
    for (size_t i = 0; i < COUNT(personalities); i++)
        put_call_with(out, "personality", "SCMP_CMP_EQ", personalities[i], 0);
}

/* A libc falls back from ENOSYS to clone, whose flags a filter can read. */
static void put_clone3(struct json_out *out) {
    json_open_object(out);
    json_key(out, "names");
    json_open_array(out);
    json_string(out, "clone3");
    json_close_array(out);
    json_put_string(out, "action", "SCMP_ACT_ERRNO");
    json_put_int(out, "errnoRet", ENOSYS);
    json_close_object(out);
}

static bool is_allowed(const struct fact *fact, uint64_t caps) {
    if (fact->rule == RULE_CLONE)
        return caps & (1ULL << CAP_SYS_ADMIN);
    return fact->rule == RULE_NONE && (fact->caps == 0 || (fact->caps & caps));
}

void seccomp_put_default_profile(struct json_out *out, uint64_t caps) {
    json_open_object(out);
    json_put_string(out, "defaultAction", "SCMP_ACT_ERRNO");
    json_put_int(out, "defaultErrnoRet", EPERM);
    json_key(out, "architectures");
    json_open_array(out);
#ifdef __x86_64__
    json_string(out, "SCMP_ARCH_X86_64");
#else
    json_string(out, "SCMP_ARCH_AARCH64");
#endif
    json_close_array(out);
    json_key(out, "syscalls");
    json_open_array(out);
    open_rule(out);
    for (size_t i = 0; i < COUNT(facts); i++)
        if (is_allowed(&facts[i], caps))
            json_string(out, facts[i].name);
    json_close_array(out);
    json_close_object(out);
    put_checked_calls(out, caps);
    if (!(caps & (1ULL << CAP_SYS_ADMIN)))
        put_clone3(out);
    json_close_array(out);
    json_close_object(out);
}
