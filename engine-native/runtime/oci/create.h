/* From a bundle to a created container, and what its first process does until it is the program.
 *
 *   runtime                                      child
 *   namespaces_spawn ─────────────────────────▶  waits
 *   writes the id maps, opens mounts
 *   SYNC_START [descriptors] ─────────────────▶  mounts
 *                                ◀─────────────  SYNC_MOUNTED
 *   prestart and createRuntime hooks
 *   SYNC_GO ──────────────────────────────────▶  createContainer hooks, changes its root
 *                                ◀─────────────  SYNC_STDIO [terminal's master], where there is one
 *                                ◀─────────────  SYNC_READY
 *   `create` ends                                listens on ROOT/<id>/start.sock
 *   `start` connects ─────────────────────────▶  startContainer hooks, drops privileges, execve
 *                                ◀─────────────  end of file: execve succeeded; or SYNC_FAILED with the error
 */
#pragma once

#include <stdbool.h>

#include "../lib/err.h"
#include "state.h"

struct create_options {
    const char *root; /* the runtime's */
    const char *id, *bundle, *pid_file, *console_socket;
    bool no_pivot, no_new_keyring, systemd;
    bool keeps_terminal; /* `run` in the foreground: the master stays here */
    unsigned preserved_fds;
    void (*warn)(const char *message);
};

/* *master: the terminal's, with keeps_terminal. On failure everything is undone, poststop hooks included. */
int create_container(const struct create_options *options, struct state *state, int *master, struct err *err);

/* Lets a created container go and runs its poststart hooks. */
int start_container(struct state *state, void (*warn)(const char *message), struct err *err);

/* Kills what lives, removes groups, mount and state, and runs the poststop hooks. */
void destroy_container(const char *root, struct state *state, void (*warn)(const char *message));

/* The state on a hook's stdin: free with free(). */
char *hook_input(const struct state *state, enum status status);

struct child {
    const struct create_options *options;
    const struct state *state;
    const struct cgroup *cgroup;
    const struct seccomp_program *filter;
    int pair[2]; /* [0] the runtime's */
    int listener;
    size_t source_count;
};

/* In the child. Never returns. */
void child_main(void *data);

int write_pid_file(const char *path, pid_t pid, struct err *err);
