/* See foreign_holder.h. */
#include "foreign_holder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "cgroup.h"
#include "kernel.h"
#include "sync.h"

/* Namespaces are made in no time; a host that cannot do it in five seconds will not do it at all. */
#define HOLDER_TIMEOUT_MS 5000

static _Noreturn void holder_main(int sock, int joined_userns, int flags) {
    struct err err = {0};

    (void)prctl(PR_SET_NAME, "berth:holder", 0, 0, 0);
    if ((joined_userns >= 0 && setns(joined_userns, CLONE_NEWUSER)) || unshare(flags)) {
        (void)err_sys(&err, errno, "cannot make the container's namespaces");
        sync_send_failure(sock, &err);
        _exit(1);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0,
                0); /* behind the change of user namespace, which clears it */
    if (sync_send(sock, SYNC_JOINED, NULL, 0, &err))
        _exit(1);
    for (;;)
        (void)pause();
}

static int write_map(pid_t pid, const char *file, const struct spec *spec) {
    char path[64], map[64];

    (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
    (void)snprintf(map, sizeof(map), "0 %u %u", spec->userns_base, spec->userns_size);
    return cgroup_write(AT_FDCWD, path, map);
}

static int open_userns(const struct spec *spec, pid_t pid, struct err *err) {
    char path[64];

    if (!spec->userns_path) {
        if (write_map(pid, "uid_map", spec) || write_map(pid, "gid_map", spec))
            return err_sys_as(err, ERR_UNSUPPORTED, errno, "cannot map the container's users");
    }
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
    int fd = open(spec->userns_path ? spec->userns_path : path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_sys(err, errno, "cannot open the container's user namespace") : fd;
}

static int connect_network(const struct spec *spec, pid_t pid, struct err *err) {
    char path[64];

    if (spec->namespaces.net)
        return 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
    auto_close int netns = open(path, O_RDONLY | O_CLOEXEC);
    if (netns < 0)
        return err_sys_as(err, ERR_NETWORK, errno, "cannot open the container's network namespace");
    if (spec->network_mode == NET_NONE)
        return net_loopback_up(netns, err);
    for (size_t i = 0; i < spec->interface_count; i++)
        if (net_attach_container(&spec->interfaces[i], netns, err))
            return -1; /* those before go with the namespace */
    return 0;
}

static int clone_holder(const struct spec *spec, struct foreign_holder *holder, struct err *err) {
    int flags =
        (spec->userns && !spec->userns_path ? CLONE_NEWUSER : 0) | (spec->namespaces.net ? 0 : CLONE_NEWNET);
    auto_close int joined = spec->userns_path ? open(spec->userns_path, O_RDONLY | O_CLOEXEC) : -1;
    int pair[2];

    if (spec->userns_path && joined < 0)
        return err_sys(err, errno, "cannot open user namespace \"%s\"", spec->userns_path);
    if (flags == 0)
        return 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return err_sys(err, errno, "cannot make a socket pair");
    holder->pid = fork();
    if (holder->pid == 0)
        holder_main(pair[1], joined, flags);
    (void)close(pair[1]);
    int rc = holder->pid < 0 ? err_sys(err, errno, "cannot fork")
                             : sync_receive(pair[0], SYNC_JOINED, NULL, 0, HOLDER_TIMEOUT_MS, err);
    (void)close(pair[0]);
    if (rc == 1)
        return err_set(err, ERR_INTERNAL, "the holder of the container's namespaces died");
    return rc;
}

int foreign_holder_start(const struct spec *spec, struct foreign_holder *holder, struct err *err) {
    *holder = (struct foreign_holder){.pid = 0, .userns = -1};
    if (clone_holder(spec, holder, err) == 0 &&
        (!spec->userns || (holder->userns = open_userns(spec, holder->pid, err)) >= 0) &&
        connect_network(spec, holder->pid, err) == 0)
        return 0;
    foreign_holder_end(holder);
    return -1;
}

void foreign_holder_end(struct foreign_holder *holder) {
    if (holder->pid > 0) {
        (void)kill(holder->pid, SIGKILL);
        (void)waitpid(holder->pid, NULL, 0);
    }
    if (holder->userns >= 0)
        (void)close(holder->userns);
    *holder = (struct foreign_holder){.pid = 0, .userns = -1};
}
