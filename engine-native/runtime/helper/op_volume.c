/* volume.mount, volume.unmount: memory behind a volume, in the host's own mount namespace. In workers. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "helper.h"
#include "within.h"

/* Ours are the only mounts below ROOT/volumes, so another file system there is one of them. */
static bool is_mounted(const struct helper *helper, int fd) {
    struct stat st, root;
    return fstat(fd, &st) == 0 && fstat(helper->root_fd, &root) == 0 && st.st_dev != root.st_dev;
}

static int set_options(int fs, const struct json *options, struct err *err) {
    static const char *const known[] = {"size", "mode", "uid", "gid", "nr_inodes"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        const char *value = NULL;
        if (json_opt_string(options, known[i], &value, err) < 0)
            return -1;
        if (value && syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, known[i], value, 0) < 0)
            return err_sys_as(err, ERR_BAD_REQUEST, errno, "volume option \"%s=%s\"", known[i], value);
    }
    return 0;
}

int op_volume_mount(struct op_call *call, struct json_out *reply, struct err *err) {
    const char *dest = NULL;
    const struct json *options = NULL;
    bool noexec = false;
    (void)reply;
    if (json_need_string(call->request, "dest", &dest, err) < 0 ||
        json_opt_object(call->request, "options", &options, err) < 0 ||
        json_opt_bool(call->request, "noexec", &noexec, err) < 0)
        return -1;
    auto_close int target = within_open_dir(call->helper, dest, err);
    if (target < 0 || is_mounted(call->helper, target))
        return target < 0 ? -1 : 0;
    auto_close int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0)
        return err_sys(err, errno, "cannot make a tmpfs");
    (void)syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", "berth-volume", 0);
    if (set_options(fs, options, err) < 0)
        return -1;
    unsigned flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (noexec ? MOUNT_ATTR_NOEXEC : 0);
    auto_close int mount = -1;
    if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
        (mount = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, flags)) < 0 ||
        syscall(SYS_move_mount, mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return err_sys(err, errno, "cannot mount the volume at \"%s\"", dest);
    return 0;
}

int op_volume_unmount(struct op_call *call, struct json_out *reply, struct err *err) {
    const char *dest = NULL;
    char path[32];
    (void)reply;
    if (json_need_string(call->request, "dest", &dest, err) < 0)
        return -1;
    auto_close int fd = within_open_dir(call->helper, dest, err);
    if (fd < 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    if (!is_mounted(call->helper, fd))
        return 0;
    /* Lazily: somebody of the host may stand in it, and the last container is gone. */
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return syscall(SYS_umount2, path, 2 /* MNT_DETACH */) < 0
               ? err_sys(err, errno, "cannot unmount the volume at \"%s\"", dest)
               : 0;
}
