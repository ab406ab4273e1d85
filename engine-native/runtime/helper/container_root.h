/* A container's files as the container sees them, whether it runs or not, for a worker that reads or writes
 * them. Everything below is looked up with openat2 inside the root: a link never leads to the host. Never
 * chroot, never a library of the container's. */
#pragma once

#include <stdbool.h>

#include "helper.h"

struct container_root {
    int fd; /* O_PATH of the root */
    const struct helper *helper;
    bool mapped;   /* the worker is now root of the container's user namespace */
    bool attached; /* at RUN, in a mount namespace of the worker's own */
    char **made;   /* mount points that had to be made, in order */
    size_t made_count;
};

/* `root` is PROTOCOL.md's "root" of an archive op; `path` what is asked for: only mounts that can matter for
 * it get a mount point made. Must come before any thread is started. -1: not_found when it does not run. */
int container_root_open(const struct helper *helper, const struct json *root, const char *path,
                        struct container_root *out, struct err *err);

/* Takes away what was mounted and made. Safe on one that failed to open. */
void container_root_close(struct container_root *root);
#define auto_container_root __attribute__((cleanup(container_root_close)))

/* openat2 below the root: links are followed inside of it. -1 with errno. */
int container_root_lookup(const struct container_root *root, const char *path, int flags);
