/* A file or tree of a container as a tar for people: docker cp and docker export. Unlike layer.h it takes a
 * tree that changes while it is read, with devices and mounts in it, in the order of the disk. */
#pragma once

#include <stdbool.h>

#include "../lib/err.h"
#include "tar_write.h"

struct archive_options {
    const char *name; /* of the first entry inside the archive; "" with skip_first */
    bool skip_first;  /* only what lies in the folder */
};

/* `node`: an O_PATH descriptor of anything. Kernel file systems (/proc, /sys) in it are left empty. */
int archive_write(int node, const struct archive_options *options, struct tar_sink *sink, struct err *err);

/* Is this a file system that the kernel invents: nothing in it can be archived? */
bool archive_is_kernels_own(int fd);
