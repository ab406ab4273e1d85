/* A running process of the container and the bytes that flow through it: the first process (logged, any
 * number of attached clients) and every exec (one client). A client that reads slowly slows its process down.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../lib/frame.h"
#include "container.h"
#include "log.h"
#include "loop.h"

struct client;

struct process {
    struct process *next;
    pid_t pid;
    int pidfd;
    bool exec, tty;
    struct watch out, err, in;
    struct out_buffer input; /* for stdin, at most INPUT_MAX */
    bool input_ended;        /* close stdin when `input` has gone */
    struct log *log;
    bool reading;  /* output is being read (not while an attach is awaited) */
    bool held;     /* but not now: a client is full */
    bool exited;   /* reaped; its output may still be in the pipes */
    bool finished; /* and everything is delivered */
    int status;
    size_t drained;         /* bytes read since it exited */
    struct client *clients; /* attached streams, linked by next_attached */
    void (*on_finished)(struct process *process);
};

#define INPUT_MAX (64 * 1024)
/* The largest pipe: what an ended program itself can have left behind. */
#define DRAIN_MAX (1024 * 1024)

/* Takes over the descriptors of stdio. */
void process_watch(struct process *process, const struct stdio *stdio);

void process_start_reading(struct process *process);
/* While it is held nothing of its output is read, so that its pipes fill up and its writes wait. The end of
 * the process ends that too: what is left then is bounded. */
void process_hold(struct process *process, bool held);

/* It was reaped with this wait status: reads what is left in the pipes, then calls on_finished. */
void process_exited(struct process *process, int status);
/* Finishes when it has exited and nothing holds the end back. */
void process_try_finish(struct process *process);

size_t process_input_room(const struct process *process);
void process_input(struct process *process, const char *data, size_t len);
void process_end_input(struct process *process);

int process_resize(const struct process *process, int rows, int cols);

int process_exit_code(const struct process *process);
/* 0 when it was not killed. */
int process_signal(const struct process *process);

void process_free(struct process *process);
