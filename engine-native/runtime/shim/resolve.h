/* Paths inside a container's root, resolved by the kernel so that no symlink, "..", magic link or race leads
 * out of it. Called while the container is set up and for its exec; every destination of a mount goes through
 * here. */
#pragma once

#include <stdbool.h>

#include "../lib/err.h"

/* Opens `path` (O_PATH) below root, following links inside the root. -1 with errno. */
int resolve_in_root(int root_fd, const char *path);

/* The same without any symlink on the way: for /proc, /dev, /sys and what lies below them. -1 with errno. */
int resolve_plain(int root_fd, const char *path);

/* As resolve_in_root, but what is missing is made: directories 0755, and a file at the end unless
 * `directory`. Dangling links are followed inside the root. */
int resolve_or_make(int root_fd, const char *path, bool directory, struct err *err);

/* As resolve_plain for a directory that is made when it is missing; a symlink is bad_request. */
int resolve_plain_dir(int root_fd, const char *path, struct err *err);
