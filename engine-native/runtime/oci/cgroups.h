/* The control groups of an OCI container: where cgroupsPath puts them, the limits of linux.resources and the
 * device rules. Stands on shim/cgroup.h; called when a container is created, changed, asked about and
 * deleted. */
#pragma once

#include <stdbool.h>

#include "../shim/cgroup.h"
#include "config.h"

/* The path below each hierarchy's root: "" for none. systemd: "slice:prefix:name" is accepted and laid out as
 * folders. */
int cgroups_path(const struct oci_config *config, const char *id, bool systemd, char path[256],
                 struct err *err);

/* Opens the groups at `path`, making them when `make`. On failure nothing stays that was made. */
int cgroups_open(const char *path, bool make, struct cgroup *cgroup, struct err *err);
void cgroups_close(struct cgroup *cgroup);
/* Kills what is left in them and removes them, but no parent: that belongs to whoever named the path. */
void cgroups_remove(struct cgroup *cgroup);

int cgroups_set_devices(const struct cgroup *cgroup, const struct oci_config *config, struct err *err);
/* Every limit of a `resources` object; `warn` hears of those that this kernel no longer has. */
int cgroups_set_resources(const struct cgroup *cgroup, const struct json *resources,
                          void (*warn)(const char *), struct err *err);

bool cgroups_are_populated(const struct cgroup *cgroup);
bool cgroups_are_frozen(const char *path);
