/* The shims' own place among the control groups. See cgroup.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "cgroup.h"

static int kinds_of(int version) {
    return version == 1 ? CGROUP_SHIM_KINDS : 1;
}

/* v1 moves a thread, for which the kernel takes no global lock; the shim has one thread. */
static int enter(int dir, int version) {
    return cgroup_write(dir, version == 1 ? "tasks" : "cgroup.procs", "0");
}

static int join_one(int root, const struct cgroup_leaf *leaf) {
    /* The last shim of before may remove the leaf between our opening and our entering. */
    for (int attempt = 0; attempt < 16; attempt++) {
        auto_close int dir = cgroup_make_dir(root, leaf->path);
        if (dir < 0)
            return -1;
        if (enter(dir, leaf->version) == 0)
            return 0;
        if (errno != ENODEV && errno != ENOENT)
            return -1;
    }
    return -1;
}

static void remove_with_parent(int root, const char *path) {
    char parent[256];

    if (unlinkat(root, path, AT_REMOVEDIR) && errno != ENOENT)
        return; /* another shim lives there */
    (void)snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(path, '/') - path), path);
    (void)unlinkat(root, parent, AT_REMOVEDIR);
}

void cgroup_leaf_join(struct cgroup_leaf *leaf, const struct cgroup *cgroup) {
    const char *slash = strrchr(cgroup->path, '/');

    if (cgroup->version == 0 || !slash || leaf->version != 0)
        return;
    leaf->version = cgroup->version;
    int len =
        snprintf(leaf->path, sizeof(leaf->path), "%.*s/shims", (int)(slash - cgroup->path), cgroup->path);
    if (len >= (int)sizeof(leaf->path)) {
        leaf->version = 0;
        return;
    }
    for (int kind = 0; kind < kinds_of(leaf->version); kind++) {
        auto_close int root = cgroup_open_root(leaf->version, kind);
        if (root >= 0 && join_one(root, leaf))
            remove_with_parent(root, leaf->path);
    }
}

void cgroup_leaf_leave(struct cgroup_leaf *leaf) {
    for (int kind = 0; kind < kinds_of(leaf->version) && leaf->version != 0; kind++) {
        auto_close int root = cgroup_open_root(leaf->version, kind);
        if (root >= 0 && enter(root, leaf->version) == 0)
            remove_with_parent(root, leaf->path);
    }
    leaf->version = 0;
}
