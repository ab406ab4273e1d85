/* See forward.h. */
#include "forward.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../shim/loop.h"
#include "message.h"
#include "upstream.h"

enum {
    PENDING_MAX = 512,
    PENDING_OF_ONE_ASKER = 128, /* one container that asks without end leaves room for the others */
    TRY_LIMIT_MS = 2000,        /* a server that says nothing for so long is skipped */
    TRIES_MAX = 4,              /* 8 s in all: resolvers give up after 10 */
};

struct pending {
    struct watch watch; /* the socket to the server */
    struct upstream servers;
    struct forward_origin origin;
    uint8_t *message;  /* two bytes of length, as TCP has it, then the query under our id */
    size_t len;        /* of the query */
    size_t sent;       /* by TCP, length included */
    uint8_t *response; /* by TCP */
    size_t got;
    int64_t deadline_ms;
    unsigned tries;
    uint8_t client_id[2];
    bool is_used, over_tcp;
};

static struct pending table[PENDING_MAX];
static unsigned used;
static uint8_t datagram[DNS_MESSAGE_MAX + 1];

static void try_next(struct pending *p);
static void open_tcp(struct pending *p);

static void close_socket(struct pending *p) {
    loop_close(&p->watch);
    free(p->response);
    p->response = NULL;
    p->got = p->sent = 0;
    p->over_tcp = false;
}

static void release(struct pending *p) {
    close_socket(p);
    free(p->message);
    p->message = NULL;
    p->is_used = false;
    used--;
}

/* The place is free before the asker hears of it: what the asker then does may end other queries of its. */
static void finish(struct pending *p, uint8_t *response, size_t len) {
    struct forward_origin origin = p->origin;
    auto_free uint8_t *kept = p->response; /* `response` may lie in it */

    memcpy(response, p->client_id, 2);
    p->response = NULL;
    release(p);
    origin.reply(&origin, response, len);
}

static void fail(struct pending *p) {
    uint8_t response[DNS_HEADER];

    memcpy(p->message + 2, p->client_id, 2);
    finish(p, response, dns_refuse(p->message + 2, DNS_SERVFAIL, response));
}

/* What a server said: good enough for the asker, a reason to ask the next one, or a reason to ask by TCP. */
static void judge(struct pending *p, uint8_t *response, size_t len) {
    enum dns_rcode code = dns_response_code(response);

    if (dns_is_truncated(response) && p->origin.is_tcp && !p->over_tcp) {
        close_socket(p);
        open_tcp(p);
        return;
    }
    if ((code == DNS_SERVFAIL || code == DNS_REFUSED) && p->servers.count > 1 &&
        p->tries < p->servers.count) {
        try_next(p);
        return;
    }
    finish(p, response, len);
}

static bool belongs(const struct pending *p, const uint8_t *response, size_t len) {
    return len >= DNS_HEADER && memcmp(response, p->message + 2, 2) == 0 &&
           dns_is_response_to(p->message + 2, p->len, response, len);
}

static void on_udp(struct watch *watch, uint32_t events) {
    struct pending *p = watch_owner(watch, struct pending, watch);
    ssize_t len = recv(watch->fd, datagram, DNS_MESSAGE_MAX, 0);

    (void)events;
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len < 0)
        try_next(p); /* nobody listens there */
    else if (belongs(p, datagram, (size_t)len))
        judge(p, datagram, (size_t)len);
    /* anything else is forged or late: the answer may still come */
}

/* Sends what is left of the query. False when the connection is lost. */
static bool send_tcp(struct pending *p) {
    while (p->sent < p->len + 2) {
        ssize_t n = send(p->watch.fd, p->message + p->sent, p->len + 2 - p->sent, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
        p->sent += (size_t)n;
    }
    loop_set_events(&p->watch, EPOLLIN);
    return true;
}

/* 1: the whole message is there. 0: not yet. -1: the connection is lost. */
static int receive_tcp(struct pending *p) {
    for (;;) {
        size_t wanted = 2;
        if (p->got >= 2)
            wanted += (size_t)p->response[0] << 8 | p->response[1];
        if (p->got >= 2 && p->got == wanted)
            return 1;
        ssize_t n = recv(p->watch.fd, p->response + p->got, wanted - p->got, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN))
            return 0;
        if (n <= 0)
            return -1;
        p->got += (size_t)n;
    }
}

static void on_tcp(struct watch *watch, uint32_t events) {
    struct pending *p = watch_owner(watch, struct pending, watch);

    if (events & EPOLLERR) {
        try_next(p);
        return;
    }
    if ((events & EPOLLOUT) && !send_tcp(p)) {
        try_next(p);
        return;
    }
    int state = receive_tcp(p);
    if (state < 0 || (state > 0 && !belongs(p, p->response + 2, p->got - 2)))
        try_next(p);
    else if (state > 0)
        judge(p, p->response + 2, p->got - 2);
}

static int connect_server(struct pending *p, int type) {
    unsigned server = (p->tries - 1) % p->servers.count;
    const struct sockaddr *address = (const struct sockaddr *)&p->servers.addresses[server];
    auto_close int fd = socket(address->sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || (connect(fd, address, p->servers.lengths[server]) && errno != EINPROGRESS))
        return -1;
    return steal_fd(&fd);
}

static void open_tcp(struct pending *p) {
    int fd = connect_server(p, SOCK_STREAM);

    p->over_tcp = true;
    p->deadline_ms = loop_now_ms() + TRY_LIMIT_MS;
    p->response = malloc(DNS_MESSAGE_MAX + 2);
    if (fd >= 0 && !p->response)
        (void)close(fd);
    if (fd < 0 || !p->response || loop_add(&p->watch, fd, EPOLLIN | EPOLLOUT, on_tcp))
        p->deadline_ms = 0; /* the next tick tries the next server */
}

static bool open_udp(struct pending *p) {
    int fd = connect_server(p, SOCK_DGRAM);

    p->deadline_ms = loop_now_ms() + TRY_LIMIT_MS;
    if (fd < 0 || loop_add(&p->watch, fd, EPOLLIN, on_udp))
        return false;
    return send(p->watch.fd, p->message + 2, p->len, MSG_NOSIGNAL) == (ssize_t)p->len;
}

/* The next server, round by round, until the tries are used up. */
static void try_next(struct pending *p) {
    for (;;) {
        close_socket(p);
        if (p->servers.count == 0 || p->tries == TRIES_MAX)
            break;
        p->tries++;
        if (open_udp(p))
            return;
    }
    fail(p);
}

static bool is_same_asker(const struct pending *p, const struct forward_origin *origin) {
    return p->origin.owner == origin->owner && p->origin.peer_len == origin->peer_len &&
           memcmp(&p->origin.peer, &origin->peer, origin->peer_len) == 0;
}

/* A free place; NULL when there is none for this asker. *repeated: the asker only asks once more. */
static struct pending *find_place(const struct forward_origin *origin, const uint8_t *query, size_t len,
                                  bool *repeated) {
    struct pending *place = NULL;
    unsigned of_asker = 0;

    for (size_t i = 0; i < PENDING_MAX; i++) {
        struct pending *p = &table[i];
        if (!p->is_used) {
            place = place ? place : p;
            continue;
        }
        of_asker += ip_compare(&p->origin.source, &origin->source) == 0;
        if (!origin->is_tcp && is_same_asker(p, origin) && p->len == len &&
            memcmp(p->client_id, query, 2) == 0 && memcmp(p->message + 4, query + 2, len - 2) == 0)
            *repeated = true;
    }
    return of_asker < PENDING_OF_ONE_ASKER ? place : NULL;
}

static void refuse(const struct forward_origin *origin, const uint8_t *query) {
    uint8_t response[DNS_HEADER];
    struct forward_origin to = *origin;

    to.reply(&to, response, dns_refuse(query, DNS_SERVFAIL, response));
}

void forward_query(const struct forward_origin *origin, const uint8_t *query, size_t len,
                   const char *servers) {
    bool repeated = false;
    struct pending *p = find_place(origin, query, len, &repeated);

    if (repeated)
        return;
    uint8_t *message = p ? malloc(len + 2) : NULL;
    uint8_t id[2];
    if (!message || getrandom(id, sizeof id, 0) != sizeof id) {
        free(message);
        refuse(origin, query);
        return;
    }
    *p = (struct pending){.watch.fd = -1, .is_used = true, .origin = *origin, .message = message, .len = len};
    used++;
    message[0] = (uint8_t)(len >> 8);
    message[1] = (uint8_t)len;
    memcpy(message + 2, query, len);
    memcpy(p->client_id, query, 2);
    memcpy(message + 2, id, 2);
    if (servers)
        upstream_parse_list(servers, &p->servers);
    else
        p->servers = *upstream_of_host();
    try_next(p);
}

void forward_forget(const void *owner) {
    for (size_t i = 0; used > 0 && i < PENDING_MAX; i++)
        if (table[i].is_used && table[i].origin.owner == owner)
            release(&table[i]);
}

int forward_tick(void) {
    int64_t now = loop_now_ms(), next = INT64_MAX;

    if (used == 0)
        return -1;
    for (size_t i = 0; i < PENDING_MAX; i++) {
        struct pending *p = &table[i];
        if (p->is_used && p->deadline_ms <= now)
            try_next(p);
        if (p->is_used && p->deadline_ms < next)
            next = p->deadline_ms;
    }
    return used == 0 ? -1 : (int)(next > now ? next - now : 0);
}
