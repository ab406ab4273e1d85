/* See client.h. */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "process.h"

/* Descriptors of the shim are finite, and one daemon needs few. */
#define CLIENTS_MAX 256

static struct client *clients;
static int client_count;
static struct watch listener = {.fd = -1};
static int listen_dir = -1;

struct client *client_list(void) {
    return clients;
}

/* A client may be closed deep inside a call that still holds it (its own attach can end the container), so
 * its memory lives until the loop comes round. */
static struct client *closed;

void client_close(struct client *client) {
    if (client->watch.fd < 0)
        return;
    for (struct client **p = &clients; *p; p = &(*p)->next) {
        if (*p != client)
            continue;
        *p = client->next;
        client_count--;
        break;
    }
    loop_close(&client->watch);
    client->closing = true;
    client_detach(client);
    client->next_attached = closed;
    closed = client;
}

void client_free_closed(void) {
    for (struct client *client = closed, *next; client; client = next) {
        next = client->next_attached;
        frame_buffer_free(&client->in);
        out_buffer_free(&client->out);
        free(client->wait_id);
        free(client);
    }
    closed = NULL;
}

void client_update_events(struct client *client) {
    uint32_t events = 0;
    bool wants_input = client->ended || (!client->closing && !client->input_done &&
                                         (!client->stream || !client->process || !client->want_in ||
                                          process_input_room(client->process) > 0));

    if (wants_input)
        events |= EPOLLIN;
    if (out_buffer_size(&client->out) > 0)
        events |= EPOLLOUT;
    loop_set_events(&client->watch, events);
}

/* A stream is not simply closed: input that nobody reads any more would turn the close into a reset, and a
 * peer that writes on would lose the output that it has not read yet. */
static bool end_client(struct client *client) {
    if (!client->stream || shutdown(client->watch.fd, SHUT_WR)) {
        client_close(client);
        return false;
    }
    client->ended = true;
    client->moved_ms = loop_now_ms();
    client_update_events(client);
    return true;
}

bool client_flush(struct client *client) {
    struct err err = {0};
    size_t before = out_buffer_size(&client->out);

    if (client->watch.fd < 0)
        return false;
    int rc = out_buffer_flush(&client->out, client->watch.fd, &err);
    if (rc < 0) {
        client_close(client);
        return false;
    }
    if (out_buffer_size(&client->out) < before)
        client->moved_ms = loop_now_ms();
    if (rc == 1 && client->closing && !client->ended)
        return end_client(client);
    client_update_events(client);
    return true;
}

/* Reads a stream's input. */
static void read_stream(struct client *client) {
    static char buffer[INPUT_MAX];
    size_t room = sizeof(buffer);

    if (client->process && client->want_in)
        room = process_input_room(client->process);
    if (room == 0) {
        client_update_events(client);
        return;
    }
    ssize_t n = read(client->watch.fd, buffer, room);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0 || (n == 0 && client->ended)) {
        client_close(client);
        return;
    }
    struct process *process = client->process;
    if (n == 0) {
        client->input_done = true;
        if (process && client->want_in && client->stdin_once)
            process_end_input(process);
    } else if (process && client->want_in) {
        process_input(process, buffer, (size_t)n);
    }
    client_update_events(client);
}

static void read_frames(struct client *client) {
    struct err err = {0};
    const char *payload;
    size_t len;

    long n = frame_buffer_fill(&client->in, client->watch.fd, &err);
    if (n == -2)
        return;
    if (n <= 0) {
        /* A client that only half-closed still gets the answer it waits for. */
        if (n == 0 && (client->waiting || client->exec_wait || out_buffer_size(&client->out) > 0)) {
            client->stream = true; /* no further requests: only the end is awaited */
            client->input_done = true;
            client_update_events(client);
            return;
        }
        client_close(client);
        return;
    }
    while (!client->stream && !client->closing) {
        int rc = frame_buffer_next(&client->in, &payload, &len, &err);
        if (rc < 0) {
            client_close(client);
            return;
        }
        if (rc == 0)
            break;
        ops_handle(client, payload, len);
    }
    (void)client_flush(client);
}

static void on_client(struct watch *watch, uint32_t events) {
    struct client *client = watch_owner(watch, struct client, watch);

    if (events & EPOLLERR || (events & EPOLLHUP && !(events & EPOLLIN))) {
        client_close(client);
        return;
    }
    if (events & EPOLLOUT) {
        if (!client_flush(client))
            return;
        client_took_output(client);
    }
    if (events & EPOLLIN && client->watch.fd >= 0) {
        if (client->stream)
            read_stream(client);
        else
            read_frames(client);
    }
}

static bool is_allowed(int fd) {
    struct ucred peer;
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void on_listener(struct watch *watch, uint32_t events) {
    (void)events;
    auto_close int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 || !is_allowed(fd) || client_count >= CLIENTS_MAX)
        return;
    struct client *client = calloc(1, sizeof(*client));
    if (!client || loop_add(&client->watch, steal_fd(&fd), EPOLLIN, on_client)) {
        free(client);
        return;
    }
    client->next = clients;
    clients = client;
    client_count++;
}

/* Bound through the directory's descriptor: a socket's path may be 107 bytes long only, and ours is longer
 * wherever the data folder has a long name. */
int client_listen(const char *run_dir, struct err *err) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    listen_dir = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (listen_dir < 0)
        return err_sys(err, errno, "cannot open \"%s\"", run_dir);
    (void)unlinkat(listen_dir, "shim.sock", 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/shim.sock", listen_dir);
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(0177);
    int rc = fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 64);
    int saved = errno;
    (void)umask(mask);
    if (rc || loop_add(&listener, steal_fd(&fd), EPOLLIN, on_listener))
        return err_sys(err, rc ? saved : errno, "cannot listen on \"%s/shim.sock\"", run_dir);
    return 0;
}

void client_stop_listening(void) {
    if (listener.fd < 0)
        return;
    (void)unlinkat(listen_dir, "shim.sock", 0);
    loop_close(&listener);
    (void)close(listen_dir);
    listen_dir = -1;
}

void client_reply(struct client *client, struct json_out *out) {
    struct err err = {0};

    if (json_out_finish(out, &err) || out_buffer_add_frame(&client->out, out->data, out->len, &err))
        client->closing = true;
    client_update_events(client);
}

void client_fail(struct client *client, const struct json *id, const struct err *err) {
    auto_json_out struct json_out out = {0};

    json_error_reply(&out, id, err);
    client_reply(client, &out);
}
