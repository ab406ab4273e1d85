/* See process.h. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "client.h"

static char read_buffer[64 * 1024];

/* One read. false at the end of the stream. *empty: nothing is there now. */
static bool pump(struct process *process, struct watch *from, enum log_stream stream, bool *empty) {
    *empty = false;
    ssize_t n = read(from->fd, read_buffer, sizeof(read_buffer));
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        *empty = errno == EAGAIN;
        return true;
    }
    /* EIO: the last program on the terminal closed it. */
    if (n <= 0)
        return false;
    process->drained += process->exited ? (size_t)n : 0;
    if (process->log)
        log_write(process->log, stream, read_buffer, (size_t)n);
    client_broadcast(process, stream, read_buffer, (size_t)n);
    return true;
}

static void on_output(struct process *process, struct watch *from, enum log_stream stream) {
    bool empty;

    if (!pump(process, from, stream, &empty))
        loop_close(from);
    process_try_finish(process);
}

static void on_out(struct watch *watch, uint32_t events) {
    (void)events;
    on_output(watch_owner(watch, struct process, out), watch, LOG_STDOUT);
}

static void on_err(struct watch *watch, uint32_t events) {
    (void)events;
    on_output(watch_owner(watch, struct process, err), watch, LOG_STDERR);
}

static void close_input(struct process *process) {
    loop_close(&process->in);
    out_buffer_free(&process->input);
    process->input = (struct out_buffer){0};
    client_input_has_room(process);
}

/* Writes by hand: stdin is a pipe or a terminal, and the library's flush is for sockets. */
static void write_input(struct process *process) {
    struct out_buffer *input = &process->input;

    while (out_buffer_size(input) > 0) {
        ssize_t n = write(process->in.fd, input->data + input->start, out_buffer_size(input));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            close_input(process); /* nobody reads any more */
            return;
        }
        input->start += (size_t)n;
    }
    if (out_buffer_size(input) == 0) {
        input->start = input->end = 0;
        if (process->input_ended) {
            close_input(process);
            return;
        }
    }
    loop_set_events(&process->in, out_buffer_size(input) > 0 ? EPOLLOUT : 0);
    client_input_has_room(process);
}

static void on_in(struct watch *watch, uint32_t events) {
    struct process *process = watch_owner(watch, struct process, in);

    if (process->tty && !(events & EPOLLOUT)) {
        /* The terminal hung up; its output side notices by itself. Without a closing here the loop would
         * spin. */
        close_input(process);
        return;
    }
    if (events & EPOLLERR && !process->tty)
        close_input(process);
    else
        write_input(process);
}

/* Suspended watches do not even report a hang-up: a loop would spin on it. */
static void watch_output(struct process *process) {
    if (process->reading && !process->held) {
        loop_resume(&process->out, EPOLLIN);
        loop_resume(&process->err, EPOLLIN);
    } else {
        loop_suspend(&process->out);
        loop_suspend(&process->err);
    }
}

void process_watch(struct process *process, const struct stdio *stdio) {
    process->tty = stdio->tty;
    process->out.fd = process->err.fd = process->in.fd = -1;
    int in = stdio->tty ? fcntl(stdio->out, F_DUPFD_CLOEXEC, 3) : stdio->in;
    if (in >= 0)
        (void)loop_add(&process->in, in, 0, on_in);
    if (stdio->out >= 0)
        (void)loop_add(&process->out, stdio->out, 0, on_out);
    if (stdio->err >= 0)
        (void)loop_add(&process->err, stdio->err, 0, on_err);
    watch_output(process);
}

void process_start_reading(struct process *process) {
    process->reading = true;
    watch_output(process);
}

void process_hold(struct process *process, bool held) {
    process->held = held;
    watch_output(process);
}

/* What the pipes still hold. A process outside that kept an end open cannot hold the exit back: empty is the
 * end. */
static bool drain(struct process *process, struct watch *from, enum log_stream stream) {
    bool empty = false;

    while (from->fd >= 0 && process->reading && !empty)
        if (!pump(process, from, stream, &empty) || process->drained > 2 * DRAIN_MAX)
            loop_close(from);
    if (from->fd >= 0 && empty)
        loop_close(from);
    return from->fd < 0;
}

void process_try_finish(struct process *process) {
    if (!process->exited || process->finished || !process->reading)
        return;
    bool out_done = drain(process, &process->out, LOG_STDOUT);
    bool err_done = drain(process, &process->err, LOG_STDERR);
    if (!out_done || !err_done)
        return;
    process->finished = true;
    close_input(process);
    process->on_finished(process);
}

void process_exited(struct process *process, int status) {
    process->exited = true;
    process->status = status;
    process_try_finish(process);
}

size_t process_input_room(const struct process *process) {
    size_t used = out_buffer_size(&process->input);

    return used < INPUT_MAX ? INPUT_MAX - used : 0;
}

void process_input(struct process *process, const char *data, size_t len) {
    struct err err = {0};

    if (process->in.fd < 0 || process->input_ended)
        return;
    if (out_buffer_add(&process->input, data, len, &err))
        return;
    write_input(process);
}

void process_end_input(struct process *process) {
    /* A terminal has no half-close: its programs end input by ^D. */
    if (process->tty || process->in.fd < 0)
        return;
    process->input_ended = true;
    write_input(process);
}

int process_resize(const struct process *process, int rows, int cols) {
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};

    if (!process->tty || process->out.fd < 0) {
        errno = ENOTTY;
        return -1;
    }
    return ioctl(process->out.fd, TIOCSWINSZ, &size);
}

int process_exit_code(const struct process *process) {
    return WIFEXITED(process->status) ? WEXITSTATUS(process->status) : 128 + WTERMSIG(process->status);
}

int process_signal(const struct process *process) {
    return WIFSIGNALED(process->status) ? WTERMSIG(process->status) : 0;
}

void process_free(struct process *process) {
    loop_close(&process->out);
    loop_close(&process->err);
    loop_close(&process->in);
    out_buffer_free(&process->input);
    if (process->pidfd >= 0)
        (void)close(process->pidfd);
    free(process);
}
