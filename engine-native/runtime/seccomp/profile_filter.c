/* Rules to BPF: for each architecture a balanced tree over system call numbers whose leaves are verdicts or
 * chains of conditional rules. The verdict of a number above every number the profile names is ENOSYS where
 * the default is an error: the call is newer than the profile, and a libc falls back from ENOSYS but fails on
 * EPERM. */
#include "profile_rules.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#define SECOND_ARCH AUDIT_ARCH_I386
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#define SECOND_ARCH AUDIT_ARCH_ARM
#else
#error "no system call table for this architecture"
#endif

#define X32_BIT 0x40000000U

static void emit(struct seccomp_program *p, uint16_t code, uint32_t k, size_t jt, size_t jf) {
    if (p->len < SECCOMP_PROFILE_MAX)
        p->insns[p->len] = (struct sock_filter){code, (uint8_t)jt, (uint8_t)jf, k};
    p->len++;
}

static void emit_return(struct seccomp_program *p, uint32_t action) {
    emit(p, BPF_RET | BPF_K, action, 0, 0);
}

static void emit_load(struct seccomp_program *p, size_t offset) {
    emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* Instructions of one condition; those that must leave the rule are given 255 as a mark and patched at its
 * end. */
#define LEAVE 255

static void emit_mask(struct seccomp_program *p, uint32_t mask) {
    if (mask != UINT32_MAX)
        emit(p, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
}

static void emit_equal(struct seccomp_program *p, size_t low, uint64_t mask, uint64_t value) {
    emit_load(p, low + 4);
    emit_mask(p, (uint32_t)(mask >> 32));
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value >> 32), 0, LEAVE);
    emit_load(p, low);
    emit_mask(p, (uint32_t)mask);
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)value, 0, LEAVE);
}

/* greater: arg > or >= value; otherwise arg < or <=. The high halves decide unless they are equal. */
static void emit_order(struct seccomp_program *p, size_t low, uint64_t value, bool greater, bool or_equal) {
    uint16_t last =
        greater == or_equal ? BPF_JGE : BPF_JGT; /* arg < v is !(arg >= v), arg <= v is !(arg > v) */

    emit_load(p, low + 4);
    if (greater) {
        emit(p, BPF_JMP | BPF_JGT | BPF_K, (uint32_t)(value >> 32), 3, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value >> 32), 0, LEAVE);
    } else {
        emit(p, BPF_JMP | BPF_JGT | BPF_K, (uint32_t)(value >> 32), LEAVE, 0);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value >> 32), 0, 2);
    }
    emit_load(p, low);
    emit(p, BPF_JMP | last | BPF_K, (uint32_t)value, greater ? 0 : LEAVE, greater ? LEAVE : 0);
}

static void emit_condition(struct seccomp_program *p, const struct profile_condition *c) {
    size_t low = offsetof(struct seccomp_data, args[0]) + c->arg * sizeof(uint64_t);

    switch (c->op) {
    case OP_EQ:
        emit_equal(p, low, UINT64_MAX, c->value);
        break;
    case OP_MASKED_EQ:
        emit_equal(p, low, c->value, c->second);
        break;
    case OP_NE:
        emit_load(p, low + 4);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(c->value >> 32), 0, 2);
        emit_load(p, low);
        emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)c->value, LEAVE, 0);
        break;
    case OP_GT:
    case OP_GE:
        emit_order(p, low, c->value, true, c->op == OP_GE);
        break;
    default:
        emit_order(p, low, c->value, false, c->op == OP_LE);
        break;
    }
}

/* A rule is at most 6 conditions of 6 instructions, so that its end is always within reach. */
static void emit_rule(struct seccomp_program *p, const struct profile_rule *rule) {
    size_t start = p->len;

    for (size_t i = 0; i < rule->condition_count; i++)
        emit_condition(p, &rule->conditions[i]);
    emit_return(p, rule->action);
    for (size_t i = start; i < p->len && i < SECCOMP_PROFILE_MAX; i++) {
        struct sock_filter *insn = &p->insns[i];
        if (BPF_CLASS(insn->code) != BPF_JMP)
            continue;
        if (insn->jt == LEAVE)
            insn->jt = (uint8_t)(p->len - i - 1);
        if (insn->jf == LEAVE)
            insn->jf = (uint8_t)(p->len - i - 1);
    }
}

/* A range of numbers with one verdict: rules[0..rule_count), then `action`. */
struct segment {
    uint32_t first, action;
    const struct profile_rule *rules;
    size_t rule_count;
};

static void emit_leaf(struct seccomp_program *p, const struct segment *s) {
    for (size_t i = 0; i < s->rule_count; i++) {
        emit_rule(p, &s->rules[i]);
        if (s->rules[i].condition_count == 0)
            return;
    }
    emit_return(p, s->action);
}

static void emit_tree(struct seccomp_program *p, const struct segment *s,
                      size_t n) { // NOLINT(misc-no-recursion)
    if (n == 1) {
        emit_leaf(p, s);
        return;
    }
    size_t half = n / 2, jump = p->len;
    emit(p, BPF_JMP | BPF_JGE | BPF_K, s[half].first, 0, 1);
    emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
    emit_tree(p, s, half);
    if (jump + 1 < SECCOMP_PROFILE_MAX)
        p->insns[jump + 1].k = (uint32_t)(p->len - jump - 2);
    emit_tree(p, s + half, n - half);
}

static size_t append(struct segment *s, size_t n, struct segment next) {
    if (n > 0 && next.rule_count == 0 && s[n - 1].rule_count == 0 && s[n - 1].action == next.action)
        return n;
    s[n] = next;
    return n + 1;
}

static uint32_t newer_action(uint32_t action) {
    return (action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO ? SECCOMP_RET_ERRNO | ENOSYS : action;
}

/* The rules are sorted by the number that `second` chooses; those that are not there come first. */
static int emit_architecture(const struct profile *profile, bool second, struct seccomp_program *out) {
    struct segment *s = calloc(2 * profile->rule_count + 2, sizeof(*s));
    uint32_t next = 0;
    size_t n = 0;

    if (!s)
        return -1;
    for (size_t i = 0, end; i < profile->rule_count; i = end) {
        const struct profile_rule *rules = &profile->rules[i];
        int32_t nr = second ? rules->second : rules->native;
        for (end = i + 1; end < profile->rule_count; end++)
            if ((second ? profile->rules[end].second : profile->rules[end].native) != nr)
                break;
        if (nr < 0)
            continue;
        if ((uint32_t)nr > next)
            n = append(s, n, (struct segment){next, profile->default_action, NULL, 0});
        bool constant = rules->condition_count == 0;
        n = append(s, n,
                   constant ? (struct segment){(uint32_t)nr, rules->action, NULL, 0}
                            : (struct segment){(uint32_t)nr, profile->default_action, rules, end - i});
        next = (uint32_t)nr + 1;
    }
    n = append(s, n, (struct segment){next, newer_action(profile->default_action), NULL, 0});
    emit_tree(out, s, n);
    free(s);
    return 0;
}

static int by_native(const void *a, const void *b) {
    const struct profile_rule *x = a, *y = b;
    if (x->native != y->native)
        return x->native < y->native ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static int by_second(const void *a, const void *b) {
    const struct profile_rule *x = a, *y = b;
    if (x->second != y->second)
        return x->second < y->second ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void sort_rules(struct profile *profile, int (*order)(const void *, const void *)) {
    if (profile->rule_count > 0)
        qsort(profile->rules, profile->rule_count, sizeof(profile->rules[0]), order);
}

static void emit_native_number(const struct profile *profile, struct seccomp_program *out) {
    emit_load(out, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    /* -1 is what a tracer writes to skip a call; it is no x32 call. */
    emit(out, BPF_JMP | BPF_JEQ | BPF_K, 0xffffffffU, 2, 0);
    emit(out, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    if (profile->is_x32_allowed)
        emit(out, BPF_ALU | BPF_AND | BPF_K, ~X32_BIT, 0, 0);
    else
        emit_return(out, SECCOMP_RET_KILL_PROCESS);
#else
    (void)profile;
#endif
}

int profile_emit(struct profile *profile, struct seccomp_program *out) {
    out->len = 0;
    emit_load(out, offsetof(struct seccomp_data, arch));
    emit(out, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
    size_t jump = out->len;
    emit(out, BPF_JMP | BPF_JA, 0, 0, 0);
    emit_native_number(profile, out);
    sort_rules(profile, by_native);
    if (emit_architecture(profile, false, out))
        return -1;
    if (jump < SECCOMP_PROFILE_MAX)
        out->insns[jump].k = (uint32_t)(out->len - jump - 1);
    if (profile->is_second_allowed) {
        emit(out, BPF_JMP | BPF_JEQ | BPF_K, SECOND_ARCH, 1, 0);
        emit_return(out, SECCOMP_RET_KILL_PROCESS);
        emit_load(out, offsetof(struct seccomp_data, nr));
        sort_rules(profile, by_second);
        if (emit_architecture(profile, true, out))
            return -1;
    } else {
        emit_return(out, SECCOMP_RET_KILL_PROCESS);
    }
    return out->len > SECCOMP_PROFILE_MAX ? -1 : 0;
}

int seccomp_program_load(const struct seccomp_program *program) {
    struct sock_fprog prog = {(unsigned short)program->len, (struct sock_filter *)(uintptr_t)program->insns};

    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, program->flags, &prog);
}
