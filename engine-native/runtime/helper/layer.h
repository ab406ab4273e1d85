/* A folder as a layer: its canonical tar, written or only hashed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/err.h"
#include "tar_write.h"

struct layer_options {
    const char *label; /* the folder's path, for errors */
    const char *base;  /* prefix of every name inside the tar, "" for none: "app/node_modules" */
    bool has_mtime;
    int64_t mtime;
    const char *const *exclude; /* paths below the folder; what lies below one is left out with it */
    size_t exclude_count;
};

struct layer_result {
    uint64_t bytes, files;
};

/* Takes over dir, a readable directory. The folder itself has no entry, except as the last component of base.
 */
int layer_write(int dir, const struct layer_options *options, struct tar_sink *sink,
                struct layer_result *result, struct err *err);
