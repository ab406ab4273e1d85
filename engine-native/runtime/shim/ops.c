/* The requests of PROTOCOL.md's shim table, one function an op. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "client.h"
#include "foreign.h"
#include "kernel.h"
#include "shim.h"

typedef int (*op_function)(struct client *client, const struct json *request, const struct json *id,
                           struct err *err);

static void reply_ok(struct client *client, const struct json *id) {
    auto_json_out struct json_out out = {0};

    json_open_reply(&out, id);
    json_close_object(&out);
    client_reply(client, &out);
}

static int need_running(struct err *err) {
    if (shim.ended || shim.main->exited)
        return err_set(err, ERR_NOT_FOUND, "container \"%.12s\" is not running", shim.container.spec.id);
    return 0;
}

static int op_state(struct client *client, const struct json *request, const struct json *id,
                    struct err *err) {
    auto_json_out struct json_out out = {0};

    (void)request;
    (void)err;
    json_open_reply(&out, id);
    json_put_string(&out, "status", shim.ended ? "exited" : shim.paused ? "paused" : "running");
    json_put_int(&out, "pid", shim.main->pid);
    json_put_string(&out, "startedAt", shim.record.started_at);
    if (shim.ended) {
        json_key(&out, "exit");
        json_open_object(&out);
        exit_record_put(&shim.record, &out);
        json_close_object(&out);
    }
    json_close_object(&out);
    client_reply(client, &out);
    return 0;
}

/* Keeps the id of a request whose answer comes later. One late answer a connection. */
static int keep_id(struct client *client, const struct json *id, struct err *err) {
    if (client->waiting || client->exec_wait)
        return err_set(err, ERR_BAD_REQUEST, "one wait at a time on a connection");
    free(client->wait_id);
    client->wait_id = id ? strndup(id->raw, id->raw_len) : NULL;
    return 0;
}

static int op_wait(struct client *client, const struct json *request, const struct json *id,
                   struct err *err) {
    (void)request;
    if (shim.ended) {
        auto_json_out struct json_out out = {0};
        json_open_reply(&out, id);
        exit_record_put(&shim.record, &out);
        json_close_object(&out);
        client_reply(client, &out);
        return 0;
    }
    if (keep_id(client, id, err))
        return -1;
    client->waiting = true;
    return 0;
}

static int kill_exec(struct client *client, const struct json *id, pid_t pid, int signal, struct err *err) {
    const struct process *process = shim_find_exec(pid);

    if (!process)
        return err_set(err, ERR_NOT_FOUND, "no exec with pid %d", (int)pid);
    if (!process->exited && k_pidfd_send_signal(process->pidfd, signal))
        return err_sys(err, errno, "cannot signal the exec with pid %d", (int)pid);
    reply_ok(client, id);
    return 0;
}

static int op_kill(struct client *client, const struct json *request, const struct json *id,
                   struct err *err) {
    int64_t number, pid = 0;
    bool all = false;
    struct err ignored = {0};

    if (json_need_int(request, "signal", 1, 64, &number, err) || json_opt_bool(request, "all", &all, err) ||
        json_opt_int(request, "pid", 1, INT32_MAX, &pid, err) || need_running(err))
        return -1;
    if (pid)
        return kill_exec(client, id, (pid_t)pid, (int)number, err);
    /* SIGKILL needs no runtime; any other signal may have to be told to a program that is no process of this
     * kernel. */
    if (shim.container.foreign && !all && number != SIGKILL) {
        if (foreign_kill(&shim.container, (int)number, err))
            return -1;
        reply_ok(client, id);
        return 0;
    }
    if (all ? cgroup_signal(&shim.container.cgroup, (int)number, err)
            : k_pidfd_send_signal(shim.container.pidfd, (int)number)) {
        return err->code ? -1
                         : err_sys(err, errno, "cannot signal container \"%.12s\"", shim.container.spec.id);
    }
    /* A frozen process does not even die of SIGKILL before it is thawed, whoever froze it. */
    if (number == SIGKILL) {
        (void)cgroup_freeze(&shim.container.cgroup, false, &ignored);
        shim.paused = false;
    }
    reply_ok(client, id);
    return 0;
}

static int op_attach(struct client *client, const struct json *request, const struct json *id,
                     struct err *err) {
    if (json_opt_bool(request, "stdin", &client->want_in, err) ||
        json_opt_bool(request, "stdout", &client->want_out, err) ||
        json_opt_bool(request, "stderr", &client->want_err, err) ||
        json_opt_bool(request, "stdinOnce", &client->stdin_once, err))
        return -1;
    if (shim.ended)
        return err_set(err, ERR_NOT_FOUND, "container \"%.12s\" is not running", shim.container.spec.id);
    reply_ok(client, id);
    client_attach(client, shim.main);
    shim_attached();
    process_try_finish(shim.main);
    return 0;
}

static int op_exec(struct client *client, const struct json *request, const struct json *id,
                   struct err *err) {
    const struct json *object;
    struct process_spec spec;
    struct process *process = NULL;
    bool privileged = false, detach = false;
    int rc;

    if (json_need_object(request, "process", &object, err) ||
        json_opt_bool(request, "privileged", &privileged, err) ||
        json_opt_bool(request, "detach", &detach, err) || need_running(err))
        return -1;
    /* The new process would join the frozen group and never answer. */
    if (shim.paused)
        return err_set(err, ERR_BAD_REQUEST, "container \"%.12s\" is paused", shim.container.spec.id);
    rc = spec_parse_process(object, &spec, err);
    if (rc == 0)
        rc = json_opt_bool(request, "stdin", &spec.open_stdin, err);
    if (rc == 0)
        rc = shim_exec(&spec, privileged, detach, &process, err);
    spec_free_process(&spec);
    if (rc)
        return -1;
    auto_json_out struct json_out out = {0};
    json_open_reply(&out, id);
    json_put_int(&out, "pid", process->pid);
    json_close_object(&out);
    client_reply(client, &out);
    if (detach) {
        client->stream = client->closing = true;
        return 0;
    }
    client->want_in = client->stdin_once = spec.open_stdin;
    client->want_out = client->want_err = true;
    client_attach(client, process);
    return 0;
}

static int op_exec_wait(struct client *client, const struct json *request, const struct json *id,
                        struct err *err) {
    int64_t pid;

    if (json_need_int(request, "pid", 1, INT32_MAX, &pid, err))
        return -1;
    struct process *process = shim_find_exec((pid_t)pid);
    if (!process)
        return err_set(err, ERR_NOT_FOUND, "no exec with pid %d", (int)pid);
    if (process->finished) {
        auto_json_out struct json_out out = {0};
        json_open_reply(&out, id);
        json_put_int(&out, "exitCode", process_exit_code(process));
        json_close_object(&out);
        client_reply(client, &out);
        return 0;
    }
    if (keep_id(client, id, err))
        return -1;
    client->exec_wait = process;
    return 0;
}

static int op_resize(struct client *client, const struct json *request, const struct json *id,
                     struct err *err) {
    int64_t rows, cols, pid = 0;

    if (json_need_int(request, "rows", 1, UINT16_MAX, &rows, err) ||
        json_need_int(request, "cols", 1, UINT16_MAX, &cols, err) ||
        json_opt_int(request, "pid", 1, INT32_MAX, &pid, err))
        return -1;
    struct process *process = pid ? shim_find_exec((pid_t)pid) : shim.main;
    if (!process)
        return err_set(err, ERR_NOT_FOUND, "no exec with pid %d", (int)pid);
    if (process_resize(process, (int)rows, (int)cols))
        return err_sys_as(err, ERR_BAD_REQUEST, errno, "cannot resize the terminal");
    reply_ok(client, id);
    return 0;
}

static int op_pause(struct client *client, const struct json *request, const struct json *id,
                    struct err *err) {
    (void)request;
    if (need_running(err) || cgroup_freeze(&shim.container.cgroup, true, err))
        return -1;
    shim.paused = true;
    reply_ok(client, id);
    return 0;
}

static int op_resume(struct client *client, const struct json *request, const struct json *id,
                     struct err *err) {
    (void)request;
    if (need_running(err) || cgroup_freeze(&shim.container.cgroup, false, err))
        return -1;
    shim.paused = false;
    reply_ok(client, id);
    return 0;
}

static int op_update(struct client *client, const struct json *request, const struct json *id,
                     struct err *err) {
    const struct json *object;
    struct resources resources = {0};

    if (json_need_object(request, "resources", &object, err) ||
        spec_parse_resources(object, &resources, err) || need_running(err) ||
        cgroup_update(&shim.container.cgroup, &resources, err))
        return -1;
    reply_ok(client, id);
    return 0;
}

static int op_stats(struct client *client, const struct json *request, const struct json *id,
                    struct err *err) {
    auto_json_out struct json_out out = {0};
    struct cgroup_stats stats;

    (void)request;
    if (need_running(err))
        return -1;
    cgroup_stats(&shim.container.cgroup, &stats);
    json_open_reply(&out, id);
    json_put_uint(&out, "memoryBytes", stats.memory);
    json_put_uint(&out, "memoryLimitBytes", stats.memory_limit);
    json_put_uint(&out, "cpuNanos", stats.cpu_nanos);
    json_put_uint(&out, "pids", stats.pids);
    json_put_uint(&out, "oomKills", stats.oom_kills);
    json_put_uint(&out, "ioReadBytes", stats.io_read);
    json_put_uint(&out, "ioWriteBytes", stats.io_write);
    json_close_object(&out);
    client_reply(client, &out);
    return 0;
}

void ops_handle(struct client *client, const char *payload, size_t len) {
    static const struct {
        const char *name;
        op_function run;
    } ops[] = {
        {"state", op_state},   {"wait", op_wait},          {"kill", op_kill},     {"attach", op_attach},
        {"exec", op_exec},     {"execWait", op_exec_wait}, {"resize", op_resize}, {"pause", op_pause},
        {"resume", op_resume}, {"update", op_update},      {"stats", op_stats},
    };
    struct err err = {0};
    const char *name = NULL;
    auto_json struct json_doc *doc = json_parse(payload, len, &err);
    const struct json *request = doc ? json_root(doc) : NULL;
    const struct json *id = json_get(request, "id");
    int rc = -1;

    if (doc && json_need_string(request, "op", &name, &err) == 0) {
        size_t i = 0, count = sizeof(ops) / sizeof(ops[0]);
        while (i < count && strcmp(ops[i].name, name) != 0)
            i++;
        rc = i < count ? ops[i].run(client, request, id, &err)
                       : err_set(&err, ERR_BAD_REQUEST, "operation \"%s\" is not known", name);
    }
    if (rc)
        client_fail(client, id, &err);
}
