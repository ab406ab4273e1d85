/* berth-dns: the name server of an engine's networks, one an engine. Started by engined; lives on when the
 * daemon and the helper are killed, and the next daemon adopts it. It holds no state: DIR/records says all it
 * knows, and is read again when the daemon has replaced it. The only file of berth-dns that prints. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "connection.h"
#include "drop_root.h"
#include "forward.h"
#include "listen.h"
#include "records.h"
#include "upstream.h"

enum { BIND_AGAIN_MS = 1000 };

static const char usage[] = "usage: berth-dns --dir DIR [--resolv FILE]\n";
static const char records_name[] = "records";

static int folder = -1;
static struct watch changes;
static struct records *records;
static unsigned unbound;
static int64_t bind_again_ms;

/* Said once until something else is to be said: a bind that fails each second must not fill the disk. */
static void say(const char *message) {
    static char last[sizeof((struct err *)0)->message];

    if (strcmp(last, message) == 0)
        return;
    (void)snprintf(last, sizeof last, "%s", message);
    (void)fprintf(stderr, "berth-dns: %s\n", message);
}

static void bind_all(void) {
    struct err err = {0};

    unbound = listen_sync(records, &err);
    if (unbound > 0)
        say(err.message);
    bind_again_ms = loop_now_ms() + BIND_AGAIN_MS;
}

/* A file that cannot be understood changes nothing: old names are better than none. */
static void reload(void) {
    struct err err = {0};
    struct records *next = records_load(folder, records_name, &err), *old = records;

    if (!next) {
        say(err.message);
        return;
    }
    records = next;
    bind_all();
    records_free(old);
}

static void pick_up_changes(void) {
    _Alignas(struct inotify_event) char events[4096];
    bool is_changed = false;
    ssize_t len;

    while ((len = read(changes.fd, events, sizeof events)) > 0)
        for (char *at = events; at < events + len;) {
            const struct inotify_event *event = (const struct inotify_event *)at;
            is_changed =
                is_changed || (event->mask & IN_Q_OVERFLOW) || strcmp(event->name, records_name) == 0;
            at += sizeof *event + event->len;
        }
    if (is_changed)
        reload();
}

static void on_change(struct watch *watch, uint32_t events) {
    (void)watch;
    (void)events;
    pick_up_changes();
}

/* One server a folder. The lock dies with the process, so a crash leaves nothing to clean. */
static int take_lock(struct err *err) {
    int lock = openat(folder, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, ERR_EXISTS, "another berth-dns serves this folder; stop it first");
    return 0; /* held open for good */
}

static int prepare(const char *dir, struct err *err) {
    folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return err_sys(err, errno, "cannot open the folder \"%s\"", dir);
    if (take_lock(err))
        return -1;
    int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (loop_open() || inotify < 0 || inotify_add_watch(inotify, dir, IN_MOVED_TO | IN_ONLYDIR) < 0 ||
        loop_add(&changes, inotify, EPOLLIN, on_change))
        return err_sys(err, errno, "cannot watch the folder \"%s\"", dir);
    return dns_drop_privileges(err);
}

static int shorter(int a, int b) {
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

static void run(void) {
    for (;;) {
        int wait = shorter(forward_tick(), connection_tick());
        if (unbound > 0)
            wait = shorter(wait, BIND_AGAIN_MS);
        loop_once(wait);
        if (unbound > 0 && loop_now_ms() >= bind_again_ms)
            bind_all();
    }
}

int main(int argc, char **argv) {
    struct err err = {0};
    const char *dir = NULL, *resolv = "/etc/resolv.conf";

    for (int i = 1; i < argc; i += 2) {
        const char **slot = strcmp(argv[i], "--dir") == 0      ? &dir
                            : strcmp(argv[i], "--resolv") == 0 ? &resolv
                                                               : NULL;
        if (!slot || i + 1 == argc || argv[i + 1][0] != '/') {
            (void)fputs(usage, stderr);
            return 2;
        }
        *slot = argv[i + 1];
    }
    if (!dir) {
        (void)fputs(usage, stderr);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    upstream_set_file(resolv);
    if (prepare(dir, &err) == 0)
        reload();
    if (!records) {
        (void)fprintf(stderr, "berth-dns: %s\n", err.message[0] ? err.message : "the records cannot be read");
        return 1;
    }
    listen_before_query(pick_up_changes);
    run();
}
