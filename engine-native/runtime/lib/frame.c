/* Frames over a stream socket: whole ones for a blocking conversation, buffers for an event loop. */
#include "frame.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"

/* A peer that stopped reading would otherwise hold a worker, its memory and its folder for ever. */
#define WRITE_WAIT_MS 30000

static uint32_t get_length(const unsigned char head[4]) {
    return (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
}

static void put_length(unsigned char head[4], size_t len) {
    head[0] = (unsigned char)(len >> 24);
    head[1] = (unsigned char)(len >> 16);
    head[2] = (unsigned char)(len >> 8);
    head[3] = (unsigned char)len;
}

static int wait_for(int fd, short events, int timeout_ms, struct err *err) {
    struct pollfd poll_fd = {.fd = fd, .events = events};
    for (;;) {
        int n = poll(&poll_fd, 1, timeout_ms);
        if (n > 0)
            return 0;
        if (n == 0)
            return err_set(err, ERR_INTERNAL, "the peer did nothing for %d ms", timeout_ms);
        if (errno != EINTR)
            return err_sys(err, errno, "cannot wait for the peer");
    }
}

/* send(2) keeps SIGPIPE away; a pipe (used in tests and by nft's stdin) is no socket and takes write(2). */
static ssize_t send_some(int fd, const void *data, size_t len) {
    ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
    return n < 0 && errno == ENOTSOCK ? write(fd, data, len) : n;
}

int write_all(int fd, const void *data, size_t len, struct err *err) {
    const char *at = data;
    while (len > 0) {
        ssize_t n = send_some(fd, at, len);
        if (n >= 0) {
            at += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            if (wait_for(fd, POLLOUT, WRITE_WAIT_MS, err) < 0)
                return -1;
        } else if (errno != EINTR) {
            return err_sys(err, errno, "cannot write to the peer");
        }
    }
    return 0;
}

int frame_write(int fd, const char *payload, size_t len, struct err *err) {
    unsigned char head[4];
    if (len > FRAME_MAX)
        return err_set(err, ERR_INTERNAL, "frame of %zu bytes is over the limit of %u", len, FRAME_MAX);
    auto_free char *whole = malloc(len + sizeof head);
    if (!whole)
        return err_set(err, ERR_INTERNAL, "out of memory");
    put_length(head, len);
    memcpy(whole, head, sizeof head);
    memcpy(whole + sizeof head, payload, len);
    return write_all(fd, whole, len + sizeof head, err);
}

/* Returns the bytes read: fewer than len only at end of stream. */
static long read_full(int fd, void *to, size_t len, int timeout_ms, struct err *err) {
    size_t have = 0;
    while (have < len) {
        if (timeout_ms >= 0 && wait_for(fd, POLLIN, timeout_ms, err) < 0)
            return -1;
        ssize_t n = read(fd, (char *)to + have, len - have);
        if (n == 0)
            break;
        if (n > 0) {
            have += (size_t)n;
        } else if (errno == EAGAIN) {
            if (wait_for(fd, POLLIN, timeout_ms, err) < 0)
                return -1;
        } else if (errno != EINTR) {
            return err_sys(err, errno, "cannot read from the peer");
        }
    }
    return (long)have;
}

int frame_read(int fd, char **payload, size_t *len, int timeout_ms, struct err *err) {
    unsigned char head[4];
    long n = read_full(fd, head, sizeof head, timeout_ms, err);
    if (n <= 0)
        return (int)n;
    size_t size = get_length(head);
    if (n == (long)sizeof head && size > FRAME_MAX)
        return err_set(err, ERR_BAD_REQUEST, "frame of %zu bytes is over the limit of %u", size, FRAME_MAX);
    if (n < (long)sizeof head)
        return err_set(err, ERR_BAD_REQUEST, "frame cut off");
    auto_free char *data = malloc(size + 1);
    if (!data)
        return err_set(err, ERR_INTERNAL, "out of memory");
    n = read_full(fd, data, size, timeout_ms, err);
    if (n < 0)
        return -1;
    if ((size_t)n < size)
        return err_set(err, ERR_BAD_REQUEST, "frame cut off");
    data[size] = '\0';
    *len = size;
    *payload = steal_pointer(&data);
    return 1;
}

/* Makes room for `more` bytes behind `end`: moves what is left to the front first, grows only when it must.
 */
static int make_room(char **data, size_t *start, size_t *end, size_t *cap, size_t more, struct err *err) {
    if (*cap - *end >= more)
        return 0;
    if (*start > 0) {
        memmove(*data, *data + *start, *end - *start);
        *end -= *start;
        *start = 0;
    }
    size_t wanted = *cap ? *cap : 4096;
    while (wanted - *end < more)
        wanted *= 2;
    if (wanted == *cap)
        return 0;
    char *grown = realloc(*data, wanted);
    if (!grown)
        return err_set(err, ERR_INTERNAL, "out of memory");
    *data = grown;
    *cap = wanted;
    return 0;
}

void frame_buffer_free(struct frame_buffer *buffer) {
    free(buffer->data);
    *buffer = (struct frame_buffer){0};
}

long frame_buffer_fill(struct frame_buffer *buffer, int fd, struct err *err) {
    size_t have = buffer->end - buffer->start, want = 4096;
    if (have >= 4) {
        size_t whole = get_length((const unsigned char *)buffer->data + buffer->start) + 4ul;
        if (whole > have && whole <= FRAME_MAX + 4ul && whole - have > want)
            want = whole - have;
    }
    if (make_room(&buffer->data, &buffer->start, &buffer->end, &buffer->cap, want, err) < 0)
        return -1;
    for (;;) {
        ssize_t n = read(fd, buffer->data + buffer->end, buffer->cap - buffer->end);
        if (n > 0)
            buffer->end += (size_t)n;
        if (n >= 0)
            return (long)n;
        if (errno == EAGAIN)
            return -2;
        if (errno != EINTR)
            return err_sys(err, errno, "cannot read from the peer");
    }
}

int frame_buffer_next(struct frame_buffer *buffer, const char **payload, size_t *len, struct err *err) {
    size_t have = buffer->end - buffer->start;
    if (have < 4)
        return 0;
    size_t size = get_length((const unsigned char *)buffer->data + buffer->start);
    if (size > FRAME_MAX)
        return err_set(err, ERR_BAD_REQUEST, "frame of %zu bytes is over the limit of %u", size, FRAME_MAX);
    if (have - 4 < size)
        return 0;
    *payload = buffer->data + buffer->start + 4;
    *len = size;
    buffer->start += size + 4;
    return 1;
}

size_t frame_buffer_rest(struct frame_buffer *buffer, const char **rest) {
    size_t n = buffer->end - buffer->start;
    *rest = n ? buffer->data + buffer->start : NULL;
    buffer->start = buffer->end;
    return n;
}

void out_buffer_free(struct out_buffer *buffer) {
    free(buffer->data);
    *buffer = (struct out_buffer){0};
}

int out_buffer_add(struct out_buffer *buffer, const void *data, size_t len, struct err *err) {
    if (make_room(&buffer->data, &buffer->start, &buffer->end, &buffer->cap, len, err) < 0)
        return -1;
    memcpy(buffer->data + buffer->end, data, len);
    buffer->end += len;
    return 0;
}

int out_buffer_add_frame(struct out_buffer *buffer, const char *payload, size_t len, struct err *err) {
    unsigned char head[4];
    if (len > FRAME_MAX)
        return err_set(err, ERR_INTERNAL, "frame of %zu bytes is over the limit of %u", len, FRAME_MAX);
    put_length(head, len);
    if (make_room(&buffer->data, &buffer->start, &buffer->end, &buffer->cap, len + sizeof head, err) < 0)
        return -1;
    (void)out_buffer_add(buffer, head, sizeof head, err);
    return out_buffer_add(buffer, payload, len, err);
}

int out_buffer_flush(struct out_buffer *buffer, int fd, struct err *err) {
    while (buffer->start < buffer->end) {
        ssize_t n = send_some(fd, buffer->data + buffer->start, buffer->end - buffer->start);
        if (n >= 0)
            buffer->start += (size_t)n;
        else if (errno == EAGAIN)
            return 0;
        else if (errno != EINTR)
            return err_sys(err, errno, "cannot write to the peer");
    }
    buffer->start = buffer->end = 0;
    return 1;
}
