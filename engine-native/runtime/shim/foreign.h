/* A container that another OCI runtime (runc, crun, …) makes: the shim prepares root, mounts, namespaces,
 * network and control groups as for its own, has that runtime put them together, and then is the parent of
 * the container's process as ever. Called by container.c; a runtime that hangs or fails is never waited for
 * without a limit. */
#pragma once

#include <stdbool.h>

#include "container.h"

/* As container_start; the control groups are there. What is left after a failure container_clean_up removes.
 */
int foreign_start(struct container *c, struct err *err);
int foreign_exec(struct container *c, const struct process_spec *process, bool privileged, pid_t *pid,
                 int *pidfd, struct stdio *stdio, struct err *err);
int foreign_kill(struct container *c, int signal, struct err *err);

/* The runtime forgets the container, and its place goes. Does nothing for containers of the shim's own. */
void foreign_clean_up(struct container *c);
