/* What each command of berth-runtime does. Nothing here prints but through `out` and `warn`. */
#pragma once

#include <stddef.h>

#include "../lib/err.h"
#include "options.h"

struct runtime {
    const struct options *options;
    void (*out)(const char *text, size_t len);
    void (*warn)(const char *message);
};

/* *exit_code is the program's own where the command waits for one. */
int commands_run(const struct runtime *runtime, int *exit_code, struct err *err);

/* The commands that only tell (commands_show.c) and those about limits (commands_limits.c). */
int command_state(const struct runtime *runtime, struct err *err);
int command_list(const struct runtime *runtime, struct err *err);
int command_ps(const struct runtime *runtime, struct err *err);
int command_features(const struct runtime *runtime, struct err *err);
int command_events(const struct runtime *runtime, struct err *err);
int command_update(const struct runtime *runtime, struct err *err);

/* The process of `exec`: from its file, or from the container's with what the options change. */
struct state;
struct oci_process;
int command_exec_process(const struct options *options, struct state *state, struct oci_process *process,
                         struct err *err);
