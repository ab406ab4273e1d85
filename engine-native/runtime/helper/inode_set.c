/* A hash table of inodes, open addressing, at most half full. */
#include "inode_set.h"

#include <stdlib.h>
#include <string.h>

struct inode_slot {
    uint64_t dev, ino;
    char *name;
    int used;
};

void inode_set_free(struct inode_set *set) {
    for (size_t i = 0; i < set->cap; i++)
        free(set->slots[i].name);
    free(set->slots);
    *set = (struct inode_set){0};
}

static struct inode_slot *find(struct inode_slot *slots, size_t cap, uint64_t dev, uint64_t ino) {
    size_t at = (size_t)((ino ^ dev << 32) * 0x9e3779b97f4a7c15ull >> 20);
    while (slots[at & (cap - 1)].used &&
           (slots[at & (cap - 1)].ino != ino || slots[at & (cap - 1)].dev != dev))
        at++;
    return &slots[at & (cap - 1)];
}

static int grow(struct inode_set *set) {
    size_t cap = set->cap ? set->cap * 2 : 256;
    struct inode_slot *slots = calloc(cap, sizeof *slots);
    if (!slots)
        return -1;
    for (size_t i = 0; i < set->cap; i++)
        if (set->slots[i].used)
            *find(slots, cap, set->slots[i].dev, set->slots[i].ino) = set->slots[i];
    free(set->slots);
    set->slots = slots;
    set->cap = cap;
    return 0;
}

int inode_set_add(struct inode_set *set, dev_t dev, ino_t ino, const char *name, const char **first) {
    if (set->count * 2 >= set->cap && grow(set) < 0)
        return -1;
    struct inode_slot *slot = find(set->slots, set->cap, dev, ino);
    if (slot->used) {
        if (first)
            *first = slot->name;
        return 1;
    }
    *slot = (struct inode_slot){.dev = dev, .ino = ino, .used = 1};
    if (name && !(slot->name = strdup(name)))
        return -1;
    set->count++;
    return 0;
}
