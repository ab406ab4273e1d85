/* SHA-256 of a stream beside the work on it: on a second thread once the stream is long enough to be worth
 * one. Used by the tar reader and the canonical writer, in workers only; the helper's loop has one thread. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../lib/sha256.h"

#define HASH_AHEAD_QUEUE 16

struct hash_ahead {
    struct sha256 sha;
    uint64_t total;
    bool threaded, stop;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct {
        const void *data;
        size_t len;
    } queue[HASH_AHEAD_QUEUE];
    uint64_t added, done; /* pieces so far */
};

void hash_ahead_open(struct hash_ahead *hash);
/* Must be called before the data's memory goes. */
void hash_ahead_close(struct hash_ahead *hash);

/* Queues a piece; its bytes must stay as they are until hash_ahead_wait of the ticket returned. */
uint64_t hash_ahead_add(struct hash_ahead *hash, const void *data, size_t len);
void hash_ahead_wait(struct hash_ahead *hash, uint64_t ticket);

void hash_ahead_finish_hex(struct hash_ahead *hash, char hex[65]);
