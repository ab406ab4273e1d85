/* The root of a container that runs, got from the kernel by the process that its shim vouches for. */
#pragma once

#include "helper.h"

/* `run_dir` holds the container's shim.sock. Makes the calling worker root of the container's user namespace
 * when it has one of its own (*mapped), so that owners are those the container sees. Returns an O_PATH
 * descriptor of the root; -1: not_found when it does not run. */
int running_root_open(const struct helper *helper, const char *run_dir, bool *mapped, struct err *err);
