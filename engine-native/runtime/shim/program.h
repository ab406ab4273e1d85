/* Turns the child into the container's program: its working directory, environment and execve, with errors
 * that a user can act on. Called at the end of a start and of an exec. */
#pragma once

#include "../lib/err.h"
#include "identity.h"
#include "spec.h"

/* Changes to the working directory inside root_fd, made when it is missing and `make`. */
int program_enter_directory(int root_fd, const char *path, bool make, const struct identity *identity,
                            struct err *err);

/* Completes the environment with HOME, PATH, and TERM for a terminal. NULL when there is no memory. */
char **program_environment(const struct process_spec *process, const struct identity *identity);

/* Never returns on success. exec_not_found and exec_not_executable say why. */
int program_exec(const struct process_spec *process, char **env, struct err *err);
