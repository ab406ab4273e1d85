/* See shim.h. */
#include "shim.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "held_ports.h"
#include "kernel.h"

/* docker run attaches before it starts; the attach itself comes a moment after. Two seconds are for a daemon
 * that is just being restarted: the output of a container must not wait for ever. */
#define AWAIT_ATTACH_MS 2000
/* Readers of `wait` are local and quick; ten seconds are for one that is stopped or swapped. */
#define LINGER_MS 10000
/* A shim moves into its own cgroup when its container has lived for a moment: the move waits for the kernel
 * (some ms with cgroup v2), and neither a start nor a short command should pay for it. */
#define SETTLE_MS 500
/* The end is told first and synced to the disk then: a slow disk must not hold up who waits for it. */
#define SYNC_MS 100
/* Finished execs whose code can still be asked for. */
#define EXECS_KEPT 128

struct shim shim;

static struct watch signals = {.fd = -1};

static void answer_wait(struct client *client) {
    auto_json_out struct json_out out = {0};

    json_open_object(&out);
    json_key(&out, "id");
    json_raw(&out, client->wait_id ? client->wait_id : "0", strlen(client->wait_id ? client->wait_id : "0"));
    json_put_bool(&out, "ok", true);
    exit_record_put(&shim.record, &out);
    json_close_object(&out);
    client->waiting = false;
    client_reply(client, &out);
}

static void answer_exec_wait(struct client *client) {
    auto_json_out struct json_out out = {0};

    json_open_object(&out);
    json_key(&out, "id");
    json_raw(&out, client->wait_id ? client->wait_id : "0", strlen(client->wait_id ? client->wait_id : "0"));
    json_put_bool(&out, "ok", true);
    json_put_int(&out, "exitCode", process_exit_code(client->exec_wait));
    json_close_object(&out);
    client->exec_wait = NULL;
    client_reply(client, &out);
}

/* An init ends with 128 + signal; how its program really ended comes through the status pipe. */
static void read_init_status(struct process *process) {
    int status;

    if (shim.container.spec.init && read(shim.container.status_fd, &status, sizeof(status)) == sizeof(status))
        process->status = status;
}

static void record_end(struct process *process) {
    struct cgroup_stats stats;
    struct timespec now;
    struct err err = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    timestamp_format(&now, shim.record.finished_at);
    read_init_status(process);
    shim.record.exit_code = process_exit_code(process);
    shim.record.signal = process_signal(process);
    /* A worker that was killed while the program went on and ended well is no out-of-memory end. */
    cgroup_stats(&shim.container.cgroup, &stats);
    shim.record.oom_killed = stats.oom_kills > 0 && shim.record.exit_code != 0;
    log_finish(&shim.log);
    /* A disk that is full or gone costs durability, not the answer: RUN is a tmpfs. */
    (void)exit_record_write(&shim.record, shim.container.spec.run_dir, &err);
    (void)exit_record_write(&shim.record, shim.container.spec.state_dir, &err);
}

static void on_main_finished(struct process *process) {
    record_end(process);
    /* The id may be started again as soon as anybody knows the end: socket, ports and cgroups must be gone by
     * then. */
    client_stop_listening();
    held_ports_close();
    shim.container.pid = -1;
    container_clean_up(&shim.container);
    shim.ended = true;
    shim.settle_at_ms = 0;
    client_end_streams(process, NULL, 0);
    for (struct client *client = client_list(); client; client = client->next)
        if (client->waiting)
            answer_wait(client);
    shim.sync_at_ms = loop_now_ms() + SYNC_MS;
    shim.linger_until_ms = loop_now_ms() + LINGER_MS;
}

/* Drops the oldest finished exec that nobody waits for. */
static void forget_old_execs(void) {
    struct process **oldest = NULL;

    if (shim.exec_count <= EXECS_KEPT)
        return;
    for (struct process **p = &shim.execs; *p; p = &(*p)->next)
        if ((*p)->finished)
            oldest = p;
    if (!oldest)
        return;
    struct process *process = *oldest;
    *oldest = process->next;
    shim.exec_count--;
    process_free(process);
}

static void on_exec_finished(struct process *process) {
    auto_json_out struct json_out out = {0};
    struct err err = {0};

    json_open_object(&out);
    json_put_int(&out, "exitCode", process_exit_code(process));
    json_close_object(&out);
    client_end_streams(process, json_out_finish(&out, &err) == 0 ? out.data : NULL, out.len);
    for (struct client *client = client_list(); client; client = client->next)
        if (client->exec_wait == process)
            answer_exec_wait(client);
}

static struct process *find_process(pid_t pid) {
    if (shim.main && shim.main->pid == pid)
        return shim.main;
    for (struct process *process = shim.execs; process; process = process->next)
        if (process->pid == pid && !process->exited)
            return process;
    return NULL;
}

/* The first process last: its end kills the execs, and their streams want their exit codes. */
static void reap(void) {
    int status, main_status = 0;
    bool main_ended = false;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct process *process = find_process(pid);
        if (process && process == shim.main) {
            main_ended = true;
            main_status = status;
        } else if (process) {
            process_exited(process, status);
        }
    }
    if (main_ended)
        process_exited(shim.main, main_status);
}

static void on_signal(struct watch *watch, uint32_t events) {
    struct signalfd_siginfo info;

    (void)events;
    while (read(watch->fd, &info, sizeof(info)) == sizeof(info))
        continue; /* only SIGCHLD means something; whoever wants to stop a container asks on the socket */
    reap();
}

static int watch_signals(struct err *err) {
    sigset_t all;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_BLOCK, &all, NULL);
    int fd = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0 || loop_add(&signals, fd, EPOLLIN, on_signal))
        return err_sys(err, errno, "cannot watch for signals");
    return 0;
}

static int write_state(struct err *err) {
    const struct container *c = &shim.container;
    auto_json_out struct json_out out = {0};

    json_open_object(&out);
    json_put_string(&out, "id", c->spec.id);
    json_put_int(&out, "pid", c->pid);
    json_put_int(&out, "shimPid", getpid());
    json_put_string(&out, "startedAt", shim.record.started_at);
    json_put_string(&out, "cgroup", c->spec.cgroup);
    json_close_object(&out);
    if (json_out_finish(&out, err))
        return -1;
    return record_write_file(c->spec.run_dir, "state.json", out.data, out.len, err);
}

int shim_start(struct err *err) {
    struct container *c = &shim.container;

    shim.main = calloc(1, sizeof(*shim.main));
    if (!shim.main || loop_open())
        return err_sys(err, errno, "cannot start the shim's loop");
    if (held_ports_take(&c->spec, err) || watch_signals(err) || log_open(&shim.log, &c->spec.log, err) ||
        client_listen(c->spec.run_dir, err))
        return -1;
    if (container_start(c, err)) {
        client_stop_listening();
        return -1;
    }
    exit_record_forget(c->spec.run_dir);
    exit_record_forget(c->spec.state_dir);
    timestamp_format(&c->started, shim.record.started_at);
    *shim.main =
        (struct process){.pid = c->pid, .pidfd = -1, .log = &shim.log, .on_finished = on_main_finished};
    process_watch(shim.main, &c->stdio);
    c->stdio = (struct stdio){-1, -1, -1, false};
    if (write_state(err)) {
        client_stop_listening();
        container_clean_up(c);
        return -1;
    }
    shim.settle_at_ms = loop_now_ms() + SETTLE_MS;
    if (c->spec.await_attach)
        shim.await_until_ms = loop_now_ms() + AWAIT_ATTACH_MS;
    else
        process_start_reading(shim.main);
    return 0;
}

void shim_attached(void) {
    if (shim.await_until_ms == 0)
        return;
    shim.await_until_ms = 0;
    process_start_reading(shim.main);
}

int shim_exec(const struct process_spec *spec, bool privileged, bool detached, struct process **out,
              struct err *err) {
    struct stdio stdio;
    struct process *process = calloc(1, sizeof(*process));

    if (!process)
        return err_sys(err, ENOMEM, "cannot hold another process");
    *process = (struct process){.exec = true, .on_finished = on_exec_finished};
    if (container_exec(&shim.container, spec, privileged, &process->pid, &process->pidfd, &stdio, err)) {
        free(process);
        return -1;
    }
    process_watch(process, &stdio);
    if (detached)
        process_end_input(process);
    process->next = shim.execs;
    shim.execs = process;
    shim.exec_count++;
    forget_old_execs();
    process_start_reading(process);
    *out = process;
    return 0;
}

struct process *shim_find_exec(pid_t pid) {
    for (struct process *process = shim.execs; process; process = process->next)
        if (process->pid == pid)
            return process;
    return NULL;
}

static int64_t sooner(int64_t a, int64_t b) {
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static int64_t later(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* Readers of the last output are waited for while they read, everybody else only for a while. */
static int64_t end_ms(void) {
    return later(shim.linger_until_ms, client_readers_until());
}

static int next_timeout(void) {
    int64_t until = sooner(client_patience_ends(), sooner(shim.settle_at_ms, shim.await_until_ms));

    until = sooner(until, sooner(shim.sync_at_ms, shim.ended ? end_ms() : 0));
    if (until == 0)
        return -1;
    int64_t left = until - loop_now_ms();
    return left < 0 ? 0 : (int)left;
}

static bool is_due(int64_t at_ms) {
    return at_ms != 0 && loop_now_ms() >= at_ms;
}

static void sync_end(void) {
    shim.sync_at_ms = 0;
    exit_record_sync(shim.container.spec.state_dir);
}

static void do_what_is_due(void) {
    client_cut_off_stalled(loop_now_ms());
    client_free_closed();
    if (is_due(shim.await_until_ms)) {
        shim_attached();
        process_try_finish(shim.main);
    }
    if (is_due(shim.settle_at_ms)) {
        shim.settle_at_ms = 0;
        cgroup_leaf_join(&shim.leaf, &shim.container.cgroup);
    }
    if (is_due(shim.sync_at_ms))
        sync_end();
}

void shim_run(void) {
    while (!shim.ended || (client_list() && loop_now_ms() < end_ms())) {
        loop_once(next_timeout());
        do_what_is_due();
    }
    if (shim.sync_at_ms)
        sync_end();
    cgroup_leaf_leave(&shim.leaf);
}
