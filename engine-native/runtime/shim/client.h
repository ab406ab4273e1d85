/* Connections to the shim's socket: frames at first, and a stream of raw bytes once an attach or exec took
 * one over. ops.c decides what a request means. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
    bool input_done;  /* the client half-closed */
    bool closing;     /* end when `out` has gone */
    bool ended;       /* a stream whose end is told: only the peer's closing is awaited */
    bool full;        /* holds its process back */
    int64_t moved_ms; /* when it last took a byte, or the first one was laid out for it */
    bool waiting;     /* has an unanswered wait */
    char *wait_id;    /* its id, raw JSON */
    struct process *exec_wait;
};

/* A client with this much unread output holds its process back until it has read half of it. */
#define OUTPUT_MAX (1024 * 1024)
/* A client that takes no byte for so long no longer holds the container back: a stopped terminal or a hung
 * daemon must not stop an app for ever. It is cut off, and told so behind what it has not read. An exec waits
 * without a limit: it is only its own client that it keeps waiting. */
#define PATIENCE_MS 30000

/* Listens on run_dir/shim.sock. */
int client_listen(const char *run_dir, struct err *err);
void client_stop_listening(void);

/* What ops.c answers with. */
void client_reply(struct client *client, struct json_out *out);
void client_fail(struct client *client, const struct json *id, const struct err *err);

/* In client_stream.c. Turns the connection into a stream of `process`. What came behind the request is its
 * first input. */
void client_attach(struct client *client, struct process *process);
void client_detach(struct client *client);

void client_broadcast(struct process *process, enum log_stream stream, const char *data, size_t len);
void client_input_has_room(struct process *process);
/* It took something: its process may go on. */
void client_took_output(struct client *client);
/* Ends the streams of a finished process, behind their output; `last` is a frame of type 3, or NULL. */
void client_end_streams(struct process *process, const char *last, size_t len);

/* When the first of them has used up the patience (0: none can), and what follows then. */
int64_t client_patience_ends(void);
void client_cut_off_stalled(int64_t now_ms);
/* How long the end of the shim waits for readers that still take output; 0: there are none. */
int64_t client_readers_until(void);

struct client *client_list(void);
void client_close(struct client *client);
/* Sends what goes. Returns false when the client is gone. */
bool client_flush(struct client *client);
/* Watches for what the client is good for now. */
void client_update_events(struct client *client);
/* Between two events: the memory of the closed ones. */
void client_free_closed(void);

/* In ops.c: one request. */
void ops_handle(struct client *client, const char *payload, size_t len);
