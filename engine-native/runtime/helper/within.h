/* Paths of requests: only what lies strictly below ROOT or RUN, reached without a single symbolic link. */
#pragma once

#include <stdint.h>

#include "helper.h"

/* openat2 with the retries it asks for (EAGAIN while a rename goes on elsewhere). Returns a descriptor or -1
 * with errno. */
int open_beneath(int dir, const char *path, int flags, uint64_t mode, uint64_t resolve);

/* Opens the directory `path` (O_RDONLY | O_DIRECTORY). -1: bad_request when it lies elsewhere, not_found when
 * missing. */
int within_open_dir(const struct helper *helper, const char *path, struct err *err);

/* Opens (O_PATH) the directory that holds `path`; *name points at the last component inside `path`. */
int within_open_parent(const struct helper *helper, const char *path, const char **name, struct err *err);
