/* What the runtime remembers of a container between two of its commands: ROOT/<id>/ with state.json, a copy
 * of the bundle's config.json, and start.sock while the container waits for its start. Whoever changes a
 * container holds the folder's lock. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../lib/err.h"
#include "config.h"

enum status { STATUS_CREATING, STATUS_CREATED, STATUS_RUNNING, STATUS_PAUSED, STATUS_STOPPED };

struct state {
    char *id, *bundle, *rootfs, *created, *cgroup; /* cgroup: "" for none */
    pid_t pid;
    uint64_t start_time; /* of pid, in clock ticks since boot: a pid alone may be another process by now */
    bool is_ready;       /* created, and not only half of it */
    bool owns_mount; /* without a mount namespace of its own the root was mounted among the host's mounts */
    int dir;         /* ROOT/<id> */
    struct json_doc *config_document;
    char *config_text;
    struct json_doc *process_document; /* of an exec, where it comes from a file */
    char *process_text;
    struct oci_config config;
};

/* Checks the id, makes ROOT/<id> and locks it. `exists` when there is one. Takes over config_text. */
int state_create(const char *root, const char *id, struct state *state, struct err *err);
/* Opens and reads; locks when `locked`. `not_found`: container "x" does not exist. */
int state_open(const char *root, const char *id, bool locked, struct state *state, struct err *err);
int state_save(const struct state *state, struct err *err);
/* Keeps the config that the container was made from: the bundle's may change or go. */
int state_save_config(const struct state *state, struct err *err);
/* Forgets the container. */
void state_remove(const char *root, const struct state *state);
void state_close(struct state *state);

enum status state_status(const struct state *state);
const char *state_status_name(enum status status);

/* The state object of the spec, as `state` prints it and hooks get it on stdin. */
void state_put(const struct state *state, enum status status, struct json_out *out);

/* Whole small files. NULL with err set; at most `limit` bytes. */
char *state_read_file(int dir, const char *name, size_t limit, size_t *len, struct err *err);

/* 0 when there is no such process, or only its remains. */
uint64_t process_start_time(pid_t pid);
