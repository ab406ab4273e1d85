/* berth-runtime: an OCI runtime on the shim's own code, for `dockerd --add-runtime`, `podman --runtime` and
 * bundles by hand. The only file of oci/ that prints. Must never run a container's code with a descriptor of
 * its own left open, nor from a binary that could be written to. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../lib/json.h"
#include "../shim/kernel.h"
#include "../shim/sealed.h"
#include "../shim/timestamp.h"
#include "commands.h"
#include "config.h"
#include "options.h"

static struct options options;
static int log_fd = -1;

static const char usage[] =
    "usage: berth-runtime [--root DIR] [--log FILE] [--log-format text|json] [--systemd-cgroup] [--debug] "
    "COMMAND\n"
    "\n"
    "  create [-b BUNDLE] [--pid-file F] [--console-socket S] ID   make a container of a bundle\n"
    "  start ID                                                    run its process\n"
    "  run [-d] [--keep] [-b BUNDLE] ID                            create, start, wait, delete\n"
    "  exec [-t] [-d] [-u UID[:GID]] [-e K=V] [--cwd D] [-p F] ID COMMAND...\n"
    "  kill [-a] ID [SIGNAL]    delete [-f] ID    pause ID    resume ID\n"
    "  state ID    list [-f json] [-q]    ps [-f json] ID    events [--stats] ID\n"
    "  update [-r FILE|-] [--memory N] [--cpu-quota N] [--pids-limit N] ... ID\n"
    "  features    --version\n";

static void print_out(const char *text, size_t len) {
    (void)fwrite(text, 1, len, stdout);
    (void)fflush(stdout);
}

static void write_log(const char *level, const char *message) {
    auto_json_out struct json_out out = {0};
    char now_text[TIMESTAMP_SIZE], line[2048];
    struct timespec now;
    struct err ignored = {0};

    if (log_fd < 0)
        return;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    timestamp_format(&now, now_text);
    if (options.log_format == LOG_TEXT) {
        int len = snprintf(line, sizeof(line), "time=\"%s\" level=%s msg=\"%s\"\n", now_text, level, message);
        (void)!write(log_fd, line, len < (int)sizeof(line) ? (size_t)len : sizeof(line) - 1);
        return;
    }
    json_open_object(&out);
    json_put_string(&out, "level", level);
    json_put_string(&out, "msg", message);
    json_put_string(&out, "time", now_text);
    json_close_object(&out);
    if (json_out_finish(&out, &ignored) == 0 && out.len < sizeof(line)) {
        memcpy(line, out.data, out.len);
        line[out.len] = '\n';
        (void)!write(log_fd, line, out.len + 1);
    }
}

/* With a log file that is where warnings go: stderr is the container's. */
static void warn(const char *message) {
    write_log("warning", message);
    if (log_fd < 0)
        (void)fprintf(stderr, "berth-runtime: warning: %s\n", message);
}

static int fail(const struct err *err, int exit_code) {
    write_log("error", err->message);
    (void)fprintf(stderr, "berth-runtime: %s\n", err->message);
    return exit_code;
}

/* Descriptors that the caller left open must not reach the container (CVE-2024-21626), but for those that it
 * names; and none of ours may become 0, 1 or 2. */
static void tidy_descriptors(void) {
    (void)k_close_range(3 + (unsigned)options.preserved_fds, ~0U, 0);
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);
}

static int open_log(struct err *err) {
    if (!options.log)
        return 0;
    log_fd = open(options.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    return log_fd < 0 ? err_sys(err, errno, "cannot open log \"%s\"", options.log) : 0;
}

static bool enters_containers(const char *command) {
    return strcmp(command, "create") == 0 || strcmp(command, "run") == 0 || strcmp(command, "exec") == 0;
}

int main(int argc, char **argv) {
    struct runtime runtime = {&options, print_out, warn};
    struct err err = {0};
    int exit_code = 1;

    if (options_parse(argc, argv, &options, &err))
        return fail(&err, 1);
    if (strcmp(options.command, "version") == 0) {
        (void)printf("berth-runtime version 0.1.0\nspec: %s\n", OCI_VERSION);
        return 0;
    }
    if (strcmp(options.command, "help") == 0) {
        (void)fputs(usage, stdout);
        return 0;
    }
    if (enters_containers(options.command)) {
        sealed_run("berth-runtime", argv);
        /* Children share our memory until they execve: no process of the container may look into it. A
         * runtime that is not root could then not write the maps of its own child. */
        if (geteuid() == 0)
            (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
    tidy_descriptors();
    (void)umask(022);
    if (open_log(&err) || commands_run(&runtime, &exit_code, &err))
        return fail(&err, exit_code);
    return exit_code;
}
