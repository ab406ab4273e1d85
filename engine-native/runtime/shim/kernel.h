/* System calls that a libc does not wrap, or wraps differently from the next one (musl and glibc disagree
 * about <sys/mount.h>). Thin: same arguments as the kernel's, -1 with errno. Includes <linux/mount.h>, so no
 * file that includes this may include <sys/mount.h>. */
#pragma once

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdint.h>
#include <sys/types.h>

#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

#define MOUNT_ATTR_SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

int k_mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data);
int k_umount2(const char *target, int flags);
int k_pivot_root(const char *new_root, const char *put_old);
int k_openat2(int dir, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
int k_open_tree(int dir, const char *path, unsigned flags);
int k_move_mount(int from_fd, int to_fd, const char *to_path, unsigned flags);
int k_fsopen(const char *type);
int k_fsconfig(int fs, unsigned command, const char *key, const char *value);
int k_fsmount(int fs, unsigned attributes);
int k_mount_setattr(int fd, unsigned flags, uint64_t set, uint64_t userns_fd);
/* Sets and clears attributes and, unless 0, the propagation (MS_SHARED, …). */
int k_mount_change(int fd, unsigned flags, uint64_t set, uint64_t clear, uint64_t propagation);
pid_t k_clone3(struct clone_args *args);
int k_pidfd_send_signal(int pidfd, int signal);
int k_close_range(unsigned first, unsigned last, unsigned flags);

/* A new filesystem as a detached mount: options are key, value pairs ended by NULL; a NULL value is a flag.
 */
int k_new_mount(const char *type, const char *const options[], unsigned attributes);
