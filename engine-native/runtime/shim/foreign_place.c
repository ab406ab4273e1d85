/* See foreign_place.h. */
#include "foreign_place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "devices.h"
#include "kernel.h"
#include "mounts.h"
#include "sync.h"

/* A volume on a dead disk must end a start before the helper's own limit does. */
#define PLACE_TIMEOUT_MS 8000

int foreign_place_write(int dir, const char *name, const char *text, size_t len, struct err *err) {
    auto_close int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    while (fd >= 0 && len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        text += n;
        len -= (size_t)n;
    }
    return fd < 0 || len > 0 ? err_sys(err, errno, "cannot write \"%s\" for the runtime", name) : 0;
}

size_t foreign_place_read(int dir, const char *name, char *text, size_t size) {
    struct stat st;
    auto_close int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

    text[0] = '\0';
    if (fd < 0 || fstat(fd, &st))
        return 0;
    off_t from = st.st_size >= (off_t)size ? st.st_size - (off_t)size + 1 : 0;
    ssize_t n = pread(fd, text, size - 1, from);
    if (n < 0)
        n = 0;
    text[n] = '\0';
    return (size_t)n;
}

/* What is attached where is what it is: a folder on a folder, a file on a file. */
static int attach(int source, int dir, const char *name, struct err *err) {
    struct stat st;
    int rc = fstat(source, &st);

    if (rc == 0 && S_ISDIR(st.st_mode))
        rc = mkdirat(dir, name, 0755);
    else if (rc == 0)
        rc = mknodat(dir, name, S_IFREG | 0600, 0);
    if (rc || k_move_mount(source, dir, name, 0))
        return err_sys(err, errno, "cannot attach \"%s\" for the runtime", name);
    return 0;
}

/* In the order of mounts_open_sources. Devices and control groups are the runtime's own business. */
static int attach_sources(const struct spec *spec, const struct cgroup *cgroup, const int *sources, int dir,
                          struct err *err) {
    char name[64];

    if (attach(*sources++, dir, "bundle/rootfs", err))
        return -1;
    /* A runtime looks for the hierarchies among the mounts, and would take the group's clones for them. */
    for (int kind = 0; kind < CGROUP_KINDS; kind++)
        sources += cgroup->dir[kind] >= 0;
    if (spec->userns)
        sources += DEFAULT_DEVICES + spec->device_count;
    for (size_t i = 0; i < spec->mount_count; i++) {
        (void)snprintf(name, sizeof(name), "mounts/%zu", i);
        if (spec->mounts[i].type == MOUNT_BIND && attach(*sources++, dir, name, err))
            return -1;
    }
    if (mounts_need_host_sys(spec) && attach(*sources++, dir, "sys", err))
        return -1;
    return mounts_need_host_proc(spec) ? attach(*sources, dir, "proc", err) : 0;
}

/* A namespace stays for as long as its file is mounted somewhere. */
static int keep_namespace(pid_t holder, const char *kind, struct err *err) {
    char from[64], to[32];

    (void)snprintf(from, sizeof(from), "/proc/%d/ns/%s", holder, kind);
    (void)snprintf(to, sizeof(to), "ns/%s", kind);
    if (mknod(to, S_IFREG | 0600, 0) || k_mount(from, to, NULL, MS_BIND, NULL))
        return err_sys(err, errno, "cannot keep the container's %s namespace", kind);
    return 0;
}

static int make_folders(struct err *err) {
    static const struct {
        const char *name;
        mode_t mode;
    } folders[] = {{"bundle", 0711}, {"mounts", 0711}, {"ns", 0711}, {"state", 0700}};

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (mkdir(folders[i].name, folders[i].mode))
            return err_sys(err, errno, "cannot make \"%s\" for the runtime", folders[i].name);
    return 0;
}

static int make_place(const struct spec *spec, const struct cgroup *cgroup, const int *sources, pid_t holder,
                      const char *config, size_t config_len, struct err *err) {
    if (unshare(CLONE_NEWNS) || k_mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
        return err_sys(err, errno, "cannot make a mount namespace for the runtime");
    /* An empty v2 hierarchy beside those of v1 makes crun refuse the host, and nobody counts in it. */
    if (cgroup->version != 2)
        (void)k_umount2("/sys/fs/cgroup/unified", MNT_DETACH);
    /* 0711: root of a user namespace has to get through. */
    if (k_mount("tmpfs", spec->runtime.place, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                "size=16m,mode=0711") ||
        chdir(spec->runtime.place))
        return err_sys(err, errno, "cannot use \"%s\" for the runtime", spec->runtime.place);
    (void)umask(0);
    if (make_folders(err))
        return -1;
    (void)umask(022);
    auto_close int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_sys(err, errno, "cannot open \"%s\"", spec->runtime.place);
    if (holder > 0 && spec->userns && !spec->userns_path && keep_namespace(holder, "user", err))
        return -1;
    if (holder > 0 && !spec->namespaces.net && keep_namespace(holder, "net", err))
        return -1;
    if (attach_sources(spec, cgroup, sources, dir, err))
        return -1;
    return foreign_place_write(dir, "bundle/config.json", config, config_len, err);
}

static _Noreturn void place_main(int sock, const struct spec *spec, const struct cgroup *cgroup,
                                 const int *sources, pid_t holder, const char *config, size_t config_len) {
    struct err err = {0};
    int fds[2] = {-1, -1};

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (make_place(spec, cgroup, sources, holder, config, config_len, &err)) {
        sync_send_failure(sock, &err);
        _exit(1);
    }
    fds[0] = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    fds[1] = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fds[0] < 0 || fds[1] < 0) {
        (void)err_sys(&err, errno, "cannot keep the runtime's mount namespace");
        sync_send_failure(sock, &err);
        _exit(1);
    }
    _exit(sync_send(sock, SYNC_STDIO, fds, 2, &err) ? 1 : 0);
}

int foreign_place_open(const struct spec *spec, const struct cgroup *cgroup, const int *sources, pid_t holder,
                       const char *config, size_t config_len, struct foreign_place *place, struct err *err) {
    int pair[2], fds[2] = {-1, -1};

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return err_sys(err, errno, "cannot make a socket pair");
    pid_t pid = fork();
    if (pid == 0)
        place_main(pair[1], spec, cgroup, sources, holder, config, config_len);
    (void)close(pair[1]);
    int rc = pid < 0 ? err_sys(err, errno, "cannot fork")
                     : sync_receive(pair[0], SYNC_STDIO, fds, 2, PLACE_TIMEOUT_MS, err);
    (void)close(pair[0]);
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    if (rc)
        return err->code ? -1 : err_set(err, ERR_INTERNAL, "the runtime's place could not be made");
    *place = (struct foreign_place){.mount_namespace = fds[0], .dir = fds[1]};
    return 0;
}

void foreign_place_close(struct foreign_place *place) {
    if (place->mount_namespace >= 0)
        (void)close(place->mount_namespace);
    if (place->dir >= 0)
        (void)close(place->dir);
    *place = (struct foreign_place){-1, -1};
}
