/* Who the container's process is: a user of the image's own /etc/passwd and /etc/group, read without any libc
 * lookup (a libc would load modules of the image). Called in the child, inside the container's root. */
#pragma once

#include <limits.h>
#include <sys/types.h>

#include "../lib/err.h"

#define IDENTITY_GROUPS_MAX 256

struct identity {
    uid_t uid;
    gid_t gid;
    gid_t groups[IDENTITY_GROUPS_MAX]; /* the primary group first, so that it cannot be given up */
    int group_count;
    char home[PATH_MAX];
};

/* `user` is "", "name", "uid", "name:group" or "uid:gid". With a group given there are no supplementary
 * groups. image_user names what the image does not know. */
int identity_resolve(int root_fd, const char *user, struct identity *identity, struct err *err);

/* Adds groups by name or number: a NULL-terminated list, or NULL. */
int identity_add_groups(int root_fd, char *const *groups, struct identity *identity, struct err *err);
