/* libFuzzer's entry for what arrives on the sockets of helper and shim: frames, their JSON, and the parts of
 * a request that a client words freely (the process of an exec, limits). What is read must come out the same
 * when it is written and read again. */
#include <sys/socket.h>

#include "../lib/cleanup.h"
#include "../lib/frame.h"
#include "../lib/json.h"
#include "../shim/spec.h"
#include "fuzz.h"

static const char *const requests[] = {
    "{\"id\":1,\"op\":\"exec\",\"process\":{\"args\":[\"sh\",\"-c\",\"x\"],\"env\":[\"A=b\"],\"cwd\":\"/\","
    "\"user\":\"app:web\",\"groups\":[\"33\"],\"tty\":true,\"rows\":24,\"cols\":80},\"detach\":false}",
    "{\"id\":\"7\",\"op\":\"update\",\"resources\":{\"memory\":67108864,\"memorySwap\":-1,\"cpuQuota\":50000,"
    "\"cpuPeriod\":100000,\"cpusetCpus\":\"0-1\",\"pids\":9,\"swappiness\":60}}",
    "{\"id\":18446744073709551615,\"op\":\"kill\",\"signal\":9,\"all\":true,\"x\":[null,-1.5e3,"
    "\"\\u00e9\\ud83d\\ude00\"]}",
};

static size_t put_frame(char *out, const char *text) {
    size_t len = strlen(text);

    out[0] = out[1] = 0;
    out[2] = (char)(len >> 8);
    out[3] = (char)len;
    memcpy(out + 4, text, len);
    return len + 4;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    char all[4096];
    size_t size = 0;

    for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++) {
        char one[1024];
        fuzz_seed(*argc, *argv, i, one, put_frame(one, requests[i]));
        size += put_frame(all + size, requests[i]);
    }
    fuzz_seed(*argc, *argv, 9, all, size);
    return 0;
}

static void write_value(const struct json *value, struct json_out *out) { // NOLINT(misc-no-recursion)
    if (value->key)
        json_key(out, value->key);
    switch (value->type) {
    case JSON_STRING:
        json_string_n(out, value->string.text, value->string.len);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        if (value->type == JSON_ARRAY)
            json_open_array(out);
        else
            json_open_object(out);
        json_each(item, value) write_value(item, out);
        if (value->type == JSON_ARRAY)
            json_close_array(out);
        else
            json_close_object(out);
        break;
    default:
        json_raw(out, value->raw, value->raw_len);
    }
}

static void expect_same(const struct json *a, const struct json *b) { // NOLINT(misc-no-recursion)
    if (a->type != b->type || !a->key != !b->key || (a->key && strcmp(a->key, b->key) != 0))
        abort();
    if (a->type == JSON_STRING &&
        (a->string.len != b->string.len || memcmp(a->string.text, b->string.text, a->string.len) != 0))
        abort();
    if (a->type != JSON_ARRAY && a->type != JSON_OBJECT)
        return;
    const struct json *at = b->list.first;
    json_each(item, a) {
        if (!at)
            abort();
        expect_same(item, at);
        at = at->next;
    }
    if (at)
        abort();
}

static void read_request(const struct json *root) {
    struct err err = {0};
    struct process_spec process = {0};
    struct resources resources = {0};
    const struct json *object = json_get(root, "process");

    if (object && spec_parse_process(object, &process, &err) == 0 && !process.args[0])
        abort(); /* a command without a name */
    if (object)
        spec_free_process(&process);
    if (json_get(root, "resources"))
        (void)spec_parse_resources(json_get(root, "resources"), &resources, &err);
}

static void read_json(const char *text, size_t len) {
    struct err err = {0};
    auto_json_out struct json_out out = {0};
    auto_free char *exact = fuzz_exact(text, len);
    auto_json struct json_doc *doc = json_parse(exact, len, &err);

    if (!doc)
        return;
    write_value(json_root(doc), &out);
    if (json_out_finish(&out, &err))
        return;
    auto_json struct json_doc *again = json_parse(out.data, out.len, &err);
    if (!again)
        abort();
    expect_same(json_root(doc), json_root(again));
    read_request(json_root(doc));
}

/* Blocking and buffered readers see the same bytes, in pieces. */
static void read_frames(const uint8_t *data, size_t size) {
    struct err err = {0};
    struct frame_buffer buffer = {0};
    const char *payload;
    size_t len;
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds))
        abort();
    for (size_t at = 0, step = size % 7 ? 4096 : 3; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        if (write(fds[0], data + at, n) != (ssize_t)n)
            break;
        while (frame_buffer_fill(&buffer, fds[1], &err) > 0)
            continue;
        while (frame_buffer_next(&buffer, &payload, &len, &err) == 1)
            read_json(payload, len);
    }
    frame_buffer_free(&buffer);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_json((const char *)data, size);
    read_frames(data, size);
    return 0;
}
