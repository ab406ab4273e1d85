/* What a process of the container may do: its ids, capabilities, limits and system calls. Called in the
 * child, right before execve; the order inside is the point of these functions. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../lib/err.h"
#include "identity.h"
#include "spec.h"

struct capability_sets {
    uint64_t bounding, effective, permitted, inheritable, ambient;
};

struct seccomp_program;

struct privileges {
    uint64_t capabilities; /* bounding; root has them effective and permitted, another user none */
    const struct capability_sets *sets; /* instead of that: each set for itself, whoever the user is */
    bool no_new_privileges, seccomp;
    const struct seccomp_program *program; /* the filter; NULL: our own for `capabilities` */
    const struct rlimit_spec *rlimits;
    size_t rlimit_count;
};

/* Takes root inside the user namespace (or stays root outside one). */
int privileges_become_root(struct err *err);

/* Gives up everything the process shall not have. Afterwards only execve is left to do. */
int privileges_drop(const struct privileges *privileges, const struct identity *identity, struct err *err);
