/* What the two halves of a profile share: profile.c reads rules, profile_filter.c emits them. */
#pragma once

#include <stdbool.h>

#include "profile.h"

enum profile_op { OP_NE, OP_LT, OP_LE, OP_EQ, OP_GE, OP_GT, OP_MASKED_EQ };

struct profile_condition {
    unsigned arg;
    enum profile_op op;
    uint64_t value, second; /* OP_MASKED_EQ: the mask, and what is left under it */
};

#define PROFILE_CONDITIONS 6

/* One verdict for one system call; all its conditions must hold. */
struct profile_rule {
    int32_t native, second; /* numbers of the two architectures, -1: not there */
    uint32_t order;         /* of writing: the first that holds decides */
    uint32_t action;        /* SECCOMP_RET_* with its data */
    size_t condition_count;
    struct profile_condition conditions[PROFILE_CONDITIONS];
};

struct profile {
    uint32_t default_action;
    bool is_second_allowed, is_x32_allowed;
    struct profile_rule *rules;
    size_t rule_count, rule_room;
};

/* -1 when the filter would be longer than the kernel takes. Reorders the rules. */
int profile_emit(struct profile *profile, struct seccomp_program *out);
