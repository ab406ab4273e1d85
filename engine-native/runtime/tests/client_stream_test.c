/* Back-pressure of attached clients: nothing is lost to a slow one, and one that has stopped holds nobody
 * for ever. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../shim/client.h"
#include "../shim/shim.h"
#include "check.h"

static char folder[] = "/tmp/shim-client-test-XXXXXX";
static struct process process;
static int program; /* where the container's program writes */
static bool finished;

static void on_finished(struct process *ended) {
    finished = true;
    client_end_streams(ended, NULL, 0);
}

static void begin(void) {
    int ends[2];
    struct err err = {0};

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    program = ends[1];
    CHECK(fcntl(program, F_SETFL, O_NONBLOCK) == 0);
    process = (struct process){.pidfd = -1, .on_finished = on_finished};
    process_watch(&process, &(struct stdio){.in = -1, .out = ends[0], .err = -1});
    process_start_reading(&process);
    shim.main = &process;
    finished = false;
    CHECK(client_listen(folder, &err) == 0);
}

static void turn(int times) {
    for (int i = 0; i < times; i++) {
        loop_once(0);
        client_free_closed();
    }
}

static int attach(void) {
    static const char request[] = "{\"id\":1,\"op\":\"attach\",\"stdout\":true,\"stderr\":true}";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct err err = {0};
    char *reply = NULL;
    size_t len;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/shim.sock", folder);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    CHECK(frame_write(fd, request, sizeof(request) - 1, &err) == 0);
    turn(4);
    CHECK(frame_read(fd, &reply, &len, 1000, &err) == 1 && strstr(reply, "\"ok\":true") != NULL);
    free(reply);
    return fd;
}

/* Writes up to `limit` bytes as long as anything moves. */
static size_t write_what_goes(size_t limit) {
    static char data[65536];
    size_t total = 0;

    for (int idle = 0; idle < 8 && total < limit;) {
        ssize_t n = write(program, data, sizeof(data));
        idle = n > 0 ? 0 : idle + 1;
        total += n > 0 ? (size_t)n : 0;
        turn(2);
    }
    return total;
}

/* Reads frames to `tail` (the last bytes) while anything comes; *closed at the end of the stream. The frames'
 * payload bytes of stdout. */
static size_t read_what_comes(int fd, char *tail, size_t tail_size, bool *closed) {
    static unsigned char head[8];
    static size_t have, left; /* a frame may be cut by the moment */
    static char data[65536];
    size_t total = 0;

    *closed = false;
    for (int idle = 0; idle < 8;) {
        bool in_head = left == 0;
        ssize_t n = in_head ? recv(fd, head + have, 8 - have, MSG_DONTWAIT)
                            : recv(fd, data, left < sizeof(data) ? left : sizeof(data), MSG_DONTWAIT);
        if (n == 0) {
            *closed = true;
            have = left = 0;
            return total;
        }
        idle = n > 0 ? 0 : idle + 1;
        turn(n > 0 ? 0 : 2);
        if (n < 0)
            continue;
        if (in_head && (have += (size_t)n) == 8) {
            left = (size_t)head[4] << 24 | (size_t)head[5] << 16 | (size_t)head[6] << 8 | head[7];
            have = 0;
        } else if (!in_head) {
            left -= (size_t)n;
            total += head[0] == 1 ? (size_t)n : 0;
            if (tail && head[0] == 2)
                (void)snprintf(tail, tail_size, "%.*s", (int)n, data);
        }
    }
    return total;
}

static void end(int client) {
    (void)close(program);
    (void)close(client);
    process_exited(&process, 0);
    CHECK(finished);
    turn(4);
    CHECK(client_list() == NULL);
    client_stop_listening();
    process.pidfd = -1;
}

static void slow_reader_loses_nothing(void) {
    bool closed;
    size_t sent = 0, seen = 0;

    begin();
    int client = attach();
    size_t first = write_what_goes(64 << 20);
    CHECK(first >= OUTPUT_MAX && first < 3 * OUTPUT_MAX); /* the program waits */
    CHECK(process.held);
    sent += first;
    for (int round = 0; round < 8; round++) {
        seen += read_what_comes(client, NULL, 0, &closed);
        sent += write_what_goes(4 << 20);
    }
    CHECK(client_patience_ends() > loop_now_ms()); /* it reads: the clock starts again each time */
    seen += read_what_comes(client, NULL, 0, &closed);
    CHECK(!process.held && client_patience_ends() == 0);
    CHECK(sent > 8 << 20 && seen == sent);
    end(client);
}

static void ended_program_is_not_held_by_its_reader(void) {
    bool closed = false;

    begin();
    int client = attach();
    size_t sent = write_what_goes(64 << 20), seen = 0;
    (void)close(program);
    process_exited(&process, 0);
    CHECK(finished);
    CHECK(client_readers_until() > loop_now_ms()); /* and the shim stays until it has read the rest */
    for (int round = 0; round < 8 && !closed; round++)
        seen += read_what_comes(client, NULL, 0, &closed);
    CHECK(closed && seen == sent && client_readers_until() == 0);
    (void)close(client);
    turn(4);
    CHECK(client_list() == NULL);
    client_stop_listening();
}

static void stopped_reader_is_cut_off_and_told(void) {
    char notice[256] = "";
    bool closed = false;

    begin();
    int client = attach(), other = attach();
    size_t seen = 0, others = 0, sent = 0;
    while (!process.held) {
        sent += write_what_goes(1 << 20);
        others += read_what_comes(other, NULL, 0, &closed);
    }
    int64_t until = client_patience_ends();
    CHECK(until > loop_now_ms() + PATIENCE_MS - 5000);
    client_cut_off_stalled(until - 1);
    CHECK(process.held);
    client_cut_off_stalled(until);
    CHECK(!process.held && client_patience_ends() == 0);
    for (int round = 0; round < 8; round++) {
        sent += write_what_goes(1 << 20);
        others += read_what_comes(other, NULL, 0, &closed);
    }
    CHECK(sent > 8 << 20 && others == sent);
    for (int round = 0; round < 8 && !closed; round++)
        seen += read_what_comes(client, notice, sizeof(notice), &closed);
    CHECK(closed && seen >= OUTPUT_MAX && strstr(notice, "cut off") != NULL);
    (void)close(client);
    end(other);
}

/* What the program no longer reads must not turn the end of its output into a reset. */
static void unread_input_costs_no_output(void) {
    static char data[65536];
    bool closed = false;

    begin();
    int client = attach();
    size_t sent = write_what_goes(100000), seen = 0;
    while (send(client, data, sizeof(data), MSG_DONTWAIT) > 0)
        continue;
    (void)close(program);
    process_exited(&process, 0);
    turn(16);
    CHECK(send(client, data, sizeof(data), MSG_DONTWAIT | MSG_NOSIGNAL) > 0);
    while (!closed)
        seen += read_what_comes(client, NULL, 0, &closed);
    CHECK(seen == sent);
    (void)close(client);
    turn(4);
    CHECK(client_list() == NULL);
    client_stop_listening();
}

int main(void) {
    CHECK(mkdtemp(folder) != NULL);
    CHECK(loop_open() == 0);
    shim.container.spec.id = "test";
    slow_reader_loses_nothing();
    ended_program_is_not_held_by_its_reader();
    stopped_reader_is_cut_off_and_told();
    unread_input_costs_no_output();
    CHECK(rmdir(folder) == 0);
    return checks_done("client_stream");
}
