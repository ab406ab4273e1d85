/* The extended attributes a layer carries: security.capability and user.*; never overlayfs's own. */
#pragma once

#include <stdbool.h>

#include "tar_write.h"

struct layer_xattrs {
    struct tar_xattr *list; /* sorted by name */
    size_t count;
};

/* 0, or -1 with errno. */
int layer_xattrs_read(int fd, struct layer_xattrs *xattrs);
void layer_xattrs_free(struct layer_xattrs *xattrs);
#define auto_layer_xattrs __attribute__((cleanup(layer_xattrs_free)))

/* Does this folder hide what the layers below hold in it? */
bool layer_is_opaque(int fd);

/* May an attribute of this name stand in a layer? */
bool layer_xattr_allowed(const char *name);
