/* The last steps of a child, the same for the container's first process and for every exec: stdio, identity,
 * working directory, privileges, execve. */
#pragma once

#include <stdbool.h>

#include "../lib/err.h"
#include "privileges.h"
#include "spec.h"

struct launch {
    const struct process_spec *process;
    struct privileges privileges;
    int sync;      /* our end of the conversation with the shim */
    int root_fd;   /* the container's root */
    int pts_fd;    /* its devpts, for a terminal */
    bool first;    /* the first process: makes its working directory and /dev/console */
    bool init;     /* leave a pid 1 behind that reaps and forwards */
    int status_fd; /* where that pid 1 tells the child's end */
};

/* How many descriptors SYNC_STDIO carries: a terminal's master, or stdout and stderr and perhaps stdin. */
int launch_stdio_count(const struct process_spec *process);

/* Makes stdio and hands the shim's ends over, right after the mounts (or the namespaces) are entered. */
struct launch_stdio {
    int in, out, err; /* a terminal: all three its slave */
    bool tty;
};
int launch_open_stdio(const struct launch *launch, struct launch_stdio *stdio, struct identity *identity,
                      struct err *err);

/* Waits for SYNC_GO and becomes the program. Returns only on failure. */
int launch_run(const struct launch *launch, const struct launch_stdio *stdio, const struct identity *identity,
               struct err *err);

/* A terminal of the devpts behind ptmx (a path below pts_fd): its two ends. rows and cols 0: as they are. */
int launch_open_terminal(int pts_fd, const char *ptmx, int64_t rows, int64_t cols, uid_t owner, int *master,
                         int *slave, struct err *err);
/* Puts stdio onto 0, 1 and 2. */
int launch_install_stdio(const struct launch_stdio *stdio, struct err *err);
/* Whoever starts a program may ignore and block signals; the program must not. */
void launch_reset_signals(void);

/* Names the process, so that ps shows at which stage a start hangs. */
void launch_stage(const char *name);
