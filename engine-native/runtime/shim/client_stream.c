/* Connections that carry a process's bytes: attach and exec. See client.h; client.c has what all connections
 * share. */
#include <string.h>

#include "client.h"
#include "process.h"

static bool is_anybody_full(const struct process *process) {
    for (const struct client *client = process->clients; client; client = client->next_attached)
        if (client->full)
            return true;
    return false;
}

/* The slowest client sets the pace, as with Docker: nobody loses a byte, and the log has them all anyway. */
static void set_full(struct client *client, bool full) {
    struct process *process = client->process;

    if (client->full == full)
        return;
    client->full = full;
    if (process)
        process_hold(process, is_anybody_full(process));
}

void client_detach(struct client *client) {
    struct process *process = client->process;

    if (!process)
        return;
    for (struct client **p = &process->clients; *p; p = &(*p)->next_attached) {
        if (*p != client)
            continue;
        *p = client->next_attached;
        break;
    }
    set_full(client, false);
    client->process = NULL;
    if (client->want_in && client->stdin_once)
        process_end_input(process);
}

void client_attach(struct client *client, struct process *process) {
    const char *rest;
    size_t len = frame_buffer_rest(&client->in, &rest);

    client->stream = true;
    client->process = process;
    client->next_attached = process->clients;
    process->clients = client;
    if (client->want_in && len > 0)
        process_input(process, rest, len);
    client_update_events(client);
}

static void send_frame(struct client *client, int type, const char *data, size_t len) {
    unsigned char head[8] = {(unsigned char)type,
                             0,
                             0,
                             0,
                             (unsigned char)(len >> 24),
                             (unsigned char)(len >> 16),
                             (unsigned char)(len >> 8),
                             (unsigned char)len};
    struct err err = {0};

    if (out_buffer_add(&client->out, head, sizeof(head), &err) ||
        out_buffer_add(&client->out, data, len, &err))
        client->closing = true;
}

void client_took_output(struct client *client) {
    if (client->full && out_buffer_size(&client->out) < OUTPUT_MAX / 2)
        set_full(client, false);
}

static void lay_out(struct client *client, int type, const char *data, size_t len) {
    struct err err = {0};

    if (out_buffer_size(&client->out) == 0)
        client->moved_ms = loop_now_ms();
    if (!client->process->tty)
        send_frame(client, type, data, len);
    else if (out_buffer_add(&client->out, data, len, &err))
        client->closing = true;
}

void client_broadcast(struct process *process, enum log_stream stream, const char *data, size_t len) {
    struct client *next;

    for (struct client *client = process->clients; client; client = next) {
        next = client->next_attached;
        if (client->closing || (stream == LOG_STDOUT ? !client->want_out : !client->want_err))
            continue;
        lay_out(client, stream == LOG_STDOUT ? 1 : 2, data, len);
        if (client_flush(client) && out_buffer_size(&client->out) >= OUTPUT_MAX)
            set_full(client, true);
    }
}

static bool can_stall(const struct client *client) {
    return client->ended || (client->full && client->process && !client->process->exec);
}

int64_t client_patience_ends(void) {
    int64_t first = 0;

    for (const struct client *client = client_list(); client; client = client->next)
        if (can_stall(client) && (first == 0 || client->moved_ms + PATIENCE_MS < first))
            first = client->moved_ms + PATIENCE_MS;
    return first;
}

void client_cut_off_stalled(int64_t now_ms) {
    static const char notice[] =
        "berth: the output is cut off here, because nothing of it was read for 30 s; "
        "the log has the rest\r\n";
    struct client *next;

    for (struct client *client = client_list(); client; client = next) {
        next = client->next;
        if (!can_stall(client) || now_ms < client->moved_ms + PATIENCE_MS)
            continue;
        if (client->ended) {
            client_close(client);
            continue;
        }
        lay_out(client, 2, notice, sizeof(notice) - 1);
        client_detach(client);
        client->closing = true;
        (void)client_flush(client);
    }
}

int64_t client_readers_until(void) {
    int64_t last = 0;

    for (const struct client *client = client_list(); client; client = client->next)
        if (out_buffer_size(&client->out) > 0 && client->moved_ms + PATIENCE_MS > last)
            last = client->moved_ms + PATIENCE_MS;
    return last;
}

void client_input_has_room(struct process *process) {
    for (struct client *client = process->clients; client; client = client->next_attached)
        client_update_events(client);
}

void client_end_streams(struct process *process, const char *last, size_t len) {
    struct client *next;

    for (struct client *client = process->clients; client; client = next) {
        next = client->next_attached;
        if (last && !process->tty)
            send_frame(client, 3, last, len);
        client->process = NULL;
        client->full = false;
        client->closing = true;
        (void)client_flush(client);
    }
    process->clients = NULL;
}
