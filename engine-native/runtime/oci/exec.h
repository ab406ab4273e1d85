/* One more process in a running container. */
#pragma once

#include <stdbool.h>

#include "../lib/err.h"
#include "state.h"

struct exec_options {
    const struct oci_process *process;
    const char *pid_file, *console_socket;
    bool detach;
    unsigned preserved_fds;
};

/* Detached: returns 0 with the program running. In the foreground: *exit_code is the program's. */
int exec_in_container(const struct state *state, const struct exec_options *options, int *exit_code,
                      struct err *err);

/* What a shell makes of a wait status. */
int exit_code_of(int status);
