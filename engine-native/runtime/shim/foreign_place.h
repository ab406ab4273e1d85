/* Where another OCI runtime works: a mount namespace of its own, in which a small tmpfs covers the engine's
 * RUN folder and holds the bundle, the root, the mounts' sources and the runtime's state. All of it vanishes
 * with the last descriptor, so nothing has to be unmounted, whoever dies when. */
#pragma once

#include <stddef.h>

#include "../lib/err.h"
#include "cgroup.h"
#include "spec.h"

struct foreign_place {
    int mount_namespace; /* entered by the runtime's processes alone */
    int dir;             /* the tmpfs */
};

/* Takes the sources of mounts_open_sources (they stay the caller's to close). `holder`: the process whose
 * user and network namespaces are the container's, 0 where it has none of its own. */
int foreign_place_open(const struct spec *spec, const struct cgroup *cgroup, const int *sources, pid_t holder,
                       const char *config, size_t config_len, struct foreign_place *place, struct err *err);
void foreign_place_close(struct foreign_place *place);

/* A file of the tmpfs, whole. */
int foreign_place_write(int dir, const char *name, const char *text, size_t len, struct err *err);
/* The end of one, at most size - 1 bytes and a NUL. Its length; 0 where there is none. */
size_t foreign_place_read(int dir, const char *name, char *text, size_t size);
