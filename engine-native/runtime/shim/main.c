/* berth-shim: one a container. Reads its spec from descriptor 3, starts the container, answers one line of
 * JSON on descriptor 4 and then stays: parent of pid 1, keeper of its output, its log, its execs and its end.
 * The only file that prints. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "kernel.h"
#include "sealed.h"
#include "shim.h"

#define SPEC_FD 3
#define READY_FD 4
#define SPEC_MAX (1 << 20)

/* Nothing that the caller left open may reach a container, and our own stdio is nobody's terminal. */
static int tidy_descriptors(void) {
    (void)k_close_range(READY_FD + 1, ~0U, 0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return -1;
    for (int fd = 0; fd < 3; fd++)
        if (dup2(null, fd) < 0)
            return -1;
    if (null > 2)
        (void)close(null);
    return fcntl(SPEC_FD, F_SETFD, FD_CLOEXEC) || fcntl(READY_FD, F_SETFD, FD_CLOEXEC) ? -1 : 0;
}

static char *read_spec(size_t *len, struct err *err) {
    auto_free char *text = malloc(SPEC_MAX);

    *len = 0;
    while (text && *len < SPEC_MAX) {
        ssize_t n = read(SPEC_FD, text + *len, SPEC_MAX - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            (void)err_sys(err, errno, "cannot read the spec");
            return NULL;
        }
        if (n == 0)
            break;
        *len += (size_t)n;
    }
    (void)close(SPEC_FD);
    return steal_pointer(&text);
}

static void answer(const struct err *err) {
    auto_json_out struct json_out out = {0};
    struct err ignored = {0};

    json_open_object(&out);
    json_put_bool(&out, "ok", err == NULL);
    if (err) {
        json_key(&out, "error");
        json_open_object(&out);
        json_put_string(&out, "code", err_code_name(err->code));
        json_put_string(&out, "message", err->message);
        json_close_object(&out);
    } else {
        json_put_int(&out, "pid", shim.container.pid);
        json_put_string(&out, "startedAt", shim.record.started_at);
    }
    json_close_object(&out);
    if (json_out_finish(&out, &ignored) == 0) {
        (void)write(READY_FD, out.data, out.len);
        (void)write(READY_FD, "\n", 1);
    }
    (void)close(READY_FD);
}

static int start(struct err *err) {
    size_t len;
    char *text = read_spec(&len, err);
    /* Both live as long as the shim: the spec's strings point into them. */
    struct json_doc *doc = text ? json_parse(text, len, err) : NULL;

    if (!doc || spec_parse(json_root(doc), &shim.container.spec, err))
        return -1;
    return shim_start(err);
}

int main(int argc, char **argv) {
    struct err err = {0};

    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        (void)puts("berth-shim 0.1.0");
        return 0;
    }
    if (fcntl(SPEC_FD, F_GETFD) < 0 || fcntl(READY_FD, F_GETFD) < 0) {
        (void)fputs("berth-shim: started without a spec on descriptor 3 and an answer on 4; it is run by "
                    "berth-engine-helper\n",
                    stderr);
        return 2;
    }
    sealed_run("berth-shim", argv); /* the helper has done that; not so whoever runs us by hand */
    (void)setsid();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)prctl(PR_SET_NAME, "berth-shim", 0, 0, 0);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    /* Children share our memory image until they execve: no process of the container may look into it. */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)cgroup_write(AT_FDCWD, "/proc/self/oom_score_adj", "-999");
    (void)umask(
        022); /* a container reads its own cgroup directories; whatever is private says so when it is made */
    if (tidy_descriptors() || chdir("/") || start(&err)) {
        if (err.code == ERR_NONE)
            (void)err_sys(&err, errno, "cannot prepare the shim");
        answer(&err);
        return 1;
    }
    answer(NULL);
    shim_run();
    return 0;
}
