/* Jobs: requests carried out by another process, a forked worker or a new shim. The process answers through a
 * pipe (a worker its reply, a shim its ready line); end of file there, or the process's death, ends the job.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "process.h"
#include "server.h"
#include "start.h"

/* More at once would only fight for the disk. Streams mostly wait for their client, so they have places of
 * their own: slow ones must not keep a removal waiting. */
#define WORKERS_MAX 16
#define REFUSAL_LIMIT_MS 5000
#define STREAMS_MAX 64

static void job_free(struct job *job) {
    server_close(&job->source);
    if (job->call.stream_fd >= 0)
        (void)close(job->call.stream_fd);
    json_free(job->doc);
    free(job->text);
    free((char *)job->call.rest);
    free(job->answer);
    free(job);
}

static void finish(struct job *job) {
    if (job->conn && !job->conn->dead)
        job->conn->in_flight--;
    server_close(&job->source);
    job->dead = true;
}

static void finish_with_error(struct job *job, const struct err *err) {
    struct conn *conn = job->conn;
    finish(job);
    if (conn)
        conn_error(conn, job->call.id, err);
}

/* The process is gone and said nothing: a bug, the OOM killer, or an operator's kill. */
static void finish_unanswered(struct job *job) {
    struct err err;
    if (WIFSIGNALED(job->status))
        err_set(&err, ERR_INTERNAL, "\"%s\" was killed by signal %d before it answered", job->op->name,
                WTERMSIG(job->status));
    else
        err_set(&err, ERR_INTERNAL, "\"%s\" ended with code %d before it answered", job->op->name,
                WEXITSTATUS(job->status));
    finish_with_error(job, &err);
}

static void answer_complete(struct job *job) {
    struct json_out reply auto_json_out = {0};
    struct conn *conn = job->conn;
    if (job->op->kind == OP_START)
        start_reply(&reply, job->call.id, job->answer, job->answer_len, job->pid);
    else
        reply = (struct json_out){.data = steal_pointer(&job->answer), .len = job->answer_len};
    finish(job);
    if (conn)
        conn_send(conn, &reply);
}

static void job_ready(struct source *source, uint32_t events) {
    struct job *job = (struct job *)source;
    (void)events;
    if (job->dead)
        return;
    char *grown = realloc(job->answer, job->answer_len + 65536);
    if (!grown)
        return;
    job->answer = grown;
    ssize_t n = read(source->fd, job->answer + job->answer_len, 65536);
    if (n < 0)
        return;
    job->answer_len += (size_t)n;
    bool whole = n == 0 || (job->op->kind == OP_START && memchr(job->answer, '\n', job->answer_len));
    if (job->answer_len > FRAME_MAX)
        whole = true, job->answer_len = 0;
    if (!whole)
        return;
    job->ended = true;
    if (job->answer_len > 0)
        answer_complete(job);
    else if (job->op->kind == OP_STREAM)
        finish(job);
    else if (job->reaped)
        finish_unanswered(job);
    else
        (void)epoll_ctl(server.epoll, EPOLL_CTL_DEL, source->fd, NULL);
}

void job_reaped(pid_t pid, int status) {
    for (struct job *job = server.jobs; job; job = job->next) {
        if (job->dead || job->reaped || job->pid != pid)
            continue;
        job->reaped = true;
        job->status = status;
        if (job->ended)
            finish_unanswered(job);
        return;
    }
}

void job_forget_conn(const struct conn *conn) {
    for (struct job *job = server.jobs; job; job = job->next)
        if (job->conn == conn)
            job->conn = NULL;
}

static void detach_stream(struct job *job, struct conn *conn) {
    const char *rest;
    size_t len = frame_buffer_rest(&conn->in, &rest);
    char *copy = malloc(len + 1);
    if (copy && len > 0)
        memcpy(copy, rest, len);
    job->call.rest = copy;
    job->call.rest_len = copy ? len : 0;
    (void)epoll_ctl(server.epoll, EPOLL_CTL_DEL, conn->source.fd, NULL);
    job->call.stream_fd = steal_fd(&conn->source.fd);
    conn->dead = true;
    server.conn_count--;
}

void job_create(const struct op *op, struct conn *conn, char *text, struct json_doc *doc,
                const struct json *id) {
    struct err err;
    struct job *job = NULL;
    if (op->kind == OP_STREAM && (conn->in_flight > 0 || out_buffer_size(&conn->out) > 0))
        err_set(&err, ERR_BAD_REQUEST, "\"%s\" needs a connection of its own", op->name);
    else if (!(job = calloc(1, sizeof *job)))
        err_set(&err, ERR_INTERNAL, "out of memory");
    if (!job) {
        conn_error(conn, id, &err);
        json_free(doc);
        free(text);
        return;
    }
    *job = (struct job){.source = {job_ready, -1}, .op = op, .text = text, .doc = doc};
    job->call =
        (struct op_call){.helper = server.helper, .request = json_root(doc), .id = id, .stream_fd = -1};
    if (op->kind == OP_STREAM) {
        detach_stream(job, conn);
    } else {
        job->conn = conn;
        conn->in_flight++;
    }
    struct job **link = &server.jobs;
    while (*link)
        link = &(*link)->next;
    *link = job;
}

/* A sender that still writes would be cut off before it reads why it was refused: its bytes are thrown away
 * until it has read and closed. The limits are for one that never does. */
static void let_sender_read(int fd) {
    static char waste[65536];
    int64_t end = monotonic_ms() + REFUSAL_LIMIT_MS;
    (void)shutdown(fd, SHUT_WR);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int64_t left; (left = end - monotonic_ms()) > 0;) {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        if (poll(&waiting, 1, (int)left) <= 0)
            return;
        ssize_t n = read(fd, waste, sizeof waste);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return;
    }
}

/* The worker's whole life. Its reply goes to the pipe, or for a stream op to the client itself. */
static void worker_main(struct job *job, int pipe_fd) {
    struct err err = {0}, ignored;
    struct json_out reply auto_json_out = {0}, failure auto_json_out = {0}, *out = &reply;
    const struct helper *helper = job->call.helper;
    const int keep[] = {helper->run_fd, helper->root_fd, pipe_fd, job->call.stream_fd};
    process_become_worker(job->op->name, keep, sizeof keep / sizeof *keep,
                          job->op->kind == OP_SERIAL ? 0 : 5);
    /* A stream has its client still. Of anything else nobody would hear the answer, and whoever asked cleans
     * up: it must not go on writing there. */
    if (job->op->kind != OP_STREAM)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    json_open_reply(&reply, job->call.id);
    if (job->op->run(&job->call, &reply, &err) < 0) {
        json_error_reply(&failure, job->call.id, &err);
        out = &failure;
    } else {
        json_close_object(&reply);
    }
    if (job->call.replied || out->failed)
        _exit(out == &failure);
    if (job->op->kind == OP_STREAM) {
        int sent = frame_write(job->call.stream_fd, out->data, out->len, &ignored);
        if (sent == 0 && out == &failure)
            let_sender_read(job->call.stream_fd);
        _exit(sent < 0);
    }
    _exit(write_all(pipe_fd, out->data, out->len, &ignored) < 0);
}

static int start_worker(struct job *job, struct err *err) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(err, errno, "cannot open a pipe");
    auto_close int reader = ends[0];
    auto_close int writer = ends[1];
    pid_t pid = fork();
    if (pid < 0)
        return err_sys(err, errno, "cannot fork a worker");
    if (pid == 0)
        worker_main(job, writer);
    job->pid = pid;
    job->source.fd = steal_fd(&reader);
    return 0;
}

static void job_start(struct job *job) {
    struct err err = {0};
    int result;
    job->started = true;
    if (job->op->kind == OP_START) {
        result = start_shim(&job->call, &job->pid, &job->source.fd, &err);
        /* A mount that hangs (a dead network file system under a bind) would else hold the caller for ever.
         */
        job->deadline_ms = monotonic_ms() + START_LIMIT_MS;
    } else {
        result = start_worker(job, &err);
    }
    if (result == 0 && server_watch(&job->source, EPOLLIN, &err) == 0) {
        if (job->call.stream_fd >= 0)
            (void)close(job->call.stream_fd);
        job->call.stream_fd = -1;
        return;
    }
    if (job->call.stream_fd >= 0) {
        struct json_out reply auto_json_out = {0};
        struct err ignored;
        json_error_reply(&reply, job->call.id, &err);
        (void)frame_write(job->call.stream_fd, reply.data, reply.len, &ignored);
    }
    finish_with_error(job, &err);
}

void job_start_waiting(void) {
    static const unsigned limits[] = {[OP_INLINE] = 0, [OP_WORKER] = WORKERS_MAX, [OP_STREAM] = STREAMS_MAX,
                                      [OP_SERIAL] = 1, [OP_START] = ~0u,          [OP_WAIT] = 0};
    unsigned busy[sizeof limits / sizeof *limits] = {0};
    for (struct job *job = server.jobs; job; job = job->next)
        if (!job->dead && busy[job->op->kind]++ < limits[job->op->kind] && !job->started)
            job_start(job);
}

int job_check_deadlines(void) {
    int64_t now = 0, nearest = -1;
    for (struct job *job = server.jobs; job; job = job->next) {
        if (job->dead || job->deadline_ms == 0)
            continue;
        now = now ? now : monotonic_ms();
        if (job->deadline_ms > now) {
            nearest = nearest < 0 || job->deadline_ms - now < nearest ? job->deadline_ms - now : nearest;
            continue;
        }
        struct err err;
        if (job->pid > 0 && !job->reaped)
            (void)kill(job->pid, SIGKILL);
        err_set(&err, ERR_INTERNAL, "the container was not ready after %d s; look for a mount that hangs",
                START_LIMIT_MS / 1000);
        finish_with_error(job, &err);
    }
    return (int)nearest;
}

void job_sweep(void) {
    for (struct job **link = &server.jobs; *link;) {
        struct job *job = *link;
        if (!job->dead) {
            link = &job->next;
            continue;
        }
        *link = job->next;
        job_free(job);
    }
}
