/* The log: Docker's lines, cut and escaped, rotated without a gap, and honest about what a full disk lost. */
#include "../shim/log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/json.h"
#include "check.h"

static char folder[] = "/tmp/shim-log-test-XXXXXX";
static char path[64];
static struct log log_under_test;

static char *slurp(const char *name) {
    static char text[1 << 20];
    int fd = open(name, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        (void)close(fd);
    return text;
}

/* The "log" members of all records in a file, one behind the other; also proves that every line is JSON. */
static size_t content(const char *name, char *out, size_t size) {
    size_t records = 0, used = 0;
    struct err err = {0};

    for (char *line = slurp(name), *end; (end = strchr(line, '\n')); line = end + 1, records++) {
        auto_json struct json_doc *doc = json_parse(line, (size_t)(end - line), &err);
        const char *text = "", *time = "";
        CHECK(doc != NULL);
        CHECK(json_need_string(json_root(doc), "log", &text, &err) == 0);
        CHECK(json_need_string(json_root(doc), "time", &time, &err) == 0 && strlen(time) == 30);
        used += (size_t)snprintf(out + used, size - used, "%s", text);
    }
    out[used] = '\0';
    return records;
}

static void begin(int64_t max_size, int64_t max_files) {
    static struct log_spec spec;
    struct err err = {0};

    (void)snprintf(path, sizeof(path), "%s/current", folder);
    (void)unlink(path);
    spec = (struct log_spec){.path = path, .max_size = max_size, .max_files = max_files};
    CHECK(log_open(&log_under_test, &spec, &err) == 0);
}

static void put(enum log_stream stream, const char *text) {
    log_write(&log_under_test, stream, text, strlen(text));
}

static void lines_and_escapes(void) {
    char text[4096];

    begin(1 << 20, 3);
    put(LOG_STDOUT, "one\ntw");
    put(LOG_STDERR, "err\n");
    put(LOG_STDOUT, "o\n\x01\"\\\t\xff\xc3\xa4\n");
    put(LOG_STDOUT, "unfinished");
    log_finish(&log_under_test);
    CHECK(content(path, text, sizeof(text)) == 5);
    CHECK(strcmp(text, "one\nerr\ntwo\n\x01\"\\\t\xef\xbf\xbd\xc3\xa4\nunfinished") == 0);
    CHECK(strncmp(slurp(path), "{\"log\":\"one\\n\",\"stream\":\"stdout\",\"time\":\"", 40) == 0);
}

static void long_line_is_cut_between_characters(void) {
    static char line[40000], text[1 << 17];

    begin(1 << 20, 3);
    memset(line, 'a', sizeof(line));
    memcpy(line + LOG_LINE_MAX - 1, "\xc3\xa4", 2); /* across the cut */
    line[sizeof(line) - 1] = '\n';
    log_write(&log_under_test, LOG_STDOUT, line, sizeof(line));
    log_finish(&log_under_test);
    CHECK(content(path, text, sizeof(text)) == 3);
    CHECK(strlen(text) == sizeof(line) && memcmp(text, line, sizeof(line)) == 0);
}

static void rotation_keeps_every_line(void) {
    static char text[1 << 17];
    char line[64], name[80];

    begin(4096, 3);
    for (int i = 0; i < 150; i++) {
        (void)snprintf(line, sizeof(line), "line %d\n", i);
        put(LOG_STDOUT, line);
    }
    log_finish(&log_under_test);
    size_t used = 0;
    struct stat st;
    for (int i = 2; i >= 0; i--) {
        (void)snprintf(name, sizeof(name), i ? "%s.%d" : "%s", path, i);
        CHECK(stat(name, &st) == 0 && st.st_size <= 4096 && st.st_size > 0);
        (void)content(name, text + used, sizeof(text) - used);
        used += strlen(text + used);
    }
    (void)snprintf(name, sizeof(name), "%s.3", path);
    CHECK(stat(name, &st) != 0);
    CHECK(strstr(text, "line 149\n") != NULL);
    for (int i = 50; i < 150; i++) {
        (void)snprintf(line, sizeof(line), "line %d\n", i);
        CHECK(strstr(text, line) != NULL);
    }
}

/* A file size limit stands for the full disk: the same short write and error. */
static void full_disk_is_counted(void) {
    char text[8192];

    begin(1 << 20, 3);
    put(LOG_STDOUT, "before\n");
    struct rlimit old, tight;
    (void)getrlimit(RLIMIT_FSIZE, &old);
    tight = old;
    tight.rlim_cur = 100;
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)setrlimit(RLIMIT_FSIZE, &tight);
    put(LOG_STDOUT, "lost\nlost too\n");
    put(LOG_STDOUT, "and this\n");
    (void)setrlimit(RLIMIT_FSIZE, &old);
    put(LOG_STDOUT, "after\n");
    log_finish(&log_under_test);
    CHECK(content(path, text, sizeof(text)) == 3);
    CHECK(strstr(text, "before\n3 log records were dropped: File too large\nafter\n") != NULL);
}

static void torn_record_is_ended(void) {
    begin(1 << 20, 3);
    put(LOG_STDOUT, "x\n");
    log_finish(&log_under_test);
    int fd = open(path, O_WRONLY | O_APPEND);
    CHECK(write(fd, "{\"log\":\"ha", 10) == 10);
    (void)close(fd);
    struct log_spec spec = {.path = path, .max_size = 1 << 20, .max_files = 3};
    struct err err = {0};
    CHECK(log_open(&log_under_test, &spec, &err) == 0);
    put(LOG_STDOUT, "y\n");
    log_finish(&log_under_test);
    CHECK(strstr(slurp(path), "ha\n{\"log\":\"y\\n\"") != NULL);
}

int main(void) {
    char command[128];

    CHECK(mkdtemp(folder) != NULL);
    lines_and_escapes();
    long_line_is_cut_between_characters();
    rotation_keeps_every_line();
    full_disk_is_counted();
    torn_record_is_ended();
    for (int i = 0; i < 4; i++) {
        (void)snprintf(command, sizeof(command), i ? "%s/current.%d" : "%s/current", folder, i);
        (void)unlink(command);
    }
    CHECK(rmdir(folder) == 0);
    return checks_done("log");
}
