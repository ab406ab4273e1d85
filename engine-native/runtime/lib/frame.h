/* Frames of PROTOCOL.md: a 4-byte big-endian length and that many bytes of JSON, at most 1 MiB.
 * Blocking calls for a worker or a client with one conversation, a buffer for loops that must not block. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

#define FRAME_MAX (1u << 20)

/* Writes all of it, through short writes and EINTR, without SIGPIPE. On a non-blocking socket it waits (poll)
 * at most 30 s for room: a peer that stopped reading must not hold its process for ever. Returns 0 or -1. */
int write_all(int fd, const void *data, size_t len, struct err *err);

int frame_write(int fd, const char *payload, size_t len, struct err *err);

/* Reads one whole frame into a malloc'ed, NUL-terminated buffer. 1 = a frame, 0 = end of stream before its
 * first byte, -1 = error. timeout_ms bounds each wait (-1 = none). Never reads beyond the frame. */
int frame_read(int fd, char **payload, size_t *len, int timeout_ms, struct err *err);

/* A growing input buffer for a non-blocking socket. */
struct frame_buffer {
    char *data;
    size_t start, end, cap;
};

void frame_buffer_free(struct frame_buffer *buffer);

/* One read(2) from fd. Returns bytes read (> 0), 0 at end of stream, -1 on error, -2 when nothing is there
 * now. */
long frame_buffer_fill(struct frame_buffer *buffer, int fd, struct err *err);

/* Takes the next whole frame: 1 with *payload (valid until the next call on the buffer, not terminated), 0
 * when more bytes are needed, -1 when the length is over FRAME_MAX (the caller closes the connection). */
int frame_buffer_next(struct frame_buffer *buffer, const char **payload, size_t *len, struct err *err);

/* What is buffered behind the last taken frame: the first bytes of a stream op. Consumed by the call. */
size_t frame_buffer_rest(struct frame_buffer *buffer, const char **rest);

/* An output queue for a non-blocking socket. */
struct out_buffer {
    char *data;
    size_t start, end, cap;
};

void out_buffer_free(struct out_buffer *buffer);
int out_buffer_add(struct out_buffer *buffer, const void *data, size_t len, struct err *err);
int out_buffer_add_frame(struct out_buffer *buffer, const char *payload, size_t len, struct err *err);
/* Sends what the socket takes now. 1 = all sent, 0 = some is left (wait for EPOLLOUT), -1 = the peer is gone.
 */
int out_buffer_flush(struct out_buffer *buffer, int fd, struct err *err);
static inline size_t out_buffer_size(const struct out_buffer *buffer) {
    return buffer->end - buffer->start;
}
