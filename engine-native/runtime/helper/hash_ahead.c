/* A queue of pieces between the worker and its hashing thread. */
#include "hash_ahead.h"

/* A thread costs some 50 µs; a mebibyte is hashed in 500. */
#define WORTH_A_THREAD (1u << 20)

void hash_ahead_open(struct hash_ahead *hash) {
    *hash = (struct hash_ahead){.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    sha256_init(&hash->sha);
}

static void *hash_pieces(void *argument) {
    struct hash_ahead *hash = argument;
    (void)pthread_mutex_lock(&hash->mutex);
    for (;;) {
        while (hash->done == hash->added && !hash->stop)
            (void)pthread_cond_wait(&hash->changed, &hash->mutex);
        if (hash->stop)
            break;
        const void *data = hash->queue[hash->done % HASH_AHEAD_QUEUE].data;
        size_t len = hash->queue[hash->done % HASH_AHEAD_QUEUE].len;
        (void)pthread_mutex_unlock(&hash->mutex);
        sha256_add(&hash->sha, data, len);
        (void)pthread_mutex_lock(&hash->mutex);
        hash->done++;
        (void)pthread_cond_broadcast(&hash->changed);
    }
    (void)pthread_mutex_unlock(&hash->mutex);
    return NULL;
}

void hash_ahead_close(struct hash_ahead *hash) {
    if (!hash->threaded)
        return;
    (void)pthread_mutex_lock(&hash->mutex);
    hash->stop = true;
    (void)pthread_cond_broadcast(&hash->changed);
    (void)pthread_mutex_unlock(&hash->mutex);
    (void)pthread_join(hash->thread, NULL);
    hash->threaded = false;
}

uint64_t hash_ahead_add(struct hash_ahead *hash, const void *data, size_t len) {
    hash->total += len;
    if (!hash->threaded && hash->total > WORTH_A_THREAD)
        hash->threaded = pthread_create(&hash->thread, NULL, hash_pieces, hash) == 0;
    if (!hash->threaded) {
        sha256_add(&hash->sha, data, len);
        hash->done++;
        return ++hash->added;
    }
    (void)pthread_mutex_lock(&hash->mutex);
    while (hash->added - hash->done == HASH_AHEAD_QUEUE)
        (void)pthread_cond_wait(&hash->changed, &hash->mutex);
    hash->queue[hash->added % HASH_AHEAD_QUEUE].data = data;
    hash->queue[hash->added % HASH_AHEAD_QUEUE].len = len;
    uint64_t ticket = ++hash->added;
    (void)pthread_cond_broadcast(&hash->changed);
    (void)pthread_mutex_unlock(&hash->mutex);
    return ticket;
}

void hash_ahead_wait(struct hash_ahead *hash, uint64_t ticket) {
    if (!hash->threaded)
        return;
    (void)pthread_mutex_lock(&hash->mutex);
    while (hash->done < ticket)
        (void)pthread_cond_wait(&hash->changed, &hash->mutex);
    (void)pthread_mutex_unlock(&hash->mutex);
}

void hash_ahead_finish_hex(struct hash_ahead *hash, char hex[65]) {
    hash_ahead_wait(hash, hash->added);
    sha256_finish_hex(&hash->sha, hex);
}
