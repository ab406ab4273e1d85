/* What is known of a container's end, durable before anybody is told. */
#pragma once

#include <stdbool.h>

#include "../lib/err.h"
#include "../lib/json.h"
#include "timestamp.h"

struct exit_record {
    int exit_code, signal; /* signal 0: it ended by itself */
    bool oom_killed;
    char started_at[TIMESTAMP_SIZE], finished_at[TIMESTAMP_SIZE];
};

/* The members of the record, into an open object. */
void exit_record_put(const struct exit_record *record, struct json_out *out);

/* <dir>/exit.json by way of a temporary file, fsync and rename: a crash leaves the old state or the new one.
 */
int exit_record_write(const struct exit_record *record, const char *dir, struct err *err);

/* Removes the record of an earlier run of the same container, which would look like the end of this one. */
void exit_record_forget(const char *dir);

/* Any small JSON file, the same way; without the fsync when it lies on a tmpfs. */
int record_write_file(const char *dir, const char *name, const char *data, size_t len, bool durable,
                      struct err *err);
