/* The filesystem of an OCI container. The runtime opens everything that needs the host's paths or privileges
 * as detached mounts; the child attaches them in the order of config.json, makes what belongs to its own
 * namespaces, and leaves the host's tree. Stands on shim/{rootfs,resolve,protect,devices}.h. */
#pragma once

#include "../lib/err.h"
#include "../shim/cgroup.h"
#include "config.h"

/* In the runtime. How many descriptors there are, and the descriptors: the root first. */
size_t filesystem_source_count(const struct oci_config *config, const struct cgroup *cgroup);
int filesystem_open_sources(const struct oci_config *config, const char *root, const struct cgroup *cgroup,
                            int userns_fd, int *fds, struct err *err);

/* In the child, before the hooks: root, mounts and devices. Takes over fds but for the first, the root. */
int filesystem_set_up(const struct oci_config *config, const char *root, const struct cgroup *cgroup,
                      const int *fds, struct err *err);
/* After them: sysctls (before the host's tree goes), paths hidden and protected, the root changed. */
int filesystem_enter(const struct oci_config *config, int root_fd, bool no_pivot, struct err *err);

/* A mount whose type is of the kernel's own views and that a user namespace may not make anew for a namespace
 * that it has joined: the host's is shown instead. */
bool filesystem_needs_host_view(const struct oci_config *config, const struct oci_mount *mount);
/* Whether the runtime opens the source of a bind: in a namespace that is not a copy of the runtime's, or
 * without its privileges, the child could not. Otherwise the child does, so that its mounts are numbered in
 * the order of config.json. */
bool filesystem_opens_early(const struct oci_config *config, const struct oci_mount *mount);
int filesystem_open_bind(const struct oci_mount *mount, int userns_fd, struct err *err);
/* A mount namespace that is joined or inherited has other inhabitants: its root stays where it is. */
bool filesystem_owns_mounts(const struct oci_config *config);
bool filesystem_is_cgroup(const struct oci_mount *mount);
/* Whether /dev is ours to fill: config.json may bring a whole one. */
bool filesystem_fills_dev(const struct oci_config *config);

/* Copies what lies below the directory `from` into the empty directory `to`. Both are descriptors. */
int copy_up(int from, int to, const char *name, struct err *err);
