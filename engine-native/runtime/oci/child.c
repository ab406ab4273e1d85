/* The container's first process until it is the program. See create.h for the conversation. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../shim/kernel.h"
#include "../shim/launch.h"
#include "../shim/mounts.h"
#include "../shim/privileges.h"
#include "../shim/sync.h"
#include "create.h"
#include "filesystem.h"
#include "hooks.h"
#include "program_start.h"

#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif

/* The runtime died, or gave up: nobody is there to be told. */
static int await(const struct child *c, enum sync_stage stage, int *fds, size_t n, struct err *err) {
    int rc = sync_receive(c->pair[1], stage, fds, n, -1, err);

    if (rc)
        _exit(1);
    return rc;
}

static int name_host(const struct oci_config *config, struct err *err) {
    if (config->hostname && config->hostname[0] && sethostname(config->hostname, strlen(config->hostname)))
        return err_sys(err, errno, "cannot set hostname \"%s\"", config->hostname);
    if (config->domainname && config->domainname[0] &&
        setdomainname(config->domainname, strlen(config->domainname)))
        return err_sys(err, errno, "cannot set domainname \"%s\"", config->domainname);
    if (config->personality >= 0 && personality((unsigned long)config->personality) < 0)
        return err_sys(err, errno, "cannot set the personality");
    return 0;
}

/* The state for the hooks that run here. The pid is ours as the runtime sees it: the /proc in sight is still
 * its own. */
static char *own_hook_input(const struct child *c, enum status status) {
    struct state own = *c->state;
    char text[32] = "";

    (void)readlink("/proc/self", text, sizeof(text) - 1);
    own.pid = (pid_t)strtol(text, NULL, 10);
    return hook_input(&own, status);
}

static int enter_identity(const struct oci_config *config, struct err *err) {
    const struct oci_namespace *ns = config->namespaces;

    if (ns[NS_USER].wanted && privileges_become_root(err))
        return -1;
    if (ns[NS_CGROUP].wanted && !ns[NS_CGROUP].path && unshare(CLONE_NEWCGROUP))
        return err_sys(err, errno, "cannot make a cgroup namespace");
    return 0;
}

/* At once, and not only for the program: whoever waits for the end of the runtime's own stdio waits for us
 * too. */
static int take_terminal(const struct child *c, int root_fd, struct err *err) {
    struct launch_stdio stdio;
    const struct oci_process *process = &c->state->config.process;
    int slave;
    auto_close int master = -1;

    if (launch_open_terminal(root_fd, "/dev/pts/ptmx", process->program.rows, process->program.cols,
                             process->uid, &master, &slave, err) ||
        mounts_set_console(root_fd, slave, err) || sync_send(c->pair[1], SYNC_STDIO, &master, 1, err))
        return -1;
    stdio = (struct launch_stdio){.in = slave, .out = slave, .err = slave, .tty = true};
    return launch_install_stdio(&stdio, err);
}

static int set_up(const struct child *c, int *root_fd, char **start_input, struct err *err) {
    const struct oci_config *config = &c->state->config;
    int sources[c->source_count];

    launch_stage("berth:wait");
    (void)await(c, SYNC_START, sources, c->source_count, err);
    launch_stage("berth:mounts");
    *root_fd = sources[0];
    if (enter_identity(config, err))
        return -1;
    if (filesystem_set_up(config, c->state->rootfs, c->cgroup, sources, err))
        return -1;
    if (sync_send(c->pair[1], SYNC_MOUNTED, NULL, 0, err))
        return -1;
    (void)await(c, SYNC_GO, NULL, 0, err);
    launch_stage("berth:hooks");
    auto_free char *input = own_hook_input(c, STATUS_CREATING);
    *start_input = own_hook_input(c, STATUS_CREATED);
    if (!input || !*start_input)
        return err_sys(err, ENOMEM, "cannot hold the state for the hooks");
    if (hooks_run(&config->hooks[HOOK_CREATE_CONTAINER], "createContainer", input, err))
        return -1;
    return filesystem_enter(config, *root_fd, c->options->no_pivot, err);
}

/* Until somebody starts the container; for as long as that takes. */
static int await_start(const struct child *c) {
    int connection;

    launch_stage("berth:created");
    do
        connection = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC);
    while (connection < 0 && (errno == EINTR || errno == ECONNABORTED));
    (void)close(c->listener);
    if (connection < 0)
        _exit(1);
    return connection;
}

static int run(const struct child *c, int root_fd, const char *input, struct err *err) {
    const struct oci_config *config = &c->state->config;
    struct program_start start = {.process = &config->process,
                                  .filter = c->filter,
                                  .root_fd = root_fd,
                                  .is_first = true,
                                  .preserved_fds = c->options->preserved_fds,
                                  .new_keyring = !c->options->no_new_keyring};

    if (hooks_run(&config->hooks[HOOK_START_CONTAINER], "startContainer", input, err))
        return -1;
    return program_start(&start, err);
}

void child_main(void *data) {
    const struct child *c = data;
    const struct oci_config *config = &c->state->config;
    struct err err = {0};
    char *input = NULL;
    int root_fd = -1;

    (void)close(c->pair[0]);
    (void)close(c->state->dir); /* and with it the lock, which the runtime alone holds */
    (void)setsid();
    if (set_up(c, &root_fd, &input, &err) || name_host(config, &err) ||
        (config->process.program.tty && take_terminal(c, root_fd, &err)) ||
        (config->has_process && program_find(&config->process, &err)) ||
        sync_send(c->pair[1], SYNC_READY, NULL, 0, &err)) {
        sync_send_failure(c->pair[1], &err);
        _exit(1);
    }
    (void)close(c->pair[1]);
    int connection = await_start(c);
    (void)run(c, root_fd, input, &err);
    sync_send_failure(connection, &err);
    _exit(127);
}
