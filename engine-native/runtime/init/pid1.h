/* The container's pid 1 when the spec asks for an init: reaps orphans, forwards signals, ends with its
 * child's code. */
#pragma once

#include <sys/types.h>

/* Never returns. Writes the child's wait status (one int) to status_fd before it ends. All signals must be
 * blocked. */
_Noreturn void pid1_run(pid_t child, int status_fd);
