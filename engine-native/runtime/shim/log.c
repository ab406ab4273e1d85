/* See log.h. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/json.h"
#include "timestamp.h"

/* A byte becomes six at worst, and the rest of a record is short. */
#define RECORD_MAX (LOG_LINE_MAX * 6 + 256)
#define OUT_SIZE (2 * RECORD_MAX)

static int open_current(struct log *log, int flags) {
    struct stat st;

    log->fd = open(log->spec->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | flags, 0640);
    if (log->fd < 0)
        return -1;
    log->size = fstat(log->fd, &st) == 0 ? st.st_size : 0;
    return 0;
}

/* A crash in the middle of a write leaves half a record; the next one must not be glued to it. */
static void end_torn_record(struct log *log) {
    char last = '\n';
    int fd = log->size > 0 ? open(log->spec->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;

    if (fd >= 0 && pread(fd, &last, 1, log->size - 1) == 1 && last != '\n' && write(log->fd, "\n", 1) == 1)
        log->size++;
    if (fd >= 0)
        (void)close(fd);
}

int log_open(struct log *log, const struct log_spec *spec, struct err *err) {
    *log = (struct log){.spec = spec, .fd = -1};
    if (!spec->path)
        return 0;
    if (open_current(log, 0) && errno == ENOENT) {
        char dir[PATH_MAX];
        (void)snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(spec->path, '/') - spec->path), spec->path);
        if (mkdir(dir, 0711) == 0)
            (void)open_current(log, 0);
    }
    if (log->fd < 0)
        return err_sys(err, errno, "cannot open log \"%s\"", spec->path);
    log->out = malloc(OUT_SIZE);
    if (!log->out)
        return err_sys(err, ENOMEM, "cannot hold the log's buffer");
    end_torn_record(log);
    return 0;
}

/* current becomes current.1 and so on. When a rename fails (somebody removed the directory) the file just
 * grows. */
static void rotate(struct log *log) {
    char from[PATH_MAX], to[PATH_MAX];
    int saved = log->fd;

    for (int64_t i = log->spec->max_files - 1; i > 0; i--) {
        (void)snprintf(to, sizeof(to), "%s.%" PRId64, log->spec->path, i);
        (void)snprintf(from, sizeof(from), i > 1 ? "%s.%" PRId64 : "%s", log->spec->path, i - 1);
        (void)rename(from, to);
    }
    if (log->spec->max_files == 1) {
        if (ftruncate(log->fd, 0) == 0)
            log->size = 0;
        return;
    }
    if (open_current(log, 0)) {
        log->fd = saved;
        return;
    }
    (void)close(saved);
}

static void flush(struct log *log) {
    size_t done = 0;
    int reason = 0;

    while (done < log->out_len) {
        ssize_t n = write(log->fd, log->out + done, log->out_len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            reason = n < 0 ? errno : EIO;
            break;
        }
        done += (size_t)n;
    }
    if (reason) {
        /* A full disk: take the half record back, and remember how many were lost. */
        (void)ftruncate(log->fd, log->size);
        log->dropped += log->out_records;
        log->drop_reason = reason;
    } else {
        log->size += (int64_t)log->out_len;
    }
    log->out_len = 0;
    log->out_records = 0;
}

static size_t escape(char *out, const char *text, size_t len) {
    static const char hex[] = "0123456789abcdef";
    size_t n = 0;

    for (size_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            out[n++] = text[i++];
            continue;
        }
        if (c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t') {
            out[n++] = '\\';
            out[n++] = c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : (char)c;
            i++;
            continue;
        }
        if (c < 0x80) {
            const char code[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            memcpy(out + n, code, sizeof(code));
            n += 6;
            i++;
            continue;
        }
        size_t sequence = utf8_sequence(text + i, len - i);
        memcpy(out + n, sequence ? text + i : "\xef\xbf\xbd", sequence ? sequence : 3);
        n += sequence ? sequence : 3;
        i += sequence ? sequence : 1;
    }
    return n;
}

/* Times are strictly increasing, so that a reader can go on behind the last record that it saw. */
static void next_time(struct log *log, char text[TIMESTAMP_SIZE]) {
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec < log->last.tv_sec ||
        (now.tv_sec == log->last.tv_sec && now.tv_nsec <= log->last.tv_nsec)) {
        now = log->last;
        if (++now.tv_nsec == 1000000000) {
            now.tv_nsec = 0;
            now.tv_sec++;
        }
    }
    log->last = now;
    timestamp_format(&now, text);
}

static void append(struct log *log, enum log_stream stream, const char *text, size_t len) {
    char time[TIMESTAMP_SIZE];

    if (log->out_len + RECORD_MAX > OUT_SIZE)
        flush(log);
    next_time(log, time);
    char *start = log->out + log->out_len, *p = start;
    p += snprintf(p, 16, "{\"log\":\"");
    p += escape(p, text, len);
    p += snprintf(p, 128, "\",\"stream\":\"%s\",\"time\":\"%s\"}\n",
                  stream == LOG_STDERR ? "stderr" : "stdout", time);
    size_t record = (size_t)(p - start);
    int64_t max = log->spec->max_size;
    if (max > 0 && log->size + (int64_t)log->out_len > 0 &&
        log->size + (int64_t)(log->out_len + record) > max) {
        flush(log);
        if (log->size > 0)
            rotate(log);
        memmove(log->out, start, record);
    }
    log->out_len += record;
    log->out_records++;
}

static void say_dropped(struct log *log) {
    char text[128];

    if (log->dropped == 0)
        return;
    uint64_t dropped = log->dropped;
    int n = snprintf(text, sizeof(text), "%" PRIu64 " log records were dropped: %s\n", dropped,
                     strerror(log->drop_reason));
    log->dropped = 0;
    append(log, LOG_STDERR, text, (size_t)n);
    flush(log);
    if (log->dropped > 0)
        log->dropped += dropped - 1; /* still no room: the notice itself does not count */
}

/* A cut between two records must not fall into a character. */
static size_t whole_characters(const char *text, size_t len) {
    for (size_t back = 1; back <= 3 && back < len; back++) {
        unsigned char c = (unsigned char)text[len - back];
        if ((c & 0xc0) == 0x80)
            continue;
        size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
        return need > back ? len - back : len;
    }
    return len;
}

static void append_partial(struct log *log, enum log_stream stream, const char *data, size_t len) {
    struct log_partial *partial = &log->partial[stream];

    while (len > 0) {
        size_t room = LOG_LINE_MAX - partial->len, take = len < room ? len : room;
        memcpy(partial->text + partial->len, data, take);
        partial->len += take;
        data += take;
        len -= take;
        if (partial->len == LOG_LINE_MAX) {
            size_t whole = whole_characters(partial->text, partial->len);
            append(log, stream, partial->text, whole);
            partial->len -= whole;
            memmove(partial->text, partial->text + whole, partial->len);
        }
    }
}

void log_write(struct log *log, enum log_stream stream, const char *data, size_t len) {
    struct log_partial *partial = &log->partial[stream];

    if (log->fd < 0)
        return;
    say_dropped(log);
    while (len > 0) {
        const char *end = memchr(data, '\n', len);
        size_t line = end ? (size_t)(end - data) + 1 : len;
        if (end && partial->len == 0 && line <= LOG_LINE_MAX) {
            append(log, stream, data, line);
        } else {
            append_partial(log, stream, data, line);
            if (end && partial->len > 0) {
                append(log, stream, partial->text, partial->len);
                partial->len = 0;
            }
        }
        data += line;
        len -= line;
    }
    flush(log);
}

void log_finish(struct log *log) {
    if (log->fd < 0)
        return;
    for (int stream = 0; stream < 2; stream++) {
        if (log->partial[stream].len > 0)
            append(log, (enum log_stream)stream, log->partial[stream].text, log->partial[stream].len);
        log->partial[stream].len = 0;
    }
    flush(log);
    say_dropped(log);
    (void)close(log->fd);
    free(log->out);
    log->out = NULL;
    log->fd = -1;
}
