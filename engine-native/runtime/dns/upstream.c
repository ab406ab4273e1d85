/* See upstream.h. */
#include "upstream.h"

#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "../shim/loop.h"
#include "ip.h"

enum { LOOK_AGAIN_MS = 1000, FILE_MAX = 64 << 10 };

static const char *host_file;
static struct upstream host;
static struct stat seen;
static int64_t looked_at_ms = -LOOK_AGAIN_MS;

void upstream_set_file(const char *path) {
    host_file = path;
}

static void add(struct upstream *upstream, const char *text) {
    if (upstream->count == UPSTREAM_MAX)
        return;
    socklen_t len = ip_parse_server(text, &upstream->addresses[upstream->count]);
    if (len > 0)
        upstream->lengths[upstream->count++] = len;
}

void upstream_parse_list(const char *list, struct upstream *upstream) {
    *upstream = (struct upstream){.count = 0};
    while (*list) {
        char word[80];
        size_t len = strcspn(list, ",");
        if (len < sizeof word) {
            memcpy(word, list, len);
            word[len] = '\0';
            add(upstream, word);
        }
        list += len + (list[len] == ',');
    }
}

void upstream_parse_file(const char *text, struct upstream *upstream) {
    static const char keyword[] = "nameserver";
    const size_t keyword_len = sizeof keyword - 1;

    *upstream = (struct upstream){.count = 0};
    while (*text) {
        size_t line = strcspn(text, "\n");
        size_t indent = strspn(text, " \t");
        const char *word = text + indent;
        if (indent < line && strncmp(word, keyword, keyword_len) == 0 &&
            (word[keyword_len] == ' ' || word[keyword_len] == '\t')) {
            char server[80];
            word += keyword_len;
            word += strspn(word, " \t");
            size_t len = strcspn(word, " \t\r\n#;");
            if (len < sizeof server) {
                memcpy(server, word, len);
                server[len] = '\0';
                add(upstream, server);
            }
        }
        text += line + (text[line] == '\n');
    }
}

static bool is_same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

const struct upstream *upstream_of_host(void) {
    struct stat now = {0};
    char text[FILE_MAX + 1];
    int64_t now_ms = loop_now_ms();

    if (now_ms - looked_at_ms < LOOK_AGAIN_MS)
        return &host;
    looked_at_ms = now_ms;
    auto_close int fd = open(host_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &now) || is_same(&now, &seen))
        return &host; /* a file that is being replaced: the old servers until the new one is there */
    ssize_t len = read(fd, text, FILE_MAX);
    if (len < 0)
        return &host;
    text[len] = '\0';
    upstream_parse_file(text, &host);
    seen = now;
    return &host;
}
