/* The runtime's side of a container's life. See create.h. */
#include "create.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../seccomp/profile.h"
#include "../shim/kernel.h"
#include "../shim/sync.h"
#include "../shim/timestamp.h"
#include "cgroups.h"
#include "filesystem.h"
#include "hooks.h"
#include "namespaces.h"
#include "terminal.h"

/* A set-up that hangs (a dead network filesystem below a mount) must end as an error. createContainer and
 * startContainer hooks, which have their own limits, run inside of it. */
#define STEP_TIMEOUT_MS 60000
#define HOOKS_TIMEOUT_MS (30 * 60 * 1000)
#define CONFIG_LIMIT (8u << 20)

char *hook_input(const struct state *state, enum status status) {
    auto_json_out struct json_out out = {0};
    struct err ignored = {0};

    json_open_object(&out);
    state_put(state, status, &out);
    json_close_object(&out);
    return json_out_finish(&out, &ignored) ? NULL : strndup(out.data, out.len);
}

int write_pid_file(const char *path, pid_t pid, struct err *err) {
    char temporary[PATH_MAX], text[16];

    if (!path)
        return 0;
    int len = snprintf(text, sizeof(text), "%d", pid);
    if (snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= (int)sizeof(temporary))
        return err_set(err, ERR_BAD_REQUEST, "pid file \"%s\" has too long a path", path);
    auto_close int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, (size_t)len) != len || rename(temporary, path))
        return err_sys(err, errno, "cannot write pid file \"%s\"", path);
    return 0;
}

/* The root's path is relative to the bundle, and both may be links. */
static int resolve_paths(const struct create_options *o, struct state *state, struct err *err) {
    char root[PATH_MAX];
    const char *wanted = state->config.root;

    state->bundle = realpath(o->bundle, NULL);
    if (!state->bundle)
        return err_sys(err, errno, "bundle \"%s\"", o->bundle);
    if (snprintf(root, sizeof(root), "%s%s%s", wanted[0] == '/' ? "" : state->bundle,
                 wanted[0] == '/' ? "" : "/", wanted) >= (int)sizeof(root))
        return err_set(err, ERR_BAD_REQUEST, "root \"%s\" has too long a path", wanted);
    state->rootfs = realpath(root, NULL);
    struct stat st;
    if (!state->rootfs || stat(state->rootfs, &st))
        return err_sys(err, errno, "root filesystem \"%s\"", root);
    return S_ISDIR(st.st_mode)
               ? 0
               : err_set(err, ERR_BAD_REQUEST, "root filesystem \"%s\" is no directory", root);
}

static int read_bundle(const struct create_options *o, struct state *state, struct err *err) {
    auto_close int dir = open(o->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t len;

    if (dir < 0)
        return err_sys(err, errno, "bundle \"%s\"", o->bundle);
    state->config_text = state_read_file(dir, "config.json", CONFIG_LIMIT, &len, err);
    state->config_document = state->config_text ? json_parse(state->config_text, len, err) : NULL;
    if (!state->config_document)
        return -1;
    return config_read(json_root(state->config_document), &state->config, err) || resolve_paths(o, state, err)
               ? -1
               : 0;
}

static int check_terminal(const struct create_options *o, const struct oci_config *config, struct err *err) {
    if (config->process.program.tty && !o->console_socket && !o->keeps_terminal)
        return err_set(err, ERR_BAD_REQUEST,
                       "cannot allocate tty if the runtime detaches without --console-socket");
    if (!config->process.program.tty && o->console_socket)
        return err_set(err, ERR_BAD_REQUEST, "--console-socket is for a process with \"terminal\": true");
    return 0;
}

/* A socket's address is short; the path of the folder may not be. */
static void socket_address(int dir, struct sockaddr_un *address) {
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    (void)snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/start.sock", dir);
}

static int listen_for_start(const struct state *state, struct err *err) {
    struct sockaddr_un address;
    auto_close int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    socket_address(state->dir, &address);
    mode_t mask = umask(0177);
    int rc = sock < 0 ? -1 : bind(sock, (struct sockaddr *)&address, sizeof(address));
    (void)umask(mask);
    if (rc || listen(sock, 1))
        return err_sys(err, errno, "cannot listen for the start of container \"%s\"", state->id);
    return steal_fd(&sock);
}

static void set_oom_score(const struct oci_process *process, pid_t pid, void (*warn)(const char *)) {
    char path[64], text[16];

    if (!process->has_oom_score)
        return;
    (void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
    (void)snprintf(text, sizeof(text), "%d", (int)process->oom_score_adj);
    /* Lowering it takes CAP_SYS_RESOURCE, which a host may not have: the container then runs with the
     * runtime's. */
    if (cgroup_write(AT_FDCWD, path, text))
        warn("oomScoreAdj cannot be set on this host");
}

static int send_sources(const struct child *c, pid_t pid, struct err *err) {
    const struct oci_config *config = &c->state->config;
    int fds[c->source_count];
    char path[64];
    auto_close int userns = -1;

    (void)snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
    if (config->namespaces[NS_USER].wanted && (userns = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return err_sys(err, errno, "cannot open the container's user namespace");
    if (filesystem_open_sources(config, c->state->rootfs, c->cgroup, userns, fds, err))
        return -1;
    int rc = sync_send(c->pair[0], SYNC_START, fds, c->source_count, err);
    for (size_t i = 0; i < c->source_count; i++)
        (void)close(fds[i]);
    return rc;
}

static int hear(const struct child *c, enum sync_stage stage, int *fds, size_t n, int timeout_ms,
                struct err *err) {
    int rc = sync_receive(c->pair[0], stage, fds, n, timeout_ms, err);

    return rc == 1 ? err_set(err, ERR_INTERNAL, "the container's first process died while it was set up")
                   : rc;
}

static int run_first_hooks(struct state *state, struct err *err) {
    auto_free char *input = hook_input(state, STATUS_CREATING);
    /* A prestart hook of spec 1.0 belongs to the start: it is told of a container that has been created. */
    auto_free char *prestart_input = hook_input(state, STATUS_CREATED);

    if (!input || !prestart_input)
        return err_sys(err, ENOMEM, "cannot hold the state for the hooks");
    return hooks_run(&state->config.hooks[HOOK_PRESTART], "prestart", prestart_input, err) ||
                   hooks_run(&state->config.hooks[HOOK_CREATE_RUNTIME], "createRuntime", input, err)
               ? -1
               : 0;
}

static int take_terminal(const struct child *c, int *master_out, struct err *err) {
    auto_close int master = -1;

    if (!c->state->config.process.program.tty)
        return 0;
    if (hear(c, SYNC_STDIO, &master, 1, HOOKS_TIMEOUT_MS, err))
        return -1;
    if (c->options->console_socket)
        return terminal_send(c->options->console_socket, master, err);
    *master_out = steal_fd(&master);
    return 0;
}

static int converse(const struct child *c, struct state *state, int *master, struct err *err) {
    if (namespaces_map_ids(&state->config, state->pid, err) || send_sources(c, state->pid, err) ||
        hear(c, SYNC_MOUNTED, NULL, 0, STEP_TIMEOUT_MS, err) || run_first_hooks(state, err) ||
        sync_send(c->pair[0], SYNC_GO, NULL, 0, err) || take_terminal(c, master, err) ||
        hear(c, SYNC_READY, NULL, 0, HOOKS_TIMEOUT_MS, err))
        return -1;
    return 0;
}

static int spawn_child(struct child *c, struct state *state, int *master, struct err *err) {
    struct spawn spawn = {
        .config = &state->config, .cgroup = c->cgroup, .enter_pidfd = -1, .child = child_main, .data = c};

    if (namespaces_spawn(&spawn, &state->pid, err))
        return -1;
    (void)close(c->pair[1]);
    c->pair[1] = -1;
    state->start_time = process_start_time(state->pid);
    state->owns_mount = !state->config.namespaces[NS_MOUNT].wanted;
    set_oom_score(&state->config.process, state->pid, c->options->warn);
    if (state_save(state, err) || converse(c, state, master, err))
        return -1;
    state->is_ready = true;
    return state_save(state, err) || write_pid_file(c->options->pid_file, state->pid, err) ? -1 : 0;
}

static void close_if_open(int fd) {
    if (fd >= 0)
        (void)close(fd);
}

static int make_groups(const struct create_options *o, struct state *state, struct cgroup *cgroup,
                       struct err *err) {
    char path[256];

    if (cgroups_path(&state->config, state->id, o->systemd, path, err) ||
        cgroups_open(path, true, cgroup, err))
        return -1;
    /* Until now it may be somebody else's: what we hold as ours is killed and removed with the container. */
    if (cgroups_are_populated(cgroup))
        return err_set(err, ERR_CGROUP, "container's cgroup is not empty: \"%s\"", path);
    state->cgroup = strdup(path);
    if (!state->cgroup)
        return err_sys(err, ENOMEM, "cannot hold the cgroup's path");
    return cgroups_set_devices(cgroup, &state->config, err) ||
                   cgroups_set_resources(cgroup, state->config.resources, o->warn, err)
               ? -1
               : 0;
}

static int make(const struct create_options *o, struct state *state, int *master, struct err *err) {
    struct cgroup cgroup = {.version = 0};
    struct child child = {.options = o, .state = state, .cgroup = &cgroup, .pair = {-1, -1}, .listener = -1};
    auto_free struct seccomp_program *filter = NULL;

    if (state->config.seccomp && !(filter = seccomp_profile_compile(state->config.seccomp, err)))
        return -1;
    if (state_save_config(state, err) || make_groups(o, state, &cgroup, err))
        return -1;
    child.filter = filter;
    child.source_count = filesystem_source_count(&state->config, &cgroup);
    child.listener = listen_for_start(state, err);
    int rc = -1;
    if (child.listener >= 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, child.pair))
        (void)err_sys(err, errno, "cannot make a socket pair");
    else if (child.listener >= 0)
        rc = spawn_child(&child, state, master, err);
    close_if_open(child.pair[0]);
    close_if_open(child.pair[1]);
    close_if_open(child.listener);
    cgroups_close(&cgroup);
    return rc;
}

static void set_created(struct state *state) {
    char text[TIMESTAMP_SIZE];
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    timestamp_format(&now, text);
    state->created = strdup(text);
}

int create_container(const struct create_options *o, struct state *state, int *master, struct err *err) {
    struct state bundle = {.dir = -1};

    *master = -1;
    *state = (struct state){.dir = -1};
    if (read_bundle(o, &bundle, err) || check_terminal(o, &bundle.config, err)) {
        state_close(&bundle);
        return -1;
    }
    if (state_create(o->root, o->id, state, err)) {
        if (state->dir >= 0)
            state_remove(o->root, state);
        state_close(state);
        state_close(&bundle);
        return -1;
    }
    bundle.id = state->id;
    bundle.dir = state->dir;
    *state = bundle;
    set_created(state);
    if (make(o, state, master, err) == 0)
        return 0;
    destroy_container(o->root, state, o->warn);
    state_close(state);
    return -1;
}

/* ---- start and the end ---- */

int start_container(struct state *state, void (*warn)(const char *), struct err *err) {
    enum status status = state_status(state);
    struct sockaddr_un address;

    if (status != STATUS_CREATED)
        return err_set(err, ERR_BAD_REQUEST, "cannot start a container that is not created: \"%s\" is %s",
                       state->id, state_status_name(status));
    if (!state->config.has_process)
        return err_set(err, ERR_BAD_REQUEST, "container \"%s\" has no \"process\" to start", state->id);
    auto_close int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    socket_address(state->dir, &address);
    if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof(address)))
        return err_sys(err, errno, "cannot reach container \"%s\"", state->id);
    (void)unlinkat(state->dir, "start.sock", 0);
    if (sync_receive(sock, SYNC_FAILED, NULL, 0, HOOKS_TIMEOUT_MS, err) != 1)
        return -1;
    auto_free char *input = hook_input(state, STATUS_RUNNING);
    const struct hooks *hooks = &state->config.hooks[HOOK_POSTSTART];
    for (size_t i = 0; input && i < hooks->count; i++) {
        /* By the spec: logged, and the rest goes on. */
        struct hooks one = {&hooks->list[i], 1};
        struct err failure = {0};
        if (hooks_run(&one, "poststart", input, &failure))
            warn(failure.message);
    }
    return 0;
}

static void await_end(const struct state *state) {
    auto_close int pidfd = (int)syscall(SYS_pidfd_open, state->pid, 0);

    if (pidfd < 0 || process_start_time(state->pid) != state->start_time)
        return;
    (void)k_pidfd_send_signal(pidfd, SIGKILL);
    /* Ours when we have made it, then it must be reaped; otherwise its parent's. 10 s are for one that is
     * stuck in the kernel: it must not hang a delete. */
    for (int i = 0; i < 1000 && process_start_time(state->pid) == state->start_time; i++) {
        (void)waitpid(state->pid, NULL, WNOHANG);
        (void)nanosleep(&(struct timespec){0, i < 10 ? 500000 : 10000000}, NULL);
    }
    (void)waitpid(state->pid, NULL, WNOHANG);
}

void destroy_container(const char *root, struct state *state, void (*warn)(const char *)) {
    struct cgroup cgroup = {.version = 0};
    struct err err = {0};

    if (cgroups_open(state->cgroup ? state->cgroup : "", false, &cgroup, &err) == 0 && cgroup.version != 0 &&
        cgroup_members_dir(&cgroup) >= 0)
        (void)cgroup_signal(&cgroup, SIGKILL, &err);
    if (state->pid > 0)
        await_end(state);
    cgroups_remove(&cgroup);
    if (state->owns_mount && state->rootfs)
        (void)k_umount2(state->rootfs, MNT_DETACH);
    auto_free char *input = hook_input(state, STATUS_STOPPED);
    const struct hooks *hooks = &state->config.hooks[HOOK_POSTSTOP];
    state_remove(root, state);
    for (size_t i = 0; input && i < hooks->count; i++) {
        struct hooks one = {&hooks->list[i], 1};
        struct err failure = {0};
        if (hooks_run(&one, "poststop", input, &failure))
            warn(failure.message);
    }
}
