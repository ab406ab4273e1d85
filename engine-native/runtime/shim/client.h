/* Connections to the shim's socket: frames at first, and a stream of raw bytes once an attach or exec took
 * one over. ops.c decides what a request means. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "../lib/frame.h"
#include "../lib/json.h"
#include "log.h"
#include "loop.h"

struct process;

struct client {
    struct watch watch;
    struct client *next;          /* of all */
    struct client *next_attached; /* of one process */
    struct frame_buffer in;
    struct out_buffer out;
    struct process *process; /* streams only */
    bool stream;
    bool want_in, want_out, want_err, stdin_once;
    bool input_done; /* the client half-closed */
    bool closing;    /* close when `out` has gone */
    bool waiting;    /* has an unanswered wait */
    char *wait_id;   /* its id, raw JSON */
    struct process *exec_wait;
};

/* An attached client of the first process that reads too slowly loses output beyond this; the log has it. An
 * exec's client slows the exec down instead. */
#define OUTPUT_MAX (1024 * 1024)

/* Listens on run_dir/shim.sock. */
int client_listen(const char *run_dir, struct err *err);
void client_stop_listening(void);

/* What ops.c answers with. */
void client_reply(struct client *client, struct json_out *out);
void client_fail(struct client *client, const struct json *id, const struct err *err);

/* Turns the connection into a stream of `process`. What came behind the request is its first input. */
void client_attach(struct client *client, struct process *process);

void client_broadcast(struct process *process, enum log_stream stream, const char *data, size_t len);
void client_input_has_room(struct process *process);
/* Ends the streams of a finished process, behind their output; `last` is a frame of type 3, or NULL. */
void client_end_streams(struct process *process, const char *last, size_t len);

struct client *client_list(void);
void client_close(struct client *client);
/* Between two events: the memory of the closed ones. */
void client_free_closed(void);

/* In ops.c: one request. */
void ops_handle(struct client *client, const char *payload, size_t len);
