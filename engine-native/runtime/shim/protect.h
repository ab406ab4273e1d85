/* Mounts on paths of a container's root that were resolved first and are mounted on by descriptor, so that
 * what was checked is what is mounted on; and the two that hide or protect such a path. Called in the child,
 * by the shim's set-up and by the OCI runtime's. */
#pragma once

#include "../lib/err.h"

/* Attaches `mount` on the directory or file behind `target`, and closes target. `path` is for the message.
 * With target < 0 err is set already. */
int protect_attach(int mount, int target, const char *path, struct err *err);

/* Hides a file behind the null device of `dev` (a directory of ours) and a directory behind an empty
 * read-only tmpfs; all of them share one, kept in *empty (-1 at first). A path that is not there is no
 * failure. */
int protect_mask(int root, int dev, const char *path, int *empty, struct err *err);

/* Makes what is behind `path` read-only with everything mounted below it. */
int protect_readonly(int root, const char *path, struct err *err);
