/* The commands that change a container. See commands.h. */
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../shim/kernel.h"
#include "cgroups.h"
#include "create.h"
#include "exec.h"
#include "signals.h"
#include "terminal.h"

static struct create_options create_options_of(const struct runtime *r) {
    const struct options *o = r->options;

    return (struct create_options){.root = o->root,
                                   .id = o->args[0],
                                   .bundle = o->bundle ? o->bundle : ".",
                                   .pid_file = o->pid_file,
                                   .console_socket = o->console_socket,
                                   .no_pivot = o->no_pivot,
                                   .no_new_keyring = o->no_new_keyring,
                                   .systemd = o->systemd,
                                   .preserved_fds = (unsigned)o->preserved_fds,
                                   .warn = r->warn};
}

static void warn_of_systemd(const struct runtime *r) {
    if (r->options->systemd)
        r->warn("--systemd-cgroup: systemd is not asked; its path is made through cgroupfs");
}

static int command_create(const struct runtime *r, struct err *err) {
    struct create_options create = create_options_of(r);
    struct state state;
    int master;

    warn_of_systemd(r);
    if (create_container(&create, &state, &master, err))
        return -1;
    state_close(&state);
    return 0;
}

static int command_start(const struct runtime *r, struct err *err) {
    struct state state;
    int rc = state_open(r->options->root, r->options->args[0], true, &state, err);

    if (rc == 0)
        rc = start_container(&state, r->warn, err);
    state_close(&state);
    return rc;
}

static int command_run(const struct runtime *r, int *exit_code, struct err *err) {
    const struct options *o = r->options;
    struct create_options create = create_options_of(r);
    struct state state;
    int master;

    warn_of_systemd(r);
    create.keeps_terminal = !o->detach && !o->console_socket;
    if (create_container(&create, &state, &master, err))
        return -1;
    int rc = start_container(&state, r->warn, err);
    if (rc == 0 && !o->detach)
        *exit_code = exit_code_of(terminal_attend(state.pid, master));
    if (rc || (!o->detach && !o->keep))
        destroy_container(o->root, &state, r->warn);
    state_close(&state);
    if (master >= 0)
        (void)close(master);
    return rc;
}

static bool has_own_pids(const struct state *state) {
    const struct oci_namespace *pid = &state->config.namespaces[NS_PID];
    return pid->wanted && !pid->path;
}

static int signal_group(const struct state *state, int signal, struct err *err) {
    struct cgroup cgroup;

    if (cgroups_open(state->cgroup, false, &cgroup, err))
        return -1;
    int rc = cgroup_signal(&cgroup, signal, err);
    cgroups_close(&cgroup);
    return rc;
}

/* A frozen v1 group keeps even SIGKILL waiting. */
static void thaw(const struct state *state) {
    struct cgroup cgroup;
    struct err ignored = {0};

    if (cgroups_open(state->cgroup, false, &cgroup, &ignored) == 0) {
        (void)cgroup_freeze(&cgroup, false, &ignored);
        cgroups_close(&cgroup);
    }
}

static int signal_first(const struct state *state, int signal, struct err *err) {
    auto_close int pidfd = (int)syscall(SYS_pidfd_open, state->pid, 0);

    if (pidfd < 0 || process_start_time(state->pid) != state->start_time)
        return err_set(err, ERR_NOT_FOUND, "container not running");
    if (k_pidfd_send_signal(pidfd, signal))
        return err_sys(err, errno, "cannot signal container \"%s\"", state->id);
    return 0;
}

static int kill_container(const struct runtime *r, struct state *state, int signal, struct err *err) {
    enum status status = state_status(state);
    bool all = r->options->all || (signal == SIGKILL && !has_own_pids(state));

    /* What is left of a container that shares its pids is still in its group. */
    if (status == STATUS_STOPPED && !(all && state->cgroup[0]))
        return err_set(err, ERR_BAD_REQUEST, "container not running");
    if (all)
        return signal_group(state, signal, err);
    int rc = signal_first(state, signal, err);
    if (rc == 0 && signal == SIGKILL && status == STATUS_PAUSED)
        thaw(state);
    return rc;
}

static int command_kill(const struct runtime *r, struct err *err) {
    const char *name = r->options->arg_count > 1 ? r->options->args[1] : "TERM";
    struct state state;
    int signal = signal_by_name(name);

    if (signal < 0)
        return err_set(err, ERR_BAD_REQUEST, "unknown signal \"%s\"", name);
    int rc = state_open(r->options->root, r->options->args[0], false, &state, err);
    if (rc == 0)
        rc = kill_container(r, &state, signal, err);
    state_close(&state);
    return rc;
}

static int command_delete(const struct runtime *r, struct err *err) {
    struct state state;
    int rc = state_open(r->options->root, r->options->args[0], true, &state, err);

    if (rc && r->options->force && err->code == ERR_NOT_FOUND) {
        state_close(&state);
        return 0;
    }
    enum status status = rc ? STATUS_STOPPED : state_status(&state);
    if (rc == 0 && status != STATUS_STOPPED && !r->options->force)
        rc = err_set(err, ERR_BAD_REQUEST, "cannot delete container \"%s\" that is not stopped: %s", state.id,
                     state_status_name(status));
    if (rc == 0)
        destroy_container(r->options->root, &state, r->warn);
    state_close(&state);
    return rc;
}

static int command_freeze(const struct runtime *r, bool frozen, struct err *err) {
    struct state state;
    struct cgroup cgroup;
    int rc = state_open(r->options->root, r->options->args[0], true, &state, err);

    if (rc == 0) {
        enum status status = state_status(&state);
        bool fits = frozen ? status == STATUS_RUNNING || status == STATUS_CREATED : status == STATUS_PAUSED;
        rc = fits ? cgroups_open(state.cgroup, false, &cgroup, err)
                  : err_set(err, ERR_BAD_REQUEST, "container not %s: \"%s\" is %s",
                            frozen ? "running" : "paused", state.id, state_status_name(status));
    }
    if (rc == 0) {
        rc = cgroup_freeze(&cgroup, frozen, err);
        cgroups_close(&cgroup);
    }
    state_close(&state);
    return rc;
}

static int run_exec(const struct runtime *r, struct state *state, int *exit_code, struct err *err) {
    const struct options *o = r->options;
    struct oci_process process;
    enum status status = state_status(state);
    struct exec_options exec = {.process = &process,
                                .pid_file = o->pid_file,
                                .console_socket = o->console_socket,
                                .detach = o->detach,
                                .preserved_fds = (unsigned)o->preserved_fds};

    if (status == STATUS_PAUSED)
        return err_set(err, ERR_BAD_REQUEST, "cannot exec in a paused container");
    if (status == STATUS_STOPPED)
        return err_set(err, ERR_BAD_REQUEST, "cannot exec in a stopped container");
    if (command_exec_process(o, state, &process, err))
        return -1;
    return exec_in_container(state, &exec, exit_code, err);
}

static int command_exec(const struct runtime *r, int *exit_code, struct err *err) {
    struct state state;
    int rc = state_open(r->options->root, r->options->args[0], false, &state, err);

    if (rc == 0)
        rc = run_exec(r, &state, exit_code, err);
    if (rc)
        *exit_code = 255;
    state_close(&state);
    return rc;
}

static int check_arguments(const struct options *o, struct err *err) {
    bool takes_none = strcmp(o->command, "list") == 0 || strcmp(o->command, "features") == 0;
    int most = takes_none                                                         ? 0
               : strcmp(o->command, "kill") == 0                                  ? 2
               : strcmp(o->command, "exec") == 0 || strcmp(o->command, "ps") == 0 ? 4096
                                                                                  : 1;

    if (!takes_none && (o->arg_count == 0 || o->args[0][0] == '\0'))
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" needs a container id", o->command);
    if (o->arg_count > most)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" takes no argument \"%s\"", o->command, o->args[most]);
    return 0;
}

int commands_run(const struct runtime *r, int *exit_code, struct err *err) {
    static const struct {
        const char *name;
        int (*run)(const struct runtime *, struct err *);
    } plain[] = {
        {"create", command_create},     {"start", command_start},   {"state", command_state},
        {"kill", command_kill},         {"delete", command_delete}, {"list", command_list},
        {"features", command_features}, {"ps", command_ps},         {"events", command_events},
        {"update", command_update},
    };
    const char *command = r->options->command;

    *exit_code = 1;
    if (check_arguments(r->options, err))
        return -1;
    if (strcmp(command, "run") == 0 || strcmp(command, "exec") == 0) {
        int code = 0;
        int rc = command[0] == 'r' ? command_run(r, &code, err) : command_exec(r, &code, err);
        *exit_code = rc && code == 0 ? 1 : code;
        return rc;
    }
    int rc = -1;
    if (strcmp(command, "pause") == 0 || strcmp(command, "resume") == 0)
        rc = command_freeze(r, command[0] == 'p', err);
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
        if (strcmp(plain[i].name, command) == 0)
            rc = plain[i].run(r, err);
    *exit_code = rc ? 1 : 0;
    return rc;
}
