/* See running_root.h. */
#include "running_root.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../lib/frame.h"
#include "within.h"

#define SHIM_TIMEOUT_MS 2000 /* a shim that is stopped must fail the copy, not hang it */

static int connect_shim(const struct helper *helper, const char *run_dir, struct err *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    auto_close int dir = within_open_dir(helper, run_dir, err);
    if (dir < 0)
        return -1;
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/shim.sock", dir);
    auto_close int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof address) < 0)
        return err_sys_as(err, ERR_NOT_FOUND, errno, "the container does not run");
    return steal_fd(&sock);
}

/* The container's first process, as its parent knows it. */
static int ask_pid(int sock, pid_t *pid, struct err *err) {
    static const char request[] = "{\"id\":1,\"op\":\"state\"}";
    auto_free char *text = NULL;
    const char *status = "";
    int64_t number = 0;
    size_t len;
    if (frame_write(sock, request, sizeof request - 1, err) < 0 ||
        frame_read(sock, &text, &len, SHIM_TIMEOUT_MS, err) != 1)
        return err_set(err, ERR_NOT_FOUND, "the container's shim does not answer");
    struct json_doc *doc auto_json = json_parse(text, len, err);
    if (!doc || json_opt_string(json_root(doc), "status", &status, err) < 0 ||
        json_opt_int(json_root(doc), "pid", 0, INT32_MAX, &number, err) < 0)
        return -1;
    if ((strcmp(status, "running") != 0 && strcmp(status, "paused") != 0) || number <= 0)
        return err_set(err, ERR_NOT_FOUND, "the container does not run");
    *pid = (pid_t)number;
    return 0;
}

static int open_proc(pid_t pid, const char *name, int flags) {
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return open(path, flags | O_CLOEXEC);
}

/* Root there, with every capability over what is mapped into it and none over anything else. */
static int become_container_root(int userns, bool *mapped, struct err *err) {
    struct stat theirs, ours;
    *mapped = fstat(userns, &theirs) == 0 && stat("/proc/self/ns/user", &ours) == 0 &&
              (theirs.st_ino != ours.st_ino || theirs.st_dev != ours.st_dev);
    if (!*mapped)
        return 0;
    if (setns(userns, CLONE_NEWUSER) < 0 || setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 ||
        setresuid(0, 0, 0) < 0)
        return err_sys(err, errno, "cannot enter the container's user namespace");
    return 0;
}

int running_root_open(const struct helper *helper, const char *run_dir, bool *mapped, struct err *err) {
    pid_t pid = 0, again = 0;
    auto_close int sock = connect_shim(helper, run_dir, err);
    if (sock < 0 || ask_pid(sock, &pid, err) < 0)
        return -1;
    auto_close int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    auto_close int root = open_proc(pid, "root", O_PATH | O_DIRECTORY);
    auto_close int userns = open_proc(pid, "ns/user", O_RDONLY);
    if (pidfd < 0 || root < 0 || userns < 0)
        return err_sys_as(err, ERR_NOT_FOUND, errno, "the container does not run");
    /* Its parent still has it, so the pid was nobody else's in between. */
    if (ask_pid(sock, &again, err) < 0)
        return -1;
    if (again != pid)
        return err_set(err, ERR_NOT_FOUND, "the container was started anew meanwhile");
    if (become_container_root(userns, mapped, err) < 0)
        return -1;
    return steal_fd(&root);
}
