/* See mountpoints.h. The program may have put anything into `upper`, so nothing here follows a link. */
#include "mountpoints.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "kernel.h"

#define PLAIN (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)

static int open_plain(int root, const char *path, int flags) {
    return k_openat2(root, path, flags | O_CLOEXEC, 0, PLAIN);
}

/* Of the topmost layer that has it. A whiteout ends the search: whatever lies below it is not in the image.
 */
static bool is_in_image(const struct spec *spec, const char *path, struct stat *st) {
    for (size_t i = 0; i < spec->lower_count; i++) {
        auto_close int layer = open(spec->lower[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
        auto_close int fd = layer < 0 ? -1 : open_plain(layer, path, O_PATH | O_NOFOLLOW);
        if (fd >= 0 && fstat(fd, st) == 0)
            return !(S_ISCHR(st->st_mode) && st->st_rdev == 0);
        if (fd < 0 && errno != ENOENT)
            return false;
    }
    return false;
}

static bool is_empty_dir(int parent, const char *name) {
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    char opaque;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int entries = 0;

    if (!dir) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    while (entries <= 2 && readdir(dir))
        entries++;
    /* An opaque directory says that the image's content is gone, which is the program's doing. */
    bool is_opaque = fgetxattr(fd, "trusted.overlay.opaque", &opaque, 1) > 0;
    (void)closedir(dir);
    return entries <= 2 && !is_opaque;
}

static bool is_owned_alike(const struct stat *a, uid_t uid, gid_t gid, mode_t permissions) {
    return a->st_uid == uid && a->st_gid == gid && (a->st_mode & 07777) == permissions;
}

/* A directory that we went through was copied up from the image when something was made in it. */
static bool is_ours(const struct spec *spec, const char *path, const struct stat *st, bool target) {
    struct stat image;

    if (is_in_image(spec, path, &image))
        return !target && S_ISDIR(st->st_mode) && S_ISDIR(image.st_mode) &&
               is_owned_alike(st, image.st_uid, image.st_gid, image.st_mode & 07777);
    return is_owned_alike(st, 0, 0, S_ISDIR(st->st_mode) ? 0755 : 0644);
}

/* One component; false when it stays. */
static bool remove_one(const struct spec *spec, int upper, const char *path, bool target) {
    char parent_path[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash + 1;
    struct stat st;

    (void)snprintf(parent_path, sizeof(parent_path), "%.*s/", (int)(slash - path), path);
    auto_close int parent = open_plain(upper, parent_path, O_PATH | O_DIRECTORY);
    if (parent < 0 || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW))
        return false; /* nothing had to be made */
    bool is_dir = S_ISDIR(st.st_mode);
    if (is_dir ? !is_empty_dir(parent, name) : !S_ISREG(st.st_mode) || st.st_size > 0 || st.st_nlink > 1)
        return false;
    return is_ours(spec, path, &st, target) && unlinkat(parent, name, is_dir ? AT_REMOVEDIR : 0) == 0;
}

static void remove_target(const struct spec *spec, int upper, const char *target) {
    char path[PATH_MAX];
    size_t len = strlen(target);

    if (len >= sizeof(path) || target[0] != '/')
        return;
    memcpy(path, target, len + 1);
    for (bool first = true;; first = false) {
        while (len > 0 && path[len - 1] == '/')
            path[--len] = '\0';
        if (len == 0 || !remove_one(spec, upper, path, first))
            return;
        len = (size_t)(strrchr(path, '/') - path);
        path[len] = '\0';
    }
}

void mountpoints_remove(const struct spec *spec) {
    static const char *const always[] = {"/sys/fs/cgroup", "/sys", "/proc", "/dev"};
    auto_close int upper = open(spec->upper, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (upper < 0)
        return;
    /* The last first: a volume may lie in another one. */
    for (size_t i = spec->mount_count; i > 0; i--)
        remove_target(spec, upper, spec->mounts[i - 1].target);
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        remove_target(spec, upper, always[i]);
}
