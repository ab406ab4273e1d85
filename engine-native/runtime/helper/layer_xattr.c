/* Reading a node's extended attributes for a canonical tar. */
#include "layer_xattr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "../lib/cleanup.h"

/* trusted.* and overlay's own would let a layer speak to the file system that mounts it. A PAX key ends at
 * its first
 * '=', so a name that holds one cannot be written. */
bool layer_xattr_allowed(const char *name) {
    if (strchr(name, '='))
        return false;
    return strcmp(name, "security.capability") == 0 ||
           (strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0 &&
            strncmp(name, "user.fuseoverlayfs.", 19) != 0);
}

bool layer_is_opaque(int fd) {
    char value[4];
    return (fgetxattr(fd, "trusted.overlay.opaque", value, sizeof value) == 1 && value[0] == 'y') ||
           (fgetxattr(fd, "user.overlay.opaque", value, sizeof value) == 1 && value[0] == 'y');
}

void layer_xattrs_free(struct layer_xattrs *xattrs) {
    for (size_t i = 0; i < xattrs->count; i++) {
        free(xattrs->list[i].name);
        free(xattrs->list[i].value);
    }
    free(xattrs->list);
    *xattrs = (struct layer_xattrs){0};
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct tar_xattr *)a)->name, ((const struct tar_xattr *)b)->name);
}

static int add(int fd, const char *name, struct layer_xattrs *xattrs) {
    ssize_t size = fgetxattr(fd, name, NULL, 0);
    if (size < 0)
        return errno == ENODATA ? 0 : -1;
    auto_free char *value = malloc((size_t)size + 1);
    auto_free char *copy = strdup(name);
    struct tar_xattr *grown = realloc(xattrs->list, (xattrs->count + 1) * sizeof *grown);
    if (grown)
        xattrs->list = grown;
    if (!value || !copy || !grown || (size = fgetxattr(fd, name, value, (size_t)size)) < 0)
        return -1;
    xattrs->list[xattrs->count++] =
        (struct tar_xattr){.name = steal_pointer(&copy), .value = steal_pointer(&value), .len = (size_t)size};
    return 0;
}

int layer_xattrs_read(int fd, struct layer_xattrs *xattrs) {
    char small[1024];
    auto_free char *large = NULL;
    char *names = small;
    ssize_t size = flistxattr(fd, small, sizeof small);
    if (size < 0 && errno == ERANGE) {
        names = large = malloc(65536);
        size = large ? flistxattr(fd, large, 65536) : -1;
    }
    if (size < 0)
        return errno == EOPNOTSUPP ? 0 : -1;
    for (const char *name = names; name < names + size; name += strlen(name) + 1)
        if (layer_xattr_allowed(name) && add(fd, name, xattrs) < 0)
            return -1;
    if (xattrs->count > 1)
        qsort(xattrs->list, xattrs->count, sizeof *xattrs->list, by_name);
    return 0;
}
