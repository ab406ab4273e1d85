/* See drop_root.h. */
#include "drop_root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOBODY = 65534 };

/* Two sockets an address: the usual soft limit of 1024 is too few for many networks. */
static void raise_file_limit(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max < 16384 ? limit.rlim_max : 16384;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Names of containers that run must not go away because a container fills the memory. */
static void spare_from_oom(void) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    (void)!write(fd, "-900", 4); /* refused without CAP_SYS_RESOURCE: then the kernel's choice stands */
    (void)close(fd);
}

static int keep_only_bind(void) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    const uint32_t bind = 1U << CAP_NET_BIND_SERVICE;
    struct __user_cap_data_struct data[2] = {{.effective = bind, .permitted = bind}, {0}};

    return (int)syscall(SYS_capset, &head, data);
}

int dns_drop_privileges(struct err *err) {
    raise_file_limit();
    spare_from_oom();
    for (int cap = 0; cap < 64; cap++)
        if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0))
            return err_sys(err, errno, "cannot drop capabilities");
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || syscall(SYS_setgroups, 0, NULL) ||
        syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) || syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY))
        return err_sys(err, errno, "cannot become nobody");
    if (keep_only_bind() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        return err_sys(err, errno, "cannot give up privileges");
    return 0;
}
