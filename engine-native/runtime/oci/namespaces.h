/* A process in the namespaces that config.json asks for: new ones, given ones, or those of a running
 * container. An intermediate process joins what is to be joined, because the runtime could not come back from
 * a user namespace, and clones the child as the runtime's own. */
#pragma once

#include "../lib/err.h"
#include "../shim/cgroup.h"
#include "config.h"

struct spawn {
    const struct oci_config *config;
    const struct cgroup *cgroup; /* the child is born in it */
    int enter_pidfd;             /* all namespaces of this process instead; -1: as config says */
    void (*child)(void *data);   /* never returns */
    void *data;
};

int namespaces_spawn(const struct spawn *spawn, pid_t *pid, struct err *err);

/* Writes the maps of a child in a new user namespace; none for a joined one. */
int namespaces_map_ids(const struct oci_config *config, pid_t pid, struct err *err);

/* A user namespace that exists for its maps alone, for idmapped mounts. */
int namespaces_open_mapping(const struct id_maps *maps, struct err *err);
