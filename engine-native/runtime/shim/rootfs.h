/* The shim's half of the container's filesystem: everything that needs the host's paths or the host's
 * privileges is opened here as a detached mount and sent to the child, which only has to attach it. */
#pragma once

#include <stddef.h>

#include "../lib/err.h"
#include "spec.h"

/* The overlay of the spec's layers as a detached mount; with userns_fd >= 0 idmapped through that user
 * namespace. `unsupported` when the kernel or the filesystem cannot do that. */
int rootfs_open(const struct spec *spec, int userns_fd, struct err *err);

/* As rootfs_open, the way of kernels before 6.15, whose overlayfs takes no layer on a detached mount: the
 * layers are attached in a private mount namespace of a short-lived process. rootfs_open falls back to it by
 * itself. */
int rootfs_open_by_path(const struct spec *spec, int userns_fd, struct err *err);

/* The source of a bind mount, detached, with its flags and its id mapping. */
int rootfs_open_bind(const struct mount_spec *mount, int userns_fd, struct err *err);

/* A device node of the host, checked to be that device, detached: a user namespace cannot make nodes. */
int rootfs_open_device(const char *path, unsigned major, unsigned minor, char type, struct err *err);

/* A directory of the host, read-only and harmless (no suid, devices or programs), detached. */
int rootfs_open_readonly(int dir_fd, const char *path, struct err *err);

/* The sysfs of a network namespace that is joined, read-only, detached: inside a user namespace that does not
 * own it nobody may mount one, and the host's would show the host's links. */
int rootfs_open_sysfs(const char *netns_path, struct err *err);
