/* The container's log: Docker's json-file lines, rotated by size. Written by the shim itself, so that no
 * daemon has to live for a container to speak. Never fails its caller: what cannot be written is counted and
 * said later. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "../lib/err.h"
#include "spec.h"

enum log_stream { LOG_STDOUT, LOG_STDERR };

/* A longer line becomes several records, as Docker cuts it. */
#define LOG_LINE_MAX (16 * 1024)

struct log_partial {
    char text[LOG_LINE_MAX];
    size_t len;
};

struct log {
    const struct log_spec *spec;
    int fd; /* -1: no log is kept */
    int64_t size;
    uint64_t dropped;
    int drop_reason;
    struct timespec last;
    struct log_partial partial[2];
    char *out; /* records that are not written yet */
    size_t out_len;
    uint64_t out_records;
};

int log_open(struct log *log, const struct log_spec *spec, struct err *err);
void log_write(struct log *log, enum log_stream stream, const char *data, size_t len);
/* Writes the unfinished lines; the program has ended. */
void log_finish(struct log *log);
