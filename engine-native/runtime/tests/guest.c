/* The guest of the runtime tests: one static program instead of a distribution. Does the steps of its
 * arguments in order, separated by ",", and prints what it sees. tests/engine/shim.test.ts puts it into a
 * root as /guest. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void say(const char *what, int rc) {
    (void)printf("%s: %s\n", what, rc < 0 ? strerror(errno) : "ok");
}

static void identity(void) {
    gid_t groups[64];
    int n = getgroups(64, groups);

    (void)printf("uid=%u gid=%u groups=", getuid(), getgid());
    for (int i = 0; i < n; i++)
        (void)printf(i ? ",%u" : "%u", groups[i]);
    (void)printf("\n");
}

static void cat(const char *path) {
    char buffer[65536];
    int fd = strcmp(path, "-") == 0 ? dup(0) : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    (void)fflush(stdout);
    if (fd < 0) {
        say(path, -1);
        return;
    }
    while ((n = read(fd, buffer, sizeof(buffer))) > 0)
        if (write(1, buffer, (size_t)n) != n)
            break;
    (void)close(fd);
}

static void list(const char *path) {
    DIR *dir = opendir(path);

    if (!dir) {
        say(path, -1);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.')
            (void)printf("%s\n", e->d_name);
    (void)closedir(dir);
}

/* Open descriptors with what they are, but for the one that lists them. */
static void descriptors(void) {
    for (int fd = 0; fd < 1024; fd++) {
        char path[64], target[256];
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        if (n < 0)
            continue;
        target[n] = '\0';
        (void)printf("fd %d %s\n", fd, target);
    }
}

static void write_file(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    int rc = fd < 0 ? -1 : (int)write(fd, text, strlen(text));

    say(path, rc);
    if (fd >= 0)
        (void)close(fd);
}

static void info(const char *path) {
    struct stat st;

    if (stat(path, &st))
        say(path, -1);
    else
        (void)printf("%s: mode %o uid %u gid %u rdev %u:%u\n", path, st.st_mode, st.st_uid, st.st_gid,
                     major(st.st_rdev), minor(st.st_rdev));
}

static void use_memory(size_t megabytes) {
    for (size_t i = 0; i < megabytes; i++) {
        char *page = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page != MAP_FAILED)
            memset(page, 1, 1 << 20);
    }
    say("memory", 0);
}

static void fork_many(int count) {
    int made = 0;

    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            (void)sleep(100);
            _exit(0);
        }
        made += pid > 0;
    }
    (void)printf("forked %d\n", made);
}

static void fork_bomb(void) {
    for (;;)
        (void)fork();
}

static void lines(int count, size_t length) {
    for (int i = 0; i < count; i++) {
        (void)printf("%d ", i);
        for (size_t k = 0; k < length; k++)
            (void)putchar('x');
        (void)putchar('\n');
    }
}

static void calls(void) {
    say("unshare", unshare(0x10000000));
    say("mount", (int)syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL));
    say("clone3", (int)syscall(SYS_clone3, NULL, 0));
    say("unknown", (int)syscall(1000));
    say("keyctl", (int)syscall(SYS_keyctl, 0, 0));
    say("mknod", mknod("/sda", S_IFBLK | 0600, makedev(8, 0)));
}

static void terminal(void) {
    struct winsize size = {0};

    (void)ioctl(0, TIOCGWINSZ, &size);
    (void)printf("tty %d %s %ux%u leader %d\n", isatty(0), isatty(0) ? ttyname(0) : "-", size.ws_row,
                 size.ws_col, getsid(0) == getpid());
}

static volatile sig_atomic_t got_signal;

static void on_signal(int signal) {
    got_signal = signal;
}

/* Prints the signal that comes first. */
static void wait_signal(void) {
    for (int signal = 1; signal < 32; signal++)
        if (signal != SIGKILL && signal != SIGSTOP && signal != SIGCHLD)
            (void)sigaction(signal, &(struct sigaction){.sa_handler = on_signal}, NULL);
    (void)printf("waiting\n");
    (void)fflush(stdout);
    while (!got_signal)
        (void)usleep(1000);
    (void)printf("got %d\n", (int)got_signal);
}

/* A child that writes without end, or until nobody reads. */
static void background_noise(void) {
    if (fork() == 0)
        while (write(1, "noise noise noise noise noise\n", 30) > 0)
            continue;
}

/* Two programs as a shell starts them: the first ends at once with a signal, the second takes a moment. */
static void pair(void) {
    if (fork() == 0) {
        wait_signal();
        (void)usleep(200000);
        (void)printf("second ended\n");
        exit(0);
    }
    wait_signal();
}

static void need(const char *path) {
    (void)printf("looking for %s\n", path);
    if (access(path, F_OK))
        exit(1);
}

static int number(char **step, int i) {
    return step[i] ? atoi(step[i]) : 0;
}

static void run_step(char **s) {
    const char *name = s[0], *arg = s[1] ? s[1] : "";

    if (strcmp(name, "id") == 0)
        identity();
    else if (strcmp(name, "cat") == 0)
        cat(arg);
    else if (strcmp(name, "list") == 0)
        list(arg);
    else if (strcmp(name, "fds") == 0)
        descriptors();
    else if (strcmp(name, "write") == 0)
        write_file(arg, s[2] ? s[2] : "x");
    else if (strcmp(name, "stat") == 0)
        info(arg);
    else if (strcmp(name, "memory") == 0)
        use_memory((size_t)number(s, 1));
    else if (strcmp(name, "fork") == 0)
        fork_many(number(s, 1));
    else if (strcmp(name, "bomb") == 0)
        fork_bomb();
    else if (strcmp(name, "background") == 0)
        background_noise();
    else if (strcmp(name, "lines") == 0)
        lines(number(s, 1), (size_t)number(s, 2));
    else if (strcmp(name, "calls") == 0)
        calls();
    else if (strcmp(name, "tty") == 0)
        terminal();
    else if (strcmp(name, "signal") == 0)
        wait_signal();
    else if (strcmp(name, "pair") == 0)
        pair();
    else if (strcmp(name, "need") == 0)
        need(s[1]);
    else if (strcmp(name, "raise") == 0)
        (void)raise(number(s, 1));
    else if (strcmp(name, "pid") == 0)
        (void)printf("pid %d\n", getpid());
    else if (strcmp(name, "cwd") == 0)
        (void)printf("%s\n", getcwd((char[4096]){0}, 4096));
    else if (strcmp(name, "env") == 0)
        (void)printf("%s=%s\n", arg, getenv(arg) ? getenv(arg) : "(none)");
    else if (strcmp(name, "say") == 0)
        (void)printf("%s\n", arg);
    else if (strcmp(name, "complain") == 0)
        (void)fprintf(stderr, "%s\n", arg);
    else if (strcmp(name, "sleep") == 0)
        (void)usleep((useconds_t)number(s, 1) * 1000);
    else if (strcmp(name, "exit") == 0)
        exit(number(s, 1));
    else
        (void)printf("no such step: %s\n", name);
    (void)fflush(stdout);
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc;) {
        char *step[8] = {NULL};
        for (int n = 0; i < argc && strcmp(argv[i], ",") != 0; i++)
            if (n < 7)
                step[n++] = argv[i];
        i++;
        if (step[0])
            run_step(step);
    }
    return 0;
}
