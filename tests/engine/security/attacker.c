/* What a hostile program in a container tries. Static; put into images by hostile-image.ts as /attacker, and run there by
 * the tests of this folder. Prints one line a try: what it was, and how it ended.
 * - calls: every system call that breaks walls or has broken kernels
 * - device TYPE MAJOR MINOR: makes the node and opens it
 * - spy SECONDS: watches for processes that enter the container and tries to get hold of them
 * - swap FOLDER TARGET: replaces FOLDER by a link to TARGET and back, without end
 * - escape: the ways of CVE-2022-0492
 * - open PATH…: opens each for writing
 * - plant PATH TARGET: puts a link in the place of PATH, then waits */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NEW_NAMESPACES (CLONE_NEWUSER | CLONE_NEWNS)

static void say(const char *what, long rc) {
    (void)printf("%s: %s\n", what, rc < 0 ? strerror(errno) : "ok");
    (void)fflush(stdout);
}

struct try {
    const char *name;
    long number, a, b, c, d, e;
};

static const struct try tries[] = {
    {"io_uring_setup", SYS_io_uring_setup, 1, 0, 0, 0, 0},
    {"io_uring_enter", SYS_io_uring_enter, -1, 0, 0, 0, 0},
    {"io_uring_register", SYS_io_uring_register, -1, 0, 0, 0, 0},
    {"keyctl", SYS_keyctl, 0, -3, 1, 0, 0},
    {"add_key", SYS_add_key, 0, 0, 0, 0, 0},
    {"request_key", SYS_request_key, 0, 0, 0, 0, 0},
    {"bpf", SYS_bpf, 0, 0, 0, 0, 0},
    {"userfaultfd", SYS_userfaultfd, 1, 0, 0, 0, 0},
    {"perf_event_open", SYS_perf_event_open, 0, 0, -1, -1, 0},
    {"socket AF_ALG", SYS_socket, 38, SOCK_SEQPACKET, 0, 0, 0},
    {"socket AF_VSOCK", SYS_socket, 40, SOCK_STREAM, 0, 0, 0},
    {"unshare user", SYS_unshare, CLONE_NEWUSER, 0, 0, 0, 0},
    {"unshare mount", SYS_unshare, CLONE_NEWNS, 0, 0, 0, 0},
    {"unshare cgroup", SYS_unshare, 0x02000000, 0, 0, 0, 0},
    {"clone user", SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0},
    {"clone3", SYS_clone3, 0, 0, 0, 0, 0},
    {"setns", SYS_setns, -1, 0, 0, 0, 0},
    {"mount", SYS_mount, (long)"none", (long)"/tmp", (long)"tmpfs", 0, 0},
    {"umount2", SYS_umount2, (long)"/proc/kcore", 2, 0, 0, 0},
    {"pivot_root", SYS_pivot_root, (long)"/", (long)"/", 0, 0, 0},
    {"open_tree", 428, AT_FDCWD, (long)"/", 1, 0, 0},
    {"move_mount", 429, -1, (long)"", -1, (long)"", 0},
    {"fsopen", 430, (long)"tmpfs", 0, 0, 0, 0},
    {"fsmount", 432, -1, 0, 0, 0, 0},
    {"mount_setattr", 442, -1, (long)"", 0, 0, 0},
    {"open_by_handle_at", SYS_open_by_handle_at, AT_FDCWD, 0, 0, 0, 0},
    {"init_module", SYS_init_module, 0, 0, 0, 0, 0},
    {"finit_module", SYS_finit_module, -1, 0, 0, 0, 0},
    {"delete_module", SYS_delete_module, 0, 0, 0, 0, 0},
    {"kexec_load", SYS_kexec_load, 0, 0, 0, 0, 0},
    {"reboot", SYS_reboot, 0, 0, 0, 0, 0},
    {"swapon", SYS_swapon, (long)"/x", 0, 0, 0, 0},
    {"acct", SYS_acct, (long)"/x", 0, 0, 0, 0},
    {"quotactl", SYS_quotactl, 0, 0, 0, 0, 0},
    {"settimeofday", SYS_settimeofday, 0, 0, 0, 0, 0},
    {"syslog", SYS_syslog, 2, 0, 0, 0, 0},
    {"fanotify_init", SYS_fanotify_init, 0, 0, 0, 0, 0},
    {"kcmp", SYS_kcmp, 1, 1, 0, 0, 0},
    {"pidfd_getfd", SYS_pidfd_getfd, -1, 0, 0, 0, 0},
    {"process_madvise", SYS_process_madvise, -1, 0, 0, 0, 0},
    {"move_pages", SYS_move_pages, 0, 0, 0, 0, 0},
    {"migrate_pages", SYS_migrate_pages, 0, 0, 0, 0, 0},
    {"personality", SYS_personality, 0x0040000, 0, 0, 0, 0},
    {"sethostname", SYS_sethostname, (long)"x", 1, 0, 0, 0},
    {"lookup_dcookie", SYS_lookup_dcookie, 0, 0, 0, 0, 0},
    {"vhangup", SYS_vhangup, 0, 0, 0, 0, 0},
#ifdef __x86_64__
    {"iopl", SYS_iopl, 3, 0, 0, 0, 0},
    {"ioperm", SYS_ioperm, 0x80, 1, 1, 0, 0},
    {"x32 getpid", 0x40000000 + SYS_getpid, 0, 0, 0, 0, 0},
#endif
};

/* Each in a child of its own: one that succeeds must not change the next. */
static void try_in_child(const char *name, long (*work)(const void *), const void *argument) {
    int status = 0;

    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        say(name, work(argument));
        _exit(0);
    }
    (void)waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
        (void)printf("%s: killed by signal %d\n", name, WTERMSIG(status));
}

static long call(const void *argument) {
    const struct try *t = argument;
    long rc = syscall(t->number, t->a, t->b, t->c, t->d, t->e);

    if (t->number == SYS_clone && rc == 0)
        _exit(0);
    return rc;
}

#ifdef __x86_64__
/* keyctl of the 32-bit table, entered as 32-bit programs enter. */
static long call_32(const void *argument) {
    long rc;

    (void)argument;
    __asm__ volatile("int $0x80" : "=a"(rc) : "a"(288), "b"(0), "c"(-3), "d"(1) : "r8", "r9", "r10", "r11", "memory");
    if ((int)rc < 0)
        errno = -(int)rc;
    return (int)rc;
}
#endif

static void calls(void) {
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
        try_in_child(tries[i].name, call, &tries[i]);
#ifdef __x86_64__
    try_in_child("i386 keyctl", call_32, NULL);
#endif
}

static void device(const char *type, const char *major, const char *minor) {
    dev_t id = makedev((unsigned)atoi(major), (unsigned)atoi(minor));

    (void)unlink("/tmp/node");
    say("mknod", mknod("/tmp/node", (*type == 'b' ? S_IFBLK : S_IFCHR) | 0600, id));
    say("open", open("/tmp/node", O_RDONLY | O_NONBLOCK));
}

static int is_entering(const char *pid) {
    char path[300], name[32] = "";
    (void)snprintf(path, sizeof path, "/proc/%s/comm", pid);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return 0;
    (void)!read(fd, name, sizeof name - 1);
    (void)close(fd);
    return strncmp(name, "berth", 5) == 0;
}

/* What was had is a catch when the process is still on its way then: later it is a program of the container. */
static int catches(const char *pid, const char *what) {
    int is_catch = is_entering(pid);

    if (is_catch)
        (void)printf("got %s of %s\n", what, pid);
    return is_catch;
}

/* One process that is entering: its program, its descriptors, its directories, its memory. */
static int grab(const char *pid) {
    static const char *const doors[] = {"exe",  "mem",  "cwd",  "root", "fd/0", "fd/3",
                                        "fd/4", "fd/5", "fd/6", "fd/7", "fd/8"};
    char path[300];
    int got = 0;

    for (size_t i = 0; i < sizeof doors / sizeof *doors; i++) {
        int is_program = strcmp(doors[i], "exe") == 0;
        (void)snprintf(path, sizeof path, "/proc/%s/%s", pid, doors[i]);
        int fd = open(path, is_program ? O_WRONLY : O_RDONLY | O_NONBLOCK);
        if (fd >= 0 || (is_program && errno == ETXTBSY))
            got += catches(pid, doors[i]);
        if (fd >= 0)
            (void)close(fd);
    }
    if (ptrace(PTRACE_SEIZE, atoi(pid), 0, 0) == 0) {
        got += catches(pid, "the trace");
        (void)ptrace(PTRACE_INTERRUPT, atoi(pid), 0, 0);
        (void)waitpid(atoi(pid), NULL, __WALL);
        (void)ptrace(PTRACE_DETACH, atoi(pid), 0, 0);
    }
    return got;
}

static void spy(int seconds) {
    time_t end = time(NULL) + seconds;
    int seen = 0, got = 0;

    (void)printf("watching\n");
    (void)fflush(stdout);
    while (time(NULL) < end) {
        DIR *dir = opendir("/proc");
        for (struct dirent *e; dir && (e = readdir(dir));)
            if (atoi(e->d_name) > 1 && is_entering(e->d_name)) {
                seen++;
                got += grab(e->d_name);
            }
        if (dir)
            (void)closedir(dir);
    }
    (void)printf("seen %d got %d\n", seen > 0, got);
}

static void swap(const char *folder, const char *target) {
    char link[256];

    (void)snprintf(link, sizeof link, "%s-link", folder);
    if (symlink(target, link) && errno != EEXIST)
        say("symlink", -1);
    (void)printf("swapping\n");
    (void)fflush(stdout);
    for (;;)
        (void)syscall(SYS_renameat2, AT_FDCWD, folder, AT_FDCWD, link, 2 /* RENAME_EXCHANGE */);
}

static void find_agents(const char *path, int depth) {
    DIR *dir = opendir(path);

    for (struct dirent *e; dir && depth > 0 && (e = readdir(dir));) {
        char below[512];
        if (e->d_name[0] == '.')
            continue;
        (void)snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        if (strcmp(e->d_name, "release_agent") == 0 || strcmp(e->d_name, "notify_on_release") == 0 ||
            strcmp(e->d_name, "cgroup.procs") == 0)
            say(e->d_name, open(below, O_WRONLY));
        else if (e->d_type == DT_DIR)
            find_agents(below, depth - 1);
    }
    if (dir)
        (void)closedir(dir);
}

static void escape(void) {
    find_agents("/sys/fs/cgroup", 3);
    say("unshare", unshare(NEW_NAMESPACES | 0x02000000));
    (void)mkdir("/tmp/c", 0755);
    say("mount", syscall(SYS_mount, "cgroup", "/tmp/c", "cgroup", 0, "rdma"));
    find_agents("/tmp/c", 1);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "calls") == 0)
        calls();
    else if (strcmp(what, "device") == 0 && argc == 5)
        device(argv[2], argv[3], argv[4]);
    else if (strcmp(what, "spy") == 0 && argc == 3)
        spy(atoi(argv[2]));
    else if (strcmp(what, "swap") == 0 && argc == 4)
        swap(argv[2], argv[3]);
    else if (strcmp(what, "escape") == 0)
        escape();
    else if (strcmp(what, "open") == 0)
        for (int i = 2; i < argc; i++)
            say(argv[i], open(argv[i], O_WRONLY));
    else if (strcmp(what, "plant") == 0 && argc == 4) {
        (void)unlink(argv[2]);
        say("planted", symlink(argv[3], argv[2]));
        (void)pause();
    } else
        return 64;
    return 0;
}
