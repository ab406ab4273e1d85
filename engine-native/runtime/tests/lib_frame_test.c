/* Frames: byte by byte, many at once, cut off, too long; blocking and buffered. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../lib/frame.h"
#include "check.h"

static void pair(int fds[2]) {
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
}

static void test_blocking(void) {
    struct err err = {0};
    int fds[2];
    size_t len = 0;
    auto_free char *payload = NULL;
    pair(fds);
    CHECK(frame_write(fds[0], "{}", 2, &err) == 0 && frame_write(fds[0], "", 0, &err) == 0);
    CHECK(frame_read(fds[1], &payload, &len, 1000, &err) == 1 && len == 2 && strcmp(payload, "{}") == 0);
    free(steal_pointer(&payload));
    CHECK(frame_read(fds[1], &payload, &len, 1000, &err) == 1 && len == 0);
    CHECK(frame_read(fds[1], &(char *){NULL}, &len, 20, &err) == -1); /* nothing comes */
    CHECK(write(fds[0], "\0\0\0\5abc", 7) == 7 && shutdown(fds[0], SHUT_WR) == 0);
    CHECK(frame_read(fds[1], &(char *){NULL}, &len, 1000, &err) == -1 && strstr(err.message, "cut off"));
    CHECK(frame_read(fds[1], &(char *){NULL}, &len, 1000, &err) == 0);
    (void)close(fds[1]);
    CHECK(frame_write(fds[0], "{}", 2, &err) == -1); /* no SIGPIPE */
    (void)close(fds[0]);
    pair(fds);
    CHECK(write(fds[0], "\0\x10\0\1", 4) == 4);
    CHECK(frame_read(fds[1], &(char *){NULL}, &len, 1000, &err) == -1 && err.code == ERR_BAD_REQUEST);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* Feeds the bytes in pieces of `step` and counts the frames that come out whole. */
static int count_frames(const char *bytes, size_t size, size_t step, const char *expected) {
    struct err err = {0};
    struct frame_buffer buffer = {0};
    int fds[2], frames = 0;
    pair(fds);
    CHECK(fcntl(fds[1], F_SETFL, O_NONBLOCK) == 0);
    for (size_t at = 0; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        const char *payload;
        size_t len;
        CHECK(write(fds[0], bytes + at, n) == (ssize_t)n);
        while (frame_buffer_fill(&buffer, fds[1], &err) > 0)
            continue;
        for (int more; (more = frame_buffer_next(&buffer, &payload, &len, &err)) == 1; frames++)
            CHECK(len == strlen(expected) && memcmp(payload, expected, len) == 0);
    }
    frame_buffer_free(&buffer);
    (void)close(fds[0]);
    (void)close(fds[1]);
    return frames;
}

static void test_buffered(void) {
    char bytes[50 * 9];
    for (size_t i = 0; i < 50; i++)
        memcpy(bytes + i * 9, "\0\0\0\5hello", 9);
    for (size_t step = 1; step < 30; step++)
        CHECK(count_frames(bytes, sizeof bytes, step, "hello") == 50);
    struct frame_buffer buffer = {0};
    struct err err = {0};
    const char *payload, *rest;
    size_t len;
    int fds[2];
    pair(fds);
    CHECK(write(fds[0], "\0\0\0\2{}tail", 10) == 10 && frame_buffer_fill(&buffer, fds[1], &err) == 10);
    CHECK(frame_buffer_next(&buffer, &payload, &len, &err) == 1);
    CHECK(frame_buffer_rest(&buffer, &rest) == 4 && memcmp(rest, "tail", 4) == 0);
    CHECK(frame_buffer_rest(&buffer, &rest) == 0);
    CHECK(write(fds[0], "\xff\xff\xff\xff", 4) == 4 && frame_buffer_fill(&buffer, fds[1], &err) == 4);
    CHECK(frame_buffer_next(&buffer, &payload, &len, &err) == -1);
    frame_buffer_free(&buffer);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* One mebibyte, more than a socket holds, to a reader that starts late. */
static void test_output(void) {
    struct err err = {0};
    struct out_buffer out = {0};
    auto_free char *large = calloc(1, FRAME_MAX);
    int fds[2], flushed = 0, status = 0;
    pair(fds);
    CHECK(fcntl(fds[0], F_SETFL, O_NONBLOCK) == 0);
    CHECK(out_buffer_add_frame(&out, large, FRAME_MAX, &err) == 0);
    CHECK(out_buffer_add_frame(&out, large, FRAME_MAX + 1u, &err) == -1);
    CHECK(out_buffer_flush(&out, fds[0], &err) == 0 && out_buffer_size(&out) > 0);
    pid_t reader = fork();
    if (reader == 0) {
        char *payload = NULL;
        size_t len = 0;
        _exit(frame_read(fds[1], &payload, &len, 5000, &err) == 1 && len == FRAME_MAX ? 0 : 1);
    }
    for (int tries = 0; tries < 5000 && (flushed = out_buffer_flush(&out, fds[0], &err)) == 0; tries++)
        (void)usleep(1000);
    CHECK(flushed == 1 && waitpid(reader, &status, 0) == reader && status == 0);
    out_buffer_free(&out);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

int main(void) {
    test_blocking();
    test_buffered();
    test_output();
    return checks_done("lib_frame_test");
}
