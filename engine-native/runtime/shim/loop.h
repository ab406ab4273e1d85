/* The shim's one event loop. A watch belongs to whoever embeds it; its handler may remove and free any watch,
 * because the loop takes one event at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct watch {
    int fd; /* -1: not watched */
    uint32_t events;
    bool suspended;
    void (*ready)(struct watch *watch, uint32_t events);
};

static inline void *watch_outer(void *watch, size_t offset) {
    return (char *)watch - offset;
}
#define watch_owner(watch, type, member) ((type *)watch_outer(watch, offsetof(type, member)))

int loop_open(void);

/* Takes over fd and makes it non-blocking. -1 with errno. */
int loop_add(struct watch *watch, int fd, uint32_t events, void (*ready)(struct watch *, uint32_t));
void loop_set_events(struct watch *watch, uint32_t events);
/* Not even a hang-up is reported until loop_resume: epoll reports those whatever the events are. */
void loop_suspend(struct watch *watch);
void loop_resume(struct watch *watch, uint32_t events);
/* Stops watching and closes the descriptor. */
void loop_close(struct watch *watch);

/* Waits for one event, at most timeout_ms (-1: for ever), and handles it. */
void loop_once(int timeout_ms);

/* Milliseconds of a clock that never jumps. */
int64_t loop_now_ms(void);
