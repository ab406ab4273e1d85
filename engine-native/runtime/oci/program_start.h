/* The last steps of a process of an OCI container, its first or an exec's. Called in the child, inside its
 * root. */
#pragma once

#include <stdbool.h>

#include "../lib/err.h"
#include "../shim/launch.h"
#include "config.h"

struct program_start {
    const struct oci_process *process;
    const struct seccomp_program *filter; /* NULL: none */
    int root_fd;
    bool is_first;          /* makes its working directory where it is missing */
    unsigned preserved_fds; /* behind 2, that the program keeps */
    bool new_keyring;
};

/* Whether the command can be found, so that `create` can say so. In the words that Docker turns into exit
 * codes. */
int program_find(const struct oci_process *process, struct err *err);

/* Never returns on success. */
int program_start(const struct program_start *start, struct err *err);
