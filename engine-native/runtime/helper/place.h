/* Where an entry lands: its parent folder below the root, resolved so that no name, link or race leads
 * outside. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../lib/err.h"
#include "tar_format.h"

/* Told of every folder that had to be made because no entry named it yet. Returns 0 or -1. */
typedef int place_made(void *context, int fd, const char *path, struct err *err);

struct place {
    int root;          /* the folder that stands for "/" */
    char *parent_path; /* of the cached parent; entries come folder by folder */
    int parent;
    bool parent_cached;
    uint64_t resolve; /* how names are looked up: links stay in the root, or (when set so) may not leave it */
    bool plain;       /* no layer: ".wh." is a name like any other */
    bool no_swap;     /* a folder never makes way for something else, nor the other way round */
    bool any_setgid; /* a folder with the set-group-id bit is (or may be) there: children inherit its group */
    place_made *made;
    void *context;
};

int place_open(struct place *place, int root, place_made *made, void *context, struct err *err);
void place_close(struct place *place);

/* Cuts "./", doubled and trailing slashes and `strip` leading components out of `path`, in place. 1 = a name
 * is left, 0 = nothing is (the root itself, or all stripped), -1: absolute, "..", or a component over 255
 * bytes. */
int place_clean_name(char *path, unsigned strip, struct err *err);

/* The folder that holds `path` (cleaned) and the last component. Missing parents are made (0755, root, time
 * 0). Symbolic links on the way are followed inside the root, as OCI's layers need. Returns a descriptor that
 * stays the place's, or -1. */
int place_parent(struct place *place, const char *path, const char **name, struct err *err);

/* Must be called after anything was removed or replaced: the cached parent may be gone. */
void place_changed(struct place *place);

/* Opens the folder `path` itself for its final times; -1 with errno when it is no folder any more. */
int place_reopen_folder(const struct place *place, const char *path);
