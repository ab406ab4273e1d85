/* See container_root.h. */
#include "container_root.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "merged.h"
#include "place.h"
#include "running_root.h"
#include "within.h"

#define IN_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
#define UNMOUNT_LAZILY 2

int container_root_lookup(const struct container_root *root, const char *path, int flags) {
    return open_beneath(root->fd, *path ? path : ".", flags, 0, IN_ROOT);
}

/* Overlayfs leaves a mark that would refuse the container's own, durable mount of the same folders: here only
 * the sync at the end is to be spared, the files lie in upper like any others. */
static void clear_volatile_mark(const struct helper *helper, const char *work) {
    struct err ignored;
    auto_close int dir = within_open_dir(helper, work, &ignored);
    if (dir >= 0 && unlinkat(dir, "work/incompat/volatile/dirty", 0) == 0)
        (void)unlinkat(dir, "work/incompat/volatile", AT_REMOVEDIR);
}

static int remember_made(struct container_root *r, const char *path, struct err *err) {
    char **grown = realloc(r->made, (r->made_count + 1) * sizeof *grown);
    if (grown)
        r->made = grown;
    char *copy = grown ? strdup(path) : NULL;
    if (!copy)
        return err_set(err, ERR_INTERNAL, "out of memory");
    r->made[r->made_count++] = copy;
    return 0;
}

struct making {
    struct container_root *root;
    struct err *err;
};

static int folder_made(void *context, int fd, const char *path, struct err *err) {
    struct making *making = context;
    (void)fd;
    return remember_made(making->root, path, err);
}

/* The mount point of a volume, made where the image has none, as a start of the container would. */
static int make_target(struct container_root *r, const char *target, bool directory, struct err *err) {
    struct making making = {r, err};
    struct place place;
    const char *name;
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", target + strspn(target, "/"));
    if (place_clean_name(path, 0, err) <= 0 || place_open(&place, r->fd, folder_made, &making, err) < 0)
        return err_wrap(err, "mount target \"%s\"", target);
    int parent = place_parent(&place, path, &name, err);
    int made = parent < 0  ? -1
               : directory ? mkdirat(parent, name, 0755)
                           : openat(parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0644);
    if (made > 0)
        (void)close(made);
    if (parent >= 0 && made < 0 && errno != EEXIST)
        (void)err_sys(err, errno, "cannot make mount target \"%s\"", target);
    else if (made >= 0)
        made = remember_made(r, path, err);
    place_close(&place);
    if (made < 0)
        return -1;
    int fd = container_root_lookup(r, target, O_PATH);
    return fd < 0 ? err_sys(err, errno, "cannot open mount target \"%s\"", target) : fd;
}

static bool is_below(const char *path, const char *folder) {
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* -2: the target is not there and does not matter for `path`. */
static int open_target(struct container_root *r, const char *target, const char *path, bool directory,
                       struct err *err) {
    int fd = container_root_lookup(r, target, O_PATH);
    if (fd >= 0)
        return fd;
    if (errno != ENOENT)
        return err_sys(err, errno, "cannot open mount target \"%s\"", target);
    return is_below(path, target) || is_below(target, path) ? make_target(r, target, directory, err) : -2;
}

static int open_source(const char *source, const char *subpath, bool readonly, struct err *err) {
    auto_close int base = open(source, O_PATH | O_CLOEXEC);
    auto_close int at = base < 0 || !*subpath
                            ? -1
                            : open_beneath(base, subpath, O_PATH, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
    if (base < 0 || (*subpath && at < 0))
        return err_sys(err, errno, "cannot open \"%s\" of the volume at \"%s\"", subpath, source);
    auto_close int tree =
        (int)syscall(SYS_open_tree, *subpath ? at : base, "",
                     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)AT_EMPTY_PATH | (unsigned)AT_RECURSIVE);
    struct mount_attr attr = {.attr_set =
                                  MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | (readonly ? MOUNT_ATTR_RDONLY : 0)};
    if (tree < 0 ||
        syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
        return err_sys(err, errno, "cannot open the mount source \"%s\"", source);
    return steal_fd(&tree);
}

static int attach_mount(struct container_root *r, const struct json *mount, const char *path,
                        struct err *err) {
    const char *source = NULL, *target = NULL, *subpath = "";
    bool readonly = false;
    struct stat st;
    if (json_need_string(mount, "source", &source, err) < 0 ||
        json_need_string(mount, "target", &target, err) < 0 ||
        json_opt_string(mount, "subpath", &subpath, err) < 0 ||
        json_opt_bool(mount, "readonly", &readonly, err) < 0)
        return -1;
    if (source[0] != '/' || target[0] != '/')
        return err_set(err, ERR_BAD_REQUEST, "mount \"%s\" is not absolute", target);
    /* A source that is not there yet (the /etc files of a container that never ran) shows nothing. */
    if (stat(source, &st) < 0)
        return 0;
    auto_close int tree = open_source(source, subpath, readonly, err);
    if (tree < 0 || fstat(tree, &st) < 0)
        return -1;
    int target_fd = open_target(r, target, path, S_ISDIR(st.st_mode), err);
    if (target_fd < 0)
        return target_fd == -2 ? 0 : -1;
    auto_close int on = target_fd;
    if (syscall(SYS_move_mount, tree, "", on, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return err_sys(err, errno, "cannot mount \"%s\"", target);
    return 0;
}

/* The overlay becomes a mount of this worker's own namespace, over RUN, which it has no more use for: volumes
 * can be mounted on it only there. */
static int attach_root(struct container_root *r, struct err *err) {
    /* Not before the layers are mounted: overlayfs takes only folders of the present namespace, and those are
     * reached through descriptors that the helper opened in its own. */
    if (unshare(CLONE_NEWNS) < 0 || syscall(SYS_mount, NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_sys(err, errno, "cannot make a private mount namespace");
    (void)syscall(SYS_move_mount, r->fd, "", AT_FDCWD, r->helper->run, MOVE_MOUNT_F_EMPTY_PATH);
    r->attached = true;
    auto_close int root = open(r->helper->run, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return err_sys(err, errno, "cannot open the container's root");
    (void)close(r->fd);
    r->fd = steal_fd(&root);
    return 0;
}

static int set_readonly(const struct container_root *r, bool on, struct err *err) {
    struct mount_attr attr = {.attr_set = on ? MOUNT_ATTR_RDONLY : 0, .attr_clr = on ? 0 : MOUNT_ATTR_RDONLY};
    if (syscall(SYS_mount_setattr, r->fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        return err_sys(err, errno, "cannot change the container's root");
    return 0;
}

static int open_stopped(const struct json *root, const char *path, struct container_root *r,
                        struct err *err) {
    const struct json *lower = NULL, *mounts = NULL;
    const char *upper = NULL, *work = NULL;
    bool readonly = false;
    if (json_opt_array(root, "lower", &lower, err) < 0 || json_opt_array(root, "mounts", &mounts, err) < 0 ||
        json_opt_string(root, "upper", &upper, err) < 0 || json_opt_string(root, "work", &work, err) < 0 ||
        json_opt_bool(root, "readonly", &readonly, err) < 0)
        return -1;
    if (upper && !work)
        return err_set(err, ERR_BAD_REQUEST, "\"work\" is missing");
    if (upper)
        clear_volatile_mark(r->helper, work); /* of a worker that was killed in between */
    r->fd = merged_open(r->helper, lower, upper, work, err);
    if (r->fd < 0)
        return -1;
    if (upper)
        clear_volatile_mark(r->helper, work);
    if (!mounts || mounts->list.count == 0)
        return readonly ? set_readonly(r, true, err) : 0;
    if (attach_root(r, err) < 0)
        return -1;
    json_each(mount, mounts) if (attach_mount(r, mount, path, err) < 0) return -1;
    return readonly ? set_readonly(r, true, err) : 0;
}

int container_root_open(const struct helper *helper, const struct json *root, const char *path,
                        struct container_root *out, struct err *err) {
    const char *run_dir = NULL;
    *out = (struct container_root){.fd = -1, .helper = helper};
    if (json_opt_string(root, "runDir", &run_dir, err) < 0)
        return -1;
    if (!run_dir)
        return open_stopped(root, path, out, err);
    out->fd = running_root_open(helper, run_dir, &out->mapped, err);
    return out->fd < 0 ? -1 : 0;
}

/* Mount points go again where nothing was put into them, so that a layer made of upper holds none. */
void container_root_close(struct container_root *r) {
    struct err ignored;
    char path[PATH_MAX];
    if (r->attached && r->made_count > 0)
        (void)set_readonly(r, false, &ignored);
    for (size_t i = r->made_count; i > 0; i--) {
        (void)snprintf(path, sizeof path, "%s/%s", r->helper->run, r->made[i - 1]);
        (void)syscall(SYS_umount2, path, UNMOUNT_LAZILY);
        if (unlinkat(r->fd, r->made[i - 1], AT_REMOVEDIR) < 0 && errno == ENOTDIR)
            (void)unlinkat(r->fd, r->made[i - 1], 0);
        free(r->made[i - 1]);
    }
    free(r->made);
    cleanup_fd(&r->fd);
    *r = (struct container_root){.fd = -1};
}
