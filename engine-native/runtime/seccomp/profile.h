/* A system call profile as the OCI runtime spec writes it (linux.seccomp), compiled into classic BPF by
 * ourselves. Called when a container or an exec is prepared; the program is loaded right before execve. Never
 * guesses: what cannot be expressed is an error. */
#pragma once

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/err.h"
#include "../lib/json.h"

#define SECCOMP_PROFILE_MAX BPF_MAXINSNS

struct seccomp_program {
    struct sock_filter insns[SECCOMP_PROFILE_MAX];
    size_t len;
    unsigned flags; /* SECCOMP_FILTER_FLAG_* */
};

/* `profile` is the object. bad_request or unsupported names what is wrong. NULL when it fails. Free with
 * free(). */
struct seccomp_program *seccomp_profile_compile(const struct json *profile, struct err *err);

/* Loads it into this thread: 0, or -1 with errno. */
int seccomp_program_load(const struct seccomp_program *program);
