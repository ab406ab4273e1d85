/* Runs the hooks of one stage in their order, each with the container's state on stdin. Called by the runtime
 * (prestart, createRuntime, poststart, poststop) and by the container's first process before it is one
 * (createContainer, startContainer). */
#pragma once

#include "../lib/err.h"
#include "config.h"

/* Stops at the first that fails; err says which and with which of its words. `input` is the state as JSON. */
int hooks_run(const struct hooks *hooks, const char *stage, const char *input, struct err *err);
