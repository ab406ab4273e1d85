/* See privileges.h. */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../seccomp/filter.h"
#include "../seccomp/profile.h"

/* Straight system calls: a libc would signal its threads, and there are none. */
static int set_ids(uid_t uid, gid_t gid, const gid_t *groups, size_t count) {
    return syscall(SYS_setgroups, count, groups) || syscall(SYS_setresgid, gid, gid, gid) ||
                   syscall(SYS_setresuid, uid, uid, uid)
               ? -1
               : 0;
}

int privileges_become_root(struct err *err) {
    if (set_ids(0, 0, NULL, 0))
        return err_sys(err, errno, "cannot become root of the container");
    return 0;
}

/* A hard limit above our own needs CAP_SYS_RESOURCE. Without it the container gets the most we have: that is
 * what the host allows, and no reason to refuse a start. */
static void set_rlimits(const struct privileges *p) {
    for (size_t i = 0; i < p->rlimit_count; i++) {
        const struct rlimit_spec *limit = &p->rlimits[i];
        struct rlimit own, wanted = {limit->soft, limit->hard};
        if (prlimit(0, (unsigned)limit->resource, &wanted, NULL) == 0 ||
            prlimit(0, (unsigned)limit->resource, NULL, &own))
            continue;
        wanted.rlim_max = own.rlim_max;
        if (wanted.rlim_cur > own.rlim_max)
            wanted.rlim_cur = own.rlim_max;
        (void)prlimit(0, (unsigned)limit->resource, &wanted, NULL);
    }
}

static uint64_t own_bounding_set(void) {
    uint64_t set = 0;

    for (int cap = 0; cap < 64; cap++) {
        int rc = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
        if (rc < 0)
            break;
        if (rc == 1)
            set |= 1ULL << cap;
    }
    return set;
}

static int drop_bounding(uint64_t own, uint64_t keep) {
    for (int cap = 0; cap < 64; cap++)
        if ((own & ~keep & (1ULL << cap)) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
            return -1;
    return 0;
}

/* Unless somebody names them, inheritable and ambient stay empty: a non-empty inheritable set would hand
 * capabilities to any file that asks. */
static struct capability_sets wanted_sets(const struct privileges *p, const struct identity *identity) {
    if (p->sets)
        return *p->sets;
    uint64_t own = identity->uid == 0 ? p->capabilities : 0;
    return (struct capability_sets){.bounding = p->capabilities, .effective = own, .permitted = own};
}

/* What we do not have nobody gets: a host that lacks a capability starts its containers without it. */
static int set_capabilities(const struct capability_sets *sets, uint64_t own) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    uint64_t permitted = own & sets->permitted, effective = permitted & sets->effective,
             inheritable = own & sets->inheritable;
    struct __user_cap_data_struct data[2] = {
        {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
        {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)},
    };

    if (syscall(SYS_capset, &head, data))
        return -1;
    for (unsigned long cap = 0; cap < 64; cap++)
        if ((sets->ambient & permitted & inheritable & (1ULL << cap)) &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0))
            return -1;
    return 0;
}

static int load_filter(const struct privileges *p, uint64_t keep, struct err *err) {
    if (p->seccomp && (p->program ? seccomp_program_load(p->program) : seccomp_load(keep)))
        return err_sys(err, errno, "cannot load the system call filter");
    return 0;
}

int privileges_drop(const struct privileges *p, const struct identity *identity, struct err *err) {
    uint64_t own = own_bounding_set();
    struct capability_sets sets = wanted_sets(p, identity);
    uint64_t keep = own & sets.bounding;

    set_rlimits(p);
    /* The host's session keyring came along. The filter refuses keyctl; without one the keyring must be
     * another. */
    if (!p->seccomp)
        (void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    /* Without no_new_privs a filter can only be loaded while CAP_SYS_ADMIN is still here. */
    if (!p->no_new_privileges && load_filter(p, keep, err))
        return -1;
    if (drop_bounding(own, keep))
        return err_sys(err, errno, "cannot drop capabilities");
    /* Another user than root loses its permitted set with the change, unless it is kept for the moment. */
    if (sets.permitted && identity->uid != 0)
        (void)prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (set_ids(identity->uid, identity->gid, identity->groups, (size_t)identity->group_count))
        return err_sys_as(err, ERR_IMAGE_USER, errno, "cannot become user %u, group %u of the container",
                          identity->uid, identity->gid);
    if (set_capabilities(&sets, own))
        return err_sys(err, errno, "cannot set capabilities");
    if (p->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return err_sys(err, errno, "cannot set no_new_privs");
    return p->no_new_privileges ? load_filter(p, keep, err) : 0;
}
