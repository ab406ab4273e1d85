/* Inodes seen, with where: to count a hard-linked file once and to write it once into a tar. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct inode_set {
    struct inode_slot *slots;
    size_t count, cap; /* cap is a power of two */
};

void inode_set_free(struct inode_set *set);

/* Looks (dev, ino) up. Found: returns 1 and the name it came with. Not found: remembers it with a copy of
 * `name` (may be NULL) and returns 0. -1 when memory is out. */
int inode_set_add(struct inode_set *set, dev_t dev, ino_t ino, const char *name, const char **first);
