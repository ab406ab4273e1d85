/* The loop: one epoll, one listener, connections, and the processes that work for them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../lib/frame.h"
#include "helper.h"

/* Anything epoll can report: the first member of what it belongs to. */
struct source {
    void (*ready)(struct source *source, uint32_t events);
    int fd;
};

struct conn {
    struct source source;
    struct conn *next;
    struct frame_buffer in;
    struct out_buffer out;
    unsigned in_flight; /* requests whose reply is not yet in `out` */
    uint32_t watching;
    char *awaited; /* nft.wait: the table whose loss is to be told, and the id to answer with */
    char *awaited_id;
    bool ended; /* the client sends no more */
    bool dead;  /* closed; freed after the current batch of events */
};

/* A request in the hands of another process: its reply comes through the pipe in `source`. */
struct job {
    struct source source;
    struct job *next;
    const struct op *op;
    struct conn *conn; /* NULL once the client has gone, and for stream ops */
    struct op_call call;
    struct json_doc *doc;
    char *text; /* what doc points into */
    char *answer;
    size_t answer_len;
    int64_t deadline_ms; /* monotonic; 0 = none */
    pid_t pid;           /* 0: not started. Once reaped it may be somebody else's */
    int status;          /* of waitpid, once reaped */
    bool started, ended, reaped, dead;
};

struct server {
    const struct helper *helper;
    int epoll;
    struct source listener, signals;
    struct conn *conns;
    struct job *jobs; /* oldest first */
    unsigned conn_count;
    bool stopping;
};

extern struct server server;

int server_run(const struct helper *helper, int listen_fd, struct err *err);
int server_watch(struct source *source, uint32_t events, struct err *err);
/* Stops watching and closes. close() alone is not enough: a worker forked a moment ago still holds a copy,
 * and while it does epoll goes on reporting. */
void server_close(struct source *source);

void conn_accept(struct source *source, uint32_t events);
void conn_send(struct conn *conn, const struct json_out *reply);
void conn_error(struct conn *conn, const struct json *id, const struct err *err);
void conn_sweep(void); /* frees dead ones */

/* nft.wait: the connection is told when somebody else has taken rules of a table away. */
void nft_watch_add(struct conn *conn, const struct json *request, const struct json *id);

/* Takes over text and doc. For a stream op also the connection's descriptor. */
void job_create(const struct op *op, struct conn *conn, char *text, struct json_doc *doc,
                const struct json *id);
void job_start_waiting(void);
void job_forget_conn(const struct conn *conn);
void job_reaped(pid_t pid, int status);
/* Ends what is over its deadline; returns ms until the next one, -1 for none. */
int job_check_deadlines(void);
void job_sweep(void);
int64_t monotonic_ms(void);
