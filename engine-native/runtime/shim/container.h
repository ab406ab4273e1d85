/* The container as the shim holds it: started once, watched, and undone. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "../lib/err.h"
#include "cgroup.h"
#include "spec.h"

struct seccomp_program;
struct foreign;

/* Our ends of a process's stdio: -1 where there is none; a terminal's master is `out` (and takes input). */
struct stdio {
    int in, out, err;
    bool tty;
};

struct container {
    struct spec spec;
    struct cgroup cgroup;
    struct seccomp_program *filter; /* of the spec's profile; NULL without one */
    struct foreign *foreign;        /* of another OCI runtime; NULL: the shim makes the container itself */
    pid_t pid;
    int pidfd;
    int status_fd; /* from the init: the program's wait status */
    bool entered_pid_namespace;
    struct stdio stdio;
    struct timespec started;
};

/* From spec to a running program. On failure everything is undone and err says what a user can do about it.
 */
int container_start(struct container *container, struct err *err);

/* Starts one more process inside. *pid and *pidfd are the host's view; stdio our ends. */
int container_exec(struct container *container, const struct process_spec *process, bool privileged,
                   pid_t *pid, int *pidfd, struct stdio *stdio, struct err *err);

/* After pid 1 is reaped (or to give up): kills the rest, removes the cgroups and the mount points it made. */
void container_clean_up(struct container *container);
