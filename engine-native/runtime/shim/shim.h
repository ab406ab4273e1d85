/* The shim's life: one container, its processes, and what is left to do. The only state that lives longer
 * than a request; owned by shim.c, used by ops.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "container.h"
#include "exit_record.h"
#include "process.h"

struct shim {
    struct container container;
    struct cgroup_leaf leaf;
    struct log log;
    struct process *main;
    struct process *execs; /* running ones, and the newest finished ones for a late execWait */
    int exec_count;
    bool paused;
    bool ended; /* the exit is recorded */
    struct exit_record record;
    int64_t await_until_ms;  /* output is not read before an attach or this time; 0: it is */
    int64_t settle_at_ms;    /* when the shim moves into its own cgroup; 0: it has, or will not */
    int64_t sync_at_ms;      /* when the record of the end is synced; 0: it is, or there is none yet */
    int64_t linger_until_ms; /* after the end: when the last readers are left alone */
};

extern struct shim shim;

/* Starts the container of a parsed spec: socket, log, processes. On failure everything is undone. */
int shim_start(struct err *err);
/* Serves until the container has ended and its readers are gone. */
void shim_run(void);

/* An attach has come: output may flow. */
void shim_attached(void);

int shim_exec(const struct process_spec *spec, bool privileged, bool detached, struct process **process,
              struct err *err);
struct process *shim_find_exec(pid_t pid);
