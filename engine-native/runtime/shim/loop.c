/* See loop.h. */
#include "loop.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

static int epoll_fd = -1;

int loop_open(void) {
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return epoll_fd < 0 ? -1 : 0;
}

int loop_add(struct watch *watch, int fd, uint32_t events, void (*ready)(struct watch *, uint32_t)) {
    struct epoll_event event = {.events = events, .data.ptr = watch};

    watch->fd = fd;
    watch->events = events;
    watch->ready = ready;
    watch->suspended = false;
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
        (void)close(fd);
        watch->fd = -1;
        return -1;
    }
    return 0;
}

void loop_set_events(struct watch *watch, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (watch->fd < 0 || watch->suspended || watch->events == events)
        return;
    watch->events = events;
    (void)epoll_ctl(epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
}

void loop_suspend(struct watch *watch) {
    if (watch->fd < 0 || watch->suspended)
        return;
    (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->suspended = true;
}

void loop_resume(struct watch *watch, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (watch->fd < 0 || !watch->suspended)
        return;
    watch->suspended = false;
    watch->events = events;
    (void)epoll_ctl(epoll_fd, EPOLL_CTL_ADD, watch->fd, &event);
}

void loop_close(struct watch *watch) {
    if (watch->fd < 0)
        return;
    /* Before close: a duplicate in a child that is just starting would keep the registration alive. */
    (void)epoll_ctl(epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    (void)close(watch->fd);
    watch->fd = -1;
}

void loop_once(int timeout_ms) {
    struct epoll_event event;

    if (epoll_wait(epoll_fd, &event, 1, timeout_ms) == 1) {
        struct watch *watch = event.data.ptr;
        watch->ready(watch, event.events);
    }
}

int64_t loop_now_ms(void) {
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
