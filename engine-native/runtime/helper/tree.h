/* Trees on disk: removing one, measuring one. Nothing here follows a symbolic link or crosses into another
 * mount. */
#pragma once

#include <stdint.h>

#include "../lib/err.h"

/* Levels a walk goes down before it gives up: a path in a tar cannot be longer than 4095 bytes, so no tree
 * that can become a layer is deeper. */
#define TREE_DEPTH_MAX 2048

/* Removes name below parent, whatever it is. Missing is success. `label` names it in errors. */
int tree_remove(int parent, const char *name, const char *label, struct err *err);

struct tree_usage {
    uint64_t bytes;   /* disk blocks in use, a hard-linked file once */
    uint64_t content; /* lengths of files and links, a hard-linked file once */
    uint64_t files;   /* everything below the root: files, folders, links */
};

/* Takes over fd, a readable directory. */
int tree_measure(int fd, const char *label, struct tree_usage *usage, struct err *err);
