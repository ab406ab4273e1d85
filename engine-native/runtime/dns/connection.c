/* See connection.h. */
#include "connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "forward.h"

enum {
    CONNECTIONS_MAX = 128,
    CONNECTIONS_OF_ONE_ASKER = 16,
    SILENCE_LIMIT_MS = 10000, /* a connection that nobody uses must not take the place of one in use */
};

struct connection {
    struct watch watch;
    struct listener *listener; /* NULL: the place is free */
    struct ip source;
    int64_t deadline_ms;
    bool is_waiting; /* for the answer of another server */
    size_t got;      /* of the query, its two bytes of length included */
    size_t sent;
    uint8_t *reply; /* with its two bytes of length */
    size_t reply_len;
    uint8_t query[DNS_QUERY_MAX + 2];
};

static struct connection *connections[CONNECTIONS_MAX];
static uint8_t answer_space[DNS_MESSAGE_MAX];

static void close_connection(struct connection *connection) {
    forward_forget(connection);
    loop_close(&connection->watch);
    free(connection->reply);
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (connections[i] == connection)
            connections[i] = NULL;
    free(connection);
}

/* False when the connection is gone. */
static bool write_reply(struct connection *connection) {
    while (connection->sent < connection->reply_len) {
        ssize_t n = send(connection->watch.fd, connection->reply + connection->sent,
                         connection->reply_len - connection->sent, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            loop_set_events(&connection->watch, EPOLLOUT);
            return true;
        }
        if (n < 0) {
            close_connection(connection);
            return false;
        }
        connection->sent += (size_t)n;
    }
    free(connection->reply);
    connection->reply = NULL;
    connection->reply_len = connection->sent = connection->got = 0;
    connection->deadline_ms = loop_now_ms() + SILENCE_LIMIT_MS;
    loop_set_events(&connection->watch, EPOLLIN);
    return true;
}

static bool send_reply(struct connection *connection, const uint8_t *message, size_t len) {
    connection->is_waiting = false;
    connection->reply = malloc(len + 2);
    if (!connection->reply) {
        close_connection(connection);
        return false;
    }
    connection->reply[0] = (uint8_t)(len >> 8);
    connection->reply[1] = (uint8_t)len;
    memcpy(connection->reply + 2, message, len);
    connection->reply_len = len + 2;
    connection->sent = 0;
    return write_reply(connection);
}

static void reply_tcp(struct forward_origin *origin, const uint8_t *response, size_t len) {
    (void)send_reply(origin->owner, response, len);
}

static void serve(struct connection *connection) {
    struct answer answer;
    struct answer_request request = {.records = listen_records(),
                                     .network = connection->listener->network,
                                     .source = connection->source,
                                     .packet = connection->query + 2,
                                     .len = connection->got - 2,
                                     .is_tcp = true};
    struct forward_origin origin = {
        .owner = connection, .source = connection->source, .is_tcp = true, .reply = reply_tcp};

    switch (answer_query(&request, answer_space, &answer)) {
    case ANSWER_DROP:
        close_connection(connection);
        break;
    case ANSWER_REPLY:
        (void)send_reply(connection, answer_space, answer.len);
        break;
    case ANSWER_FORWARD:
        connection->is_waiting = true;
        connection->deadline_ms = loop_now_ms() + SILENCE_LIMIT_MS;
        loop_set_events(&connection->watch, 0);
        forward_query(&origin, connection->query + 2, connection->got - 2, answer.servers);
        break;
    }
}

static void read_query(struct connection *connection) {
    for (;;) {
        size_t wanted = 2;
        if (connection->got >= 2)
            wanted += (size_t)connection->query[0] << 8 | connection->query[1];
        if (wanted > sizeof connection->query)
            break;
        if (connection->got >= 2 && connection->got == wanted) {
            serve(connection);
            return;
        }
        ssize_t n =
            recv(connection->watch.fd, connection->query + connection->got, wanted - connection->got, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0)
            break;
        connection->got += (size_t)n;
    }
    close_connection(connection);
}

static bool is_open(const struct connection *connection) {
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (connections[i] == connection)
            return true;
    return false;
}

static void on_event(struct watch *watch, uint32_t events) {
    struct connection *connection = watch_owner(watch, struct connection, watch);

    listen_pick_up_changes();
    if (!is_open(connection))
        return;
    if (connection->reply)
        (void)write_reply(connection);
    else if (connection->is_waiting || (events & EPOLLERR))
        close_connection(connection); /* only a hang-up is reported while an answer is awaited */
    else
        read_query(connection);
}

void connection_add(struct listener *listener, int fd, const struct ip *source) {
    size_t place = CONNECTIONS_MAX, of_asker = 0;

    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (!connections[i])
            place = i;
        else if (ip_compare(&connections[i]->source, source) == 0)
            of_asker++;
    }
    struct connection *connection =
        place < CONNECTIONS_MAX && of_asker < CONNECTIONS_OF_ONE_ASKER ? calloc(1, sizeof *connection) : NULL;
    if (!connection) {
        (void)close(fd);
        return;
    }
    connection->listener = listener;
    connection->source = *source;
    connection->deadline_ms = loop_now_ms() + SILENCE_LIMIT_MS;
    if (loop_add(&connection->watch, fd, EPOLLIN, on_event)) {
        free(connection);
        return;
    }
    connections[place] = connection;
}

void connection_close_all(const struct listener *listener) {
    for (size_t i = 0; i < CONNECTIONS_MAX; i++)
        if (connections[i] && connections[i]->listener == listener)
            close_connection(connections[i]);
}

int connection_tick(void) {
    int64_t now = loop_now_ms(), next = INT64_MAX;

    for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
        if (connections[i] && connections[i]->deadline_ms <= now)
            close_connection(connections[i]);
        if (connections[i] && connections[i]->deadline_ms < next)
            next = connections[i]->deadline_ms;
    }
    return next == INT64_MAX ? -1 : (int)(next - now);
}
