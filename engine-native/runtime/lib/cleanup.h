/* Cleanup attributes: what a scope opens, the scope closes, on every path out of it.
 * Used by every C file here. Must never touch errno, so that an error survives its own cleanup. */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_fd(int *fd) {
    if (*fd >= 0) {
        int saved = errno;
        (void)close(*fd);
        errno = saved;
    }
}

static inline void cleanup_pointer(void *slot) {
    void **pointer = slot;
    free(*pointer);
    *pointer = NULL;
}

static inline void cleanup_dirp(DIR **dir) {
    if (*dir) {
        int saved = errno;
        (void)closedir(*dir);
        errno = saved;
    }
}

#define auto_close __attribute__((cleanup(cleanup_fd)))
#define auto_free __attribute__((cleanup(cleanup_pointer)))
#define auto_closedir __attribute__((cleanup(cleanup_dirp)))

/* Hands the descriptor to the caller: the scope no longer closes it. */
static inline int steal_fd(int *fd) {
    int taken = *fd;
    *fd = -1;
    return taken;
}

static inline void *steal_pointer(void *slot) {
    void **pointer = slot;
    void *taken = *pointer;
    *pointer = NULL;
    return taken;
}
