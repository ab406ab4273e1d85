/* What is known of a container's end: in a file before anybody is told, on the disk soon after. */
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

/* <dir>/exit.json by way of a temporary file and rename: a reader sees the old state or the new one. */
int exit_record_write(const struct exit_record *record, const char *dir, struct err *err);

/* Waits until the record is on the disk. Called after the end was told: the wait can take tens of
 * milliseconds, and what a power loss could take before it is an exit code, in a machine that lost the
 * container. */
void exit_record_sync(const char *dir);

/* Removes the record of an earlier run of the same container, which would look like the end of this one. */
void exit_record_forget(const char *dir);

/* Any small JSON file, the same way. */
int record_write_file(const char *dir, const char *name, const char *data, size_t len, struct err *err);
