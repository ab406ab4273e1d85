/* Connections: who may open one, reading frames, sending replies. A bad frame closes its connection, nothing
 * else. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "server.h"

/* The daemon needs a handful; the bounds keep a runaway client from taking the host's descriptors or memory.
 */
#define CONNS_MAX 1024
#define IN_FLIGHT_MAX 512
#define OUT_MAX (16u << 20)

static void conn_close(struct conn *conn) {
    if (conn->dead)
        return;
    conn->dead = true;
    job_forget_conn(conn);
    server_close(&conn->source);
    server.conn_count--;
}

/* Reads while the client sends and is not too far ahead, writes while something is left. */
static void conn_update(struct conn *conn) {
    struct err err;
    if (conn->dead || conn->source.fd < 0)
        return;
    int flushed = out_buffer_flush(&conn->out, conn->source.fd, &err);
    if (flushed < 0 || out_buffer_size(&conn->out) > OUT_MAX ||
        (flushed == 1 && conn->ended && conn->in_flight == 0)) {
        conn_close(conn);
        return;
    }
    uint32_t events = (flushed ? 0u : (uint32_t)EPOLLOUT) |
                      (conn->ended || conn->in_flight >= IN_FLIGHT_MAX ? 0u : (uint32_t)EPOLLIN);
    if (events == conn->watching)
        return;
    struct epoll_event event = {.events = events, .data.ptr = conn};
    conn->watching = events;
    if (epoll_ctl(server.epoll, EPOLL_CTL_MOD, conn->source.fd, &event) < 0)
        conn_close(conn);
}

void conn_send(struct conn *conn, const struct json_out *reply) {
    struct err err;
    if (conn->dead)
        return;
    if (reply->failed || out_buffer_add_frame(&conn->out, reply->data, reply->len, &err) < 0)
        conn_close(conn);
    else
        conn_update(conn);
}

void conn_error(struct conn *conn, const struct json *id, const struct err *err) {
    struct json_out reply auto_json_out = {0};
    json_error_reply(&reply, id, err);
    conn_send(conn, &reply);
}

static void run_inline(struct conn *conn, const struct op *op, const struct json *request,
                       const struct json *id) {
    struct err err = {0};
    struct json_out reply auto_json_out = {0};
    struct op_call call = {.helper = server.helper, .request = request, .id = id, .stream_fd = -1};
    json_open_reply(&reply, id);
    if (op->run(&call, &reply, &err) < 0) {
        conn_error(conn, id, &err);
        return;
    }
    json_close_object(&reply);
    conn_send(conn, &reply);
}

static void handle(struct conn *conn, const char *payload, size_t len) {
    struct err err = {0};
    auto_free char *text = malloc(len + 1);
    struct json_doc *doc auto_json = NULL;
    if (!text) {
        conn_close(conn);
        return;
    }
    memcpy(text, payload, len);
    doc = json_parse(text, len, &err);
    if (!doc) {
        conn_error(conn, NULL, &err);
        return;
    }
    const struct json *request = json_root(doc), *id = json_get(request, "id");
    const char *name = NULL;
    if (!id || id->type != JSON_INT) {
        err_set(&err, ERR_BAD_REQUEST, "\"id\" must be a whole number");
        conn_error(conn, NULL, &err);
        return;
    }
    const struct op *op = json_need_string(request, "op", &name, &err) < 0 ? NULL : op_find(name);
    if (!op) {
        if (name)
            err_set(&err, ERR_BAD_REQUEST, "there is no op \"%s\"", name);
        conn_error(conn, id, &err);
        return;
    }
    if (op->kind == OP_INLINE) {
        run_inline(conn, op, request, id);
        return;
    }
    if (op->kind == OP_WAIT) {
        nft_watch_add(conn, request, id);
        return;
    }
    job_create(op, conn, steal_pointer(&text), steal_pointer(&doc), id);
}

static void conn_ready(struct source *source, uint32_t events) {
    struct conn *conn = (struct conn *)source;
    struct err err;
    if (conn->dead)
        return;
    if ((events & (EPOLLERR | EPOLLHUP)) && !(events & EPOLLIN)) {
        conn_close(conn);
        return;
    }
    if (events & EPOLLIN) {
        long n = frame_buffer_fill(&conn->in, source->fd, &err);
        if (n == 0)
            conn->ended = true;
        if (n == -1) {
            conn_close(conn);
            return;
        }
    }
    const char *payload;
    size_t len;
    int more = 0;
    while (!conn->dead && source->fd >= 0 && (more = frame_buffer_next(&conn->in, &payload, &len, &err)) == 1)
        handle(conn, payload, len);
    if (more < 0)
        conn_close(conn);
    conn_update(conn);
}

static bool may_connect(int fd) {
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

void conn_accept(struct source *source, uint32_t events) {
    struct err err;
    (void)events;
    auto_close int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 || server.conn_count >= CONNS_MAX || !may_connect(fd))
        return;
    struct conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return;
    conn->source = (struct source){conn_ready, fd};
    conn->watching = EPOLLIN;
    if (server_watch(&conn->source, EPOLLIN, &err) < 0) {
        free(conn);
        return;
    }
    (void)steal_fd(&fd);
    conn->next = server.conns;
    server.conns = conn;
    server.conn_count++;
}

void conn_sweep(void) {
    for (struct conn **link = &server.conns; *link;) {
        struct conn *conn = *link;
        if (!conn->dead) {
            link = &conn->next;
            continue;
        }
        *link = conn->next;
        frame_buffer_free(&conn->in);
        out_buffer_free(&conn->out);
        free(conn->awaited);
        free(conn->awaited_id);
        free(conn);
    }
}
