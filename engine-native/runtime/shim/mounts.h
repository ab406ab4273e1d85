/* The child's half of the container's filesystem: attaches what the shim has opened, mounts what belongs to
 * the container's own namespaces, hides and protects paths, and makes the result the root. Runs once, in the
 * child, before any of the container's own code. */
#pragma once

#include <stddef.h>

#include "../lib/err.h"
#include "cgroup.h"
#include "spec.h"

/* How many descriptors rootfs_open_all makes and mounts_set_up consumes. Their order: root, cgroup
 * directories, devices (user namespace only), binds, /sys and /proc of the host (where a joined namespace
 * forbids new ones). */
size_t mounts_source_count(const struct spec *spec, const struct cgroup *cgroup);

/* In the shim. fds has room for mounts_source_count; on failure nothing stays open. */
int mounts_open_sources(const struct spec *spec, const struct cgroup *cgroup, int userns_fd, int *fds,
                        struct err *err);

/* In the child. Takes over fds. *pts_fd gets the container's own devpts, for its terminal. */
int mounts_set_up(const struct spec *spec, const struct cgroup *cgroup, int *fds, int *pts_fd,
                  struct err *err);

/* In the child: makes `slave` (a terminal of pts_fd) the container's /dev/console. */
int mounts_set_console(int root_fd, int slave, struct err *err);

/* In the child, last: leaves the host's tree for good. */
int mounts_pivot(int root_fd, struct err *err);
