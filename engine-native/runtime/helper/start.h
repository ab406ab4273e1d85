/* container.start: from a request to a running shim. */
#pragma once

#include <sys/types.h>

#include "helper.h"

#define START_LIMIT_MS 20000

/* A sealed copy of the shim's binary. A container that gets at /proc/<shim>/exe finds something nobody can
 * write (CVE-2019-5736), and replacing the file on disk changes no running helper. Returns the descriptor or
 * -1. */
int start_load_shim(const char *path, struct err *err);

/* Starts a shim with the request's spec on fd 3 and a ready pipe on fd 4. 0 with its pid and the pipe's
 * reading end, or -1. */
int start_shim(const struct op_call *call, pid_t *pid, int *ready_fd, struct err *err);

/* Turns the shim's ready line into the reply. */
void start_reply(struct json_out *reply, const struct json *id, const char *line, size_t len, pid_t shim);
