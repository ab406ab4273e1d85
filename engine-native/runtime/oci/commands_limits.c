/* `update` and `events`. See commands.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../lib/cleanup.h"
#include "cgroups.h"
#include "commands.h"
#include "state.h"

#define RESOURCES_LIMIT (1u << 20)

/* "64m", as people write sizes. */
static int put_value(struct json_out *out, const struct limit_option *limit, struct err *err) {
    static const char units[] = "bkmgt";
    char *end;

    if (strcmp(limit->key, "cpus") == 0 || strcmp(limit->key, "mems") == 0) {
        json_put_string(out, limit->key, limit->value);
        return 0;
    }
    errno = 0;
    long long value = strtoll(limit->value, &end, 10);
    const char *unit = *end ? strchr(units, *end | 0x20) : units;
    int shift = unit ? (int)(unit - units) * 10 : 0;
    if (end == limit->value || errno || !unit || (*end && end[1]) || value > INT64_MAX >> shift)
        return err_set(err, ERR_BAD_REQUEST, "\"%s\" is no number for \"%s\"", limit->value, limit->key);
    json_put_int(out, limit->key, value < 0 ? value : (int64_t)((uint64_t)value << shift));
    return 0;
}

/* The options as an object of the shape of linux.resources. */
static int put_options(const struct options *o, struct json_out *out, struct err *err) {
    static const char *const groups[] = {"memory", "cpu", "pids", "blockIO"};

    json_open_object(out);
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
        json_key(out, groups[g]);
        json_open_object(out);
        for (int i = 0; i < o->limit_count; i++)
            if (strcmp(o->limits[i].group, groups[g]) == 0 && put_value(out, &o->limits[i], err))
                return -1;
        json_close_object(out);
    }
    json_close_object(out);
    return json_out_finish(out, err);
}

static int apply(const struct runtime *r, const struct state *state, const char *text, size_t len,
                 struct err *err) {
    auto_json struct json_doc *doc = json_parse(text, len, err);
    struct cgroup cgroup;

    if (!doc || cgroups_open(state->cgroup, false, &cgroup, err))
        return -1;
    int rc = cgroups_set_resources(&cgroup, json_root(doc), r->warn, err);
    cgroups_close(&cgroup);
    return rc;
}

static int update(const struct runtime *r, const struct state *state, struct err *err) {
    const struct options *o = r->options;
    auto_json_out struct json_out out = {0};

    if (state_status(state) == STATUS_STOPPED)
        return err_set(err, ERR_BAD_REQUEST, "container not running");
    if (o->resources_file) {
        bool is_stdin = strcmp(o->resources_file, "-") == 0;
        size_t len;
        auto_free char *text = state_read_file(AT_FDCWD, is_stdin ? "/dev/stdin" : o->resources_file,
                                               RESOURCES_LIMIT, &len, err);
        return text ? apply(r, state, text, len, err) : -1;
    }
    return put_options(o, &out, err) ? -1 : apply(r, state, out.data, out.len, err);
}

int command_update(const struct runtime *r, struct err *err) {
    struct state state;
    int rc = state_open(r->options->root, r->options->args[0], true, &state, err);

    if (rc == 0)
        rc = update(r, &state, err);
    state_close(&state);
    return rc;
}

static void put_stats(const struct state *state, const struct cgroup_stats *stats, struct json_out *out) {
    json_open_object(out);
    json_put_string(out, "type", "stats");
    json_put_string(out, "id", state->id);
    json_key(out, "data");
    json_open_object(out);
    json_key(out, "cpu");
    json_open_object(out);
    json_key(out, "usage");
    json_open_object(out);
    json_put_uint(out, "total", stats->cpu_nanos);
    json_close_object(out);
    json_close_object(out);
    json_key(out, "memory");
    json_open_object(out);
    json_key(out, "usage");
    json_open_object(out);
    json_put_uint(out, "usage", stats->memory);
    json_put_uint(out, "limit", stats->memory_limit);
    json_close_object(out);
    json_close_object(out);
    json_key(out, "pids");
    json_open_object(out);
    json_put_uint(out, "current", stats->pids);
    json_close_object(out);
    json_close_object(out);
    json_close_object(out);
}

static int show_stats(const struct runtime *r, const struct state *state, uint64_t *oom_kills,
                      struct err *err) {
    auto_json_out struct json_out out = {0};
    struct cgroup_stats stats;
    struct cgroup cgroup;

    if (cgroups_open(state->cgroup, false, &cgroup, err))
        return -1;
    cgroup_stats(&cgroup, &stats);
    cgroups_close(&cgroup);
    if (stats.oom_kills > *oom_kills) {
        json_open_object(&out);
        json_put_string(&out, "type", "oom");
        json_put_string(&out, "id", state->id);
        json_close_object(&out);
    } else {
        put_stats(state, &stats, &out);
    }
    *oom_kills = stats.oom_kills;
    if (json_out_finish(&out, err))
        return -1;
    r->out(out.data, out.len);
    r->out("\n", 1);
    return 0;
}

/* Until the container has ended; with --stats once. */
int command_events(const struct runtime *r, struct err *err) {
    struct state state;
    uint64_t oom_kills = 0;
    int rc = state_open(r->options->root, r->options->args[0], false, &state, err);

    if (rc == 0 && state_status(&state) == STATUS_STOPPED)
        rc = err_set(err, ERR_BAD_REQUEST, "container with id \"%s\" is not running", state.id);
    while (rc == 0 && state_status(&state) != STATUS_STOPPED) {
        rc = show_stats(r, &state, &oom_kills, err);
        if (r->options->stats)
            break;
        (void)nanosleep(&(struct timespec){r->options->interval_s > 0 ? r->options->interval_s : 1, 0}, NULL);
    }
    state_close(&state);
    return rc;
}
